"""Axes, colours and orders that charts of a report share. With charts.py the only importer of altair."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from inr.config import MODELS
from tasks.catalogue.recipe import Goal

MAX_COLUMNS = 4  # of a legend, as wide as a phone has it
LONGEST_PATH = 80
TICKS_BPP = tuple(digit * 10.0**power for power in range(-4, 3) for digit in (1, 2, 5))
OTHERS = "others"
PSNR = alt.Axis(title="PSNR, dB", format="~g")
BPP = alt.Axis(title="bits per pixel", format="~g", values=TICKS_BPP)


def spec(chart: Any, values: list[dict[str, Any]]) -> dict[str, Any]:
    """The chart with its data, which altair would check value by value."""
    return {**chart.to_dict(), "data": {"values": values}}


def by_goal(goals: Sequence[Goal | None]) -> alt.Color:
    """A colour for each goal, in their order, with a legend."""
    order = [goal_text(goal) for goal in ordered(goals)]
    n_columns = len(order) if len(order) <= MAX_COLUMNS else math.ceil(len(order) / 2)
    legend = alt.Legend(title=None, orient="top", columns=n_columns, symbolOpacity=1)
    return alt.Color("goal:O", sort=order, scale=alt.Scale(domain=order), legend=legend)


def by_model() -> alt.Color:
    """A colour for each model, with a legend."""
    return alt.Color("model:N", sort=list(MODELS), legend=alt.Legend(title=None, orient="top"))


def rank(model: str, *rest: str) -> tuple[int, str, tuple[str, ...]]:
    """A key that sorts models in the order in which commands name them."""
    return MODELS.index(model) if model in MODELS else len(MODELS), model, rest


def ordered(goals: Iterable[Goal | None]) -> list[Goal | None]:
    """Each goal once, from few bits to many; the others last."""

    def order(goal: Goal | None) -> tuple[bool, str, float]:
        if goal is None:
            return True, "", 0.0
        return False, goal.name, -goal.value if goal.name == "rd_lambda" else goal.value

    return sorted(set(goals), key=order)


def goal_text(goal: Goal | None) -> str:
    """A goal for people; one word for those that are too many to be distinguished."""
    return OTHERS if goal is None else str(goal)


def short(path: str) -> str:
    """The end of a path that is too long for a tooltip."""
    return path if len(path) <= LONGEST_PATH else f"…{path[1 - LONGEST_PATH :]}"


def extent(values: Iterable[float]) -> tuple[float, float]:
    """The smallest and the largest of some values."""
    kept = list(values)
    return min(kept), max(kept)


def padded(values: Sequence[float]) -> list[float]:
    """The domain of a linear axis, with a margin around the values."""
    low, high = extent(values)
    margin = max(0.5, 0.04 * (high - low))
    return [low - margin, high + margin]


def padded_log(values: Sequence[float]) -> list[float]:
    """The domain of a logarithmic axis, with a margin around the values."""
    low, high = extent(values)
    return [low / 1.15, high * 1.15]

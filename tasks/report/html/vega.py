"""The parts that every chart is made of: its axes, its colours, its ranges, and how its values are named.

Colours are not set: the page gives them by theme, one range for goals, which have an order, and one for
models, which have none. Altair checks every chart against Vega-Lite's schema.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from inr.config import MODELS
from tasks.catalogue.recipe import Goal
from tasks.report.ticks import log_ticks, ticks, whole_ticks

HEIGHT = 300
MANY_POINTS = 1000
MAX_COLUMNS = 4  # of a legend, as wide as a phone has it
LONGEST_PATH = 80
OTHERS = "others"
VEGA_LITE = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


@dataclass(frozen=True)
class Chart:
    """A chart, and its numbers as a table.

    Attributes:
        title: Name of the chart.
        description: A sentence that says what it shows, and its extent, for a screen reader.
        spec: The chart, without colours.
        is_dense: True if it has too many marks for each to be an element of the page.
        columns: Headings of its table.
        rows: Rows of its table: the numbers behind the chart, or their quantiles.
    """

    title: str
    description: str
    spec: dict[str, Any]
    is_dense: bool
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def spec_of(chart: Any, values: list[dict[str, Any]]) -> dict[str, Any]:
    """The chart with its data, which altair would check value by value."""
    return {**chart.to_dict(), "data": {"values": values}}


def even(title: str, low: float, high: float) -> dict[str, Any]:
    """Axis and scale from `low` to `high`."""
    axis = alt.Axis(title=title, format="~g", values=ticks(low, high))
    return {"axis": axis, "scale": alt.Scale(domain=[low, high])}


def of_psnr(low: float, high: float) -> dict[str, Any]:
    """Axis and scale of PSNR."""
    return even("PSNR, dB", low, high)


def of_rate(low: float, high: float) -> dict[str, Any]:
    """Axis and logarithmic scale of rates, which are above zero."""
    axis = alt.Axis(title="bits per pixel", format="~g", values=log_ticks(low, high))
    return {"axis": axis, "scale": alt.Scale(type="log", domain=[low, high])}


def of_counts(title: str, high: int) -> dict[str, Any]:
    """Axis and scale of whole numbers from 0 to `high`."""
    axis = alt.Axis(title=title, format=",d", values=whole_ticks(high))
    return {"axis": axis, "scale": alt.Scale(domain=[0, high])}


def by_goal(goals: Sequence[Goal | None]) -> alt.Color:
    """A colour per goal, from few bits to many."""
    order = [goal_name(goal) for goal in ordered(goals)]
    n_columns = len(order) if len(order) <= MAX_COLUMNS else math.ceil(len(order) / 2)
    legend = alt.Legend(title=None, orient="top", columns=n_columns, symbolOpacity=1)
    return alt.Color("goal:O", sort=order, scale=alt.Scale(domain=order), legend=legend)


def by_model() -> alt.Color:
    """A colour per model."""
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


def goal_name(goal: Goal | None) -> str:
    """A goal for people; `OTHERS` for None, which stands for goals without a colour of their own."""
    return OTHERS if goal is None else str(goal)


def rate_text(bpp: float) -> str:
    """Bits per pixel with three decimals, and with three digits where they are less than 0.1."""
    decimals = 3 if not bpp or bpp >= 0.1 else 2 - math.floor(math.log10(bpp))
    return f"{bpp:.{decimals}f}"


def short(path: str) -> str:
    """The end of a path that is too long to be shown whole."""
    return path if len(path) <= LONGEST_PATH else f"…{path[1 - LONGEST_PATH :]}"

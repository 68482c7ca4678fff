"""Charts as Vega-Lite has them, each with a description and a table for who does not see it.

The only importer of altair, which checks what is built here against Vega-Lite's schema. Colours are not set:
the page gives them by theme, one range for what has an order (goals) and one for what has none (models).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import altair as alt

from inr.config import MODELS
from tasks.catalogue.recipe import Goal
from tasks.report.html.comparison import ComparedCurves
from tasks.report.html.facts import Bin, BitstreamPoint, HistoryPoint

HEIGHT = 300
MANY_POINTS = 1000
MAX_COLUMNS = 4  # of a legend, as wide as a phone has it
LONGEST_PATH = 80
TICKS_BPP = tuple(digit * 10.0**power for power in range(-4, 3) for digit in (1, 2, 5))
OTHERS = "others"
VEGA_LITE = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])

_PSNR = alt.Axis(title="PSNR, dB", format="~g")
_BPP = alt.Axis(title="bits per pixel", format="~g", values=TICKS_BPP)


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: What it shows.
        description: The same with its extent, in a sentence, for a screen reader.
        spec: The chart, without colours.
        is_dense: Whether it has too many marks to be an element of the page each.
        columns: Of the table.
        rows: The numbers behind the chart, or their quantiles.
    """

    title: str
    description: str
    spec: dict[str, Any]
    is_dense: bool
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def scatters(points: Sequence[BitstreamPoint]) -> list[Chart]:
    """PSNR over rate, a chart per model, a colour per goal; all with the same axes."""
    models = sorted({point.model for point in points}, key=_rank)
    return [_scatter(model, points) for model in models]


def _scatter(model: str, everything: Sequence[BitstreamPoint]) -> Chart:
    points = [point for point in everything if point.model == model]
    rate_range = _padded_log([point.rate_bpp for point in everything])
    psnr_range = _padded([point.psnr_db for point in everything])
    chosen = alt.selection_point(fields=["goal"], bind="legend")
    many = len(points) > MANY_POINTS
    chart = (
        alt.Chart(width="container", height=HEIGHT)
        .mark_circle(size=12 if many else 45, clip=True)
        .encode(
            x=alt.X("bpp:Q", axis=_BPP, scale=alt.Scale(type="log", domain=rate_range)),
            y=alt.Y("psnr:Q", axis=_PSNR, scale=alt.Scale(domain=psnr_range)),
            color=_by_goal([point.goal for point in points]),
            opacity=alt.condition(chosen, alt.value(0.45 if many else 0.85), alt.value(0.04)),
            tooltip=[
                alt.Tooltip("path:N", title="path"),  # what is titled "image" would be loaded as one
                alt.Tooltip("goal:N", title="setting"),
                alt.Tooltip("bpp:Q", title="bpp", format=".4f"),
                alt.Tooltip("psnr:Q", title="PSNR, dB", format=".2f"),
            ],
        )
        .add_params(chosen)
    )
    values = [
        {
            "bpp": round(point.rate_bpp, 5),
            "psnr": round(point.psnr_db, 3),
            "goal": _goal(point.goal),
            "path": _short(point.path),
        }
        for point in points
    ]
    rates, qualities = _extent(p.rate_bpp for p in points), _extent(p.psnr_db for p in points)
    return Chart(
        title=model,
        description=f"PSNR over rate of {len(points)} bitstreams of {model}: "
        f"{rates[0]:.3f} to {rates[1]:.3f} bits per pixel, {qualities[0]:.1f} to {qualities[1]:.1f} dB.",
        spec=_spec(chart, values),
        is_dense=True,
        columns=("setting", "bitstreams", "bpp 5 %", "median", "95 %", "PSNR 5 %", "median", "95 %"),
        rows=tuple(_quantile_row(goal, points) for goal in _ordered(point.goal for point in points)),
    )


def _quantile_row(goal: Goal | None, points: Sequence[BitstreamPoint]) -> tuple[str, ...]:
    mine = [point for point in points if point.goal == goal]
    rates, qualities = _quantiles([p.rate_bpp for p in mine]), _quantiles([p.psnr_db for p in mine])
    return (
        _goal(goal),
        str(len(mine)),
        *(f"{rate:.3f}" for rate in rates),
        *(f"{quality:.2f}" for quality in qualities),
    )


def _quantiles(values: list[float]) -> tuple[float, float, float]:
    """5 %, median, 95 %."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    cuts = quantiles(values, n=20, method="inclusive")
    return cuts[0], median(values), cuts[-1]


def psnr_histogram(bins: Sequence[Bin]) -> Chart:
    """How many bitstreams have which PSNR."""
    axis = alt.X("low:Q", axis=_PSNR, scale=alt.Scale(zero=False))
    return _histogram("PSNR", "dB", bins, axis, ".4g")


def rate_histogram(bins: Sequence[Bin]) -> Chart:
    """How many bitstreams have which rate."""
    low, high = _extent(edge for each in bins for edge in (each.low, each.high))
    scale = alt.Scale(type="log", domain=[low, high])
    return _histogram("Rate", "bits per pixel", bins, alt.X("low:Q", axis=_BPP, scale=scale), ".3f")


def _histogram(name: str, unit: str, bins: Sequence[Bin], axis: alt.X, form: str) -> Chart:
    chart = (
        alt.Chart(width="container", height=HEIGHT * 2 // 3)
        .mark_bar(binSpacing=1)
        .encode(
            x=axis,
            x2="high:Q",
            y=alt.Y("from:Q", axis=alt.Axis(title="bitstreams", format=",d", tickMinStep=1)),
            y2="to:Q",
            color=_by_model(),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("range:N", title=unit),
                alt.Tooltip("n:Q", title="bitstreams"),
            ],
        )
    )
    ranges = [f"{each.low:{form}} to {each.high:{form}}" for each in bins]
    values, heights = [], dict[float, int]()
    for each, range_ in zip(bins, ranges, strict=True):
        start = heights.get(each.low, 0)
        heights[each.low] = start + each.n
        names = {"model": each.model, "range": range_, "n": each.n}
        values.append({**names, "low": each.low, "high": each.high, "from": start, "to": start + each.n})
    low, high = _extent(edge for each in bins for edge in (each.low, each.high))
    return Chart(
        title=name,
        description=f"{name} of {sum(each.n for each in bins)} bitstreams, "
        f"{low:{form}} to {high:{form}} {unit}.",
        spec=_spec(chart, values),
        is_dense=False,
        columns=("model", unit, "bitstreams"),
        rows=tuple((each.model, range_, str(each.n)) for each, range_ in zip(bins, ranges, strict=True)),
    )


def histories(points: Sequence[HistoryPoint]) -> list[Chart]:
    """The patent's Fig. 5: estimated rate and PSNR over the steps of a fit, a line per goal."""
    families = sorted({(point.model, point.preset) for point in points}, key=lambda each: _rank(*each))
    charts = []
    for family in families:
        mine = [point for point in points if (point.model, point.preset) == family]
        rate = alt.Y("bpp:Q", axis=alt.Axis(title="estimated bits per pixel", format="~g"))
        quality = alt.Y("psnr:Q", axis=_PSNR, scale=alt.Scale(zero=False))
        charts += [
            _history(f"{' '.join(family)}: estimated rate", mine, rate),
            _history(f"{' '.join(family)}: PSNR", mine, quality),
        ]
    return charts


def _history(title: str, points: Sequence[HistoryPoint], axis: alt.Y) -> Chart:
    chart = (
        alt.Chart(width="container", height=HEIGHT * 2 // 3)
        .mark_line(point="transparent")
        .encode(
            x=alt.X("step:Q", axis=alt.Axis(title="step", format=",d")),
            y=axis,
            color=_by_goal([point.goal for point in points]),
            tooltip=[
                alt.Tooltip("goal:N", title="setting"),
                alt.Tooltip("step:Q", format=",.0f"),
                alt.Tooltip("bpp:Q", title="estimated bpp", format=".4f"),
                alt.Tooltip("psnr:Q", title="PSNR, dB", format=".2f"),
            ],
        )
    )
    values = [
        {
            "step": round(point.step),
            "bpp": round(point.estimated_bpp, 5),
            "psnr": round(point.psnr_db, 3),
            "goal": _goal(point.goal),
        }
        for point in points
    ]
    goals = _ordered(point.goal for point in points)
    return Chart(
        title=title,
        description=f"{title} over the steps of the fit, the mean over images, a line for each of: "
        f"{', '.join(map(str, goals))}.",
        spec=_spec(chart, values),
        is_dense=False,
        columns=("setting", "images", "step", "estimated bpp", "PSNR, dB"),
        rows=tuple(row for goal in goals for row in _history_rows(goal, points)),
    )


def _history_rows(goal: Goal | None, points: Sequence[HistoryPoint]) -> Iterable[tuple[str, ...]]:
    """A dozen rows of a line, the last one among them."""
    mine = [point for point in points if point.goal == goal]
    every = max(1, len(mine) // 10)
    for point in mine[::-1][::every][::-1]:
        numbers = (f"{point.step:.0f}", f"{point.estimated_bpp:.3f}", f"{point.psnr_db:.2f}")
        yield (str(goal), str(point.n_images), *numbers)


def rd_curves(found: ComparedCurves) -> Chart:
    """The curves of a comparison."""
    everything = [point for curve in found.curves for point in curve.points if math.isfinite(point.psnr_db)]
    chart = (
        alt.Chart(width="container", height=HEIGHT)
        .mark_line(point=alt.OverlayMarkDef(size=55, filled=True))
        .encode(
            x=alt.X(
                "bpp:Q",
                axis=_BPP,
                scale=alt.Scale(type="log", domain=_padded_log([p.rate_bpp for p in everything])),
            ),
            y=alt.Y("psnr:Q", axis=_PSNR, scale=alt.Scale(domain=_padded([p.psnr_db for p in everything]))),
            color=_by_model(),
            shape=alt.Shape("model:N", legend=None),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("goal:N", title="setting"),
                alt.Tooltip("bpp:Q", title="bpp", format=".4f"),
                alt.Tooltip("psnr:Q", title="mean PSNR, dB", format=".2f"),
            ],
        )
    )
    values = [
        {
            "model": str(curve),
            "goal": str(Goal("rd_lambda", point.rd_lambda)),
            "bpp": round(point.rate_bpp, 5),
            "psnr": round(point.psnr_db, 3),
        }
        for curve in found.curves
        for point in curve.points
        if math.isfinite(point.psnr_db)
    ]
    return Chart(
        title="Rate-distortion curves",
        description=f"Mean PSNR over rate of {', '.join(map(str, found.curves))} on {found.n_images} images.",
        spec=_spec(chart, values),
        is_dense=False,
        columns=("model", "λ", "bpp", "PSNR, dB", "MS-SSIM", "encode, s", "decode, s"),
        rows=tuple(
            (
                str(curve),
                f"{point.rd_lambda:g}",
                f"{point.rate_bpp:.3f}",
                f"{point.psnr_db:.2f}",
                "" if point.ms_ssim is None else f"{point.ms_ssim:.4f}",
                f"{point.encode_seconds:.1f}",
                f"{point.decode_seconds:.2f}",
            )
            for curve in found.curves
            for point in curve.points
        ),
    )


def _spec(chart: Any, values: list[dict[str, Any]]) -> dict[str, Any]:
    """The chart with its data, which altair would check value by value."""
    return {**chart.to_dict(), "data": {"values": values}}


def _by_goal(goals: Sequence[Goal | None]) -> alt.Color:
    order = [_goal(goal) for goal in _ordered(goals)]
    n_columns = len(order) if len(order) <= MAX_COLUMNS else math.ceil(len(order) / 2)
    legend = alt.Legend(title=None, orient="top", columns=n_columns, symbolOpacity=1)
    return alt.Color("goal:O", sort=order, scale=alt.Scale(domain=order), legend=legend)


def _by_model() -> alt.Color:
    return alt.Color("model:N", sort=list(MODELS), legend=alt.Legend(title=None, orient="top"))


def _rank(model: str, *rest: str) -> tuple[int, str, tuple[str, ...]]:
    """Models in the order in which commands name them."""
    return MODELS.index(model) if model in MODELS else len(MODELS), model, rest


def _ordered(goals: Iterable[Goal | None]) -> list[Goal | None]:
    """Each goal once, from few bits to many; the others last."""

    def order(goal: Goal | None) -> tuple[bool, str, float]:
        if goal is None:
            return True, "", 0.0
        return False, goal.name, -goal.value if goal.name == "rd_lambda" else goal.value

    return sorted(set(goals), key=order)


def _goal(goal: Goal | None) -> str:
    return OTHERS if goal is None else str(goal)


def _short(path: str) -> str:
    return path if len(path) <= LONGEST_PATH else f"…{path[1 - LONGEST_PATH :]}"


def _extent(values: Iterable[float]) -> tuple[float, float]:
    kept = list(values)
    return min(kept), max(kept)


def _padded(values: Sequence[float]) -> list[float]:
    low, high = _extent(values)
    margin = max(0.5, 0.04 * (high - low))
    return [low - margin, high + margin]


def _padded_log(values: Sequence[float]) -> list[float]:
    low, high = _extent(values)
    return [low / 1.15, high * 1.15]

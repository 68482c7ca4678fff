"""The charts of the page, each with a description and a table for readers who do not see it."""

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import median, quantiles
from typing import Any

import altair as alt

from tasks.catalogue.recipe import Goal
from tasks.report.html.comparison import ComparedCurves, Curve
from tasks.report.html.facts import Bin, BitstreamPoint, HistoryPoint
from tasks.report.html.vega import (
    HEIGHT,
    MANY_POINTS,
    Chart,
    by_goal,
    by_model,
    even,
    goal_name,
    of_counts,
    of_psnr,
    of_rate,
    ordered,
    rank,
    rate_text,
    short,
    spec_of,
)
from tasks.report.sweep import RdPoint
from tasks.report.ticks import extent, padded, padded_log
from tasks.wording import counted

QUANTILES = ("5 %", "median", "95 %")

_TIPS = (
    alt.Tooltip("goal:N", title="setting"),
    alt.Tooltip("bpp:Q", title="bpp", format=".4f"),
    alt.Tooltip("psnr:Q", title="PSNR, dB", format=".2f"),
)


def scatters(points: Sequence[BitstreamPoint]) -> list[Chart]:
    """PSNR over rate, a chart per model, a colour per goal; all with the same axes."""
    models = sorted({point.model for point in points}, key=rank)
    return [_scatter(model, points) for model in models]


def _scatter(model: str, everything: Sequence[BitstreamPoint]) -> Chart:
    points = [point for point in everything if point.model == model]
    rates = of_rate(*padded_log([point.rate_bpp for point in everything]))
    qualities = of_psnr(*padded([point.psnr_db for point in everything]))
    chosen = alt.selection_point(fields=["goal"], bind="legend")
    many = len(points) > MANY_POINTS
    chart = (
        alt.Chart(width="container", height=HEIGHT)
        .mark_circle(size=12 if many else 45, clip=True)
        .encode(
            x=alt.X("bpp:Q", **rates),
            y=alt.Y("psnr:Q", **qualities),
            color=by_goal([point.goal for point in everything]),
            opacity=alt.condition(chosen, alt.value(0.45 if many else 0.85), alt.value(0.04)),
            tooltip=[alt.Tooltip("path:N", title="path"), *_TIPS],  # a title "image" would load a picture
        )
        .add_params(chosen)
    )
    bpp, db = extent(p.rate_bpp for p in points), extent(p.psnr_db for p in points)
    return Chart(
        title=model,
        description=f"PSNR over rate of {counted(len(points), 'bitstream')} of {model}: "
        f"{rate_text(bpp[0])} to {rate_text(bpp[1])} bits per pixel, {db[0]:.1f} to {db[1]:.1f} dB.",
        spec=spec_of(chart, [_dot(point) for point in points]),
        is_dense=True,
        columns=("setting", "bitstreams", *(f"{of} {at}" for of in ("bpp", "PSNR") for at in QUANTILES)),
        rows=tuple(_quantile_row(goal, points) for goal in ordered(point.goal for point in points)),
    )


def _dot(point: BitstreamPoint) -> dict[str, float | str]:
    return {
        "bpp": round(point.rate_bpp, 5),
        "psnr": round(point.psnr_db, 3),
        "goal": goal_name(point.goal),
        "path": short(point.path),
    }


def _quantile_row(goal: Goal | None, points: Sequence[BitstreamPoint]) -> tuple[str, ...]:
    mine = [point for point in points if point.goal == goal]
    rates, qualities = _quantiles([p.rate_bpp for p in mine]), _quantiles([p.psnr_db for p in mine])
    return (
        goal_name(goal),
        str(len(mine)),
        *map(rate_text, rates),
        *(f"{quality:.2f}" for quality in qualities),
    )


def _quantiles(values: list[float]) -> tuple[float, float, float]:
    """5 %, median, 95 %."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    cuts = quantiles(values, n=20, method="inclusive")
    return cuts[0], median(values), cuts[-1]


def psnr_histogram(bins: Sequence[Bin]) -> Chart:
    """The number of bitstreams by PSNR."""
    return _histogram("PSNR", "dB", bins, of_psnr(*_edges(bins)), "{:.4g}".format)


def rate_histogram(bins: Sequence[Bin]) -> Chart:
    """The number of bitstreams by rate."""
    return _histogram("Rate", "bits per pixel", bins, of_rate(*_edges(bins)), rate_text)


def _edges(bins: Sequence[Bin]) -> tuple[float, float]:
    return extent(edge for each in bins for edge in (each.low, each.high))


def _histogram(
    name: str, unit: str, bins: Sequence[Bin], axis: dict[str, Any], text: Callable[[float], str]
) -> Chart:
    values, highest = _bars(bins, text)
    chart = (
        alt.Chart(width="container", height=HEIGHT * 2 // 3)
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X("low:Q", **axis),
            x2="high:Q",
            y=alt.Y("from:Q", **of_counts("bitstreams", highest)),
            y2="to:Q",
            color=by_model(),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("range:N", title=unit),
                alt.Tooltip("n:Q", title="bitstreams"),
            ],
        )
    )
    low, high = _edges(bins)
    return Chart(
        title=name,
        description=f"{name} of {counted(sum(each.n for each in bins), 'bitstream')}, "
        f"{text(low)} to {text(high)} {unit}.",
        spec=spec_of(chart, values),
        is_dense=False,
        columns=("model", unit, "bitstreams"),
        rows=tuple((str(bar["model"]), str(bar["range"]), str(bar["n"])) for bar in values),
    )


def _bars(bins: Sequence[Bin], text: Callable[[float], str]) -> tuple[list[dict[str, Any]], int]:
    """The bars, those of one range on top of each other, and the height of the highest of these towers."""
    values, heights = list[dict[str, Any]](), dict[float, int]()
    for each in bins:
        start = heights.get(each.low, 0)
        heights[each.low] = start + each.n
        range_ = f"{text(each.low)} to {text(each.high)}"
        names = {"model": each.model, "range": range_, "n": each.n}
        values.append({**names, "low": each.low, "high": each.high, "from": start, "to": start + each.n})
    return values, max(heights.values())


def histories(points: Sequence[HistoryPoint]) -> list[Chart]:
    """The patent's Fig. 5: estimated rate and PSNR over the steps of a fit, a line per goal."""
    families = sorted({(point.model, point.preset) for point in points}, key=lambda each: rank(*each))
    charts = []
    for family in families:
        mine = [point for point in points if (point.model, point.preset) == family]
        highest = max(point.estimated_bpp for point in mine) or 1.0
        rate = alt.Y("bpp:Q", **even("estimated bits per pixel", 0.0, highest))
        quality = alt.Y("psnr:Q", **of_psnr(*padded([point.psnr_db for point in mine])))
        goals = [point.goal for point in points]
        charts += [
            _history(f"{' '.join(family)}: estimated rate", mine, rate, goals),
            _history(f"{' '.join(family)}: PSNR", mine, quality, goals),
        ]
    return charts


def _history(title: str, points: Sequence[HistoryPoint], axis: alt.Y, all_goals: Sequence[Goal]) -> Chart:
    chart = (
        alt.Chart(width="container", height=HEIGHT * 2 // 3)
        .mark_line(point="transparent")
        .encode(
            x=alt.X("step:Q", **of_counts("step", math.ceil(max(point.step for point in points)))),
            y=axis,
            color=by_goal(all_goals),
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
            "goal": goal_name(point.goal),
        }
        for point in points
    ]
    goals = ordered(point.goal for point in points)
    return Chart(
        title=title,
        description=f"{title} over the steps of the fit, the mean over images, a line for each of: "
        f"{', '.join(map(str, goals))}.",
        spec=spec_of(chart, values),
        is_dense=False,
        columns=("setting", "images", "step", "estimated bpp", "PSNR, dB"),
        rows=tuple(row for goal in goals for row in _history_rows(goal, points)),
    )


def _history_rows(goal: Goal | None, points: Sequence[HistoryPoint]) -> Iterable[tuple[str, ...]]:
    """At most 19 rows of a line, evenly spaced, the last one among them."""
    mine = [point for point in points if point.goal == goal]
    every = max(1, len(mine) // 10)
    for point in mine[::-1][::every][::-1]:
        numbers = (f"{point.step:.0f}", rate_text(point.estimated_bpp), f"{point.psnr_db:.2f}")
        yield (str(goal), str(point.n_images), *numbers)


def rd_curves(found: ComparedCurves) -> Chart:
    """The curves of a comparison."""
    drawn = [(curve, point) for curve in found.curves for point in curve.points]
    finite = [(curve, point) for curve, point in drawn if math.isfinite(point.psnr_db)]
    values = [
        {
            "model": str(curve),
            "goal": str(Goal("rd_lambda", point.rd_lambda)),
            "bpp": round(point.rate_bpp, 5),
            "psnr": round(point.psnr_db, 3),
        }
        for curve, point in finite
    ]
    return Chart(
        title="Rate-distortion curves",
        description=f"Mean PSNR over rate of {', '.join(map(str, found.curves))} "
        f"on {counted(found.n_images, 'image')}.",
        spec=spec_of(_lines([point for _, point in finite]), values),
        is_dense=False,
        columns=("model", "λ", "bpp", "PSNR, dB", "MS-SSIM", "encode, s", "decode, s"),
        rows=tuple(_curve_row(curve, point) for curve, point in drawn),
    )


def _lines(points: Sequence[RdPoint]) -> alt.Chart:
    """A line per model over axes that hold every point."""
    rates = of_rate(*padded_log([point.rate_bpp for point in points]))
    qualities = of_psnr(*padded([point.psnr_db for point in points]))
    chart = alt.Chart(width="container", height=HEIGHT)
    lines: alt.Chart = chart.mark_line(point=alt.OverlayMarkDef(size=55, filled=True)).encode(
        x=alt.X("bpp:Q", **rates),
        y=alt.Y("psnr:Q", **qualities),
        color=by_model(),
        shape=alt.Shape("model:N", legend=None),
        tooltip=[
            alt.Tooltip("model:N"),
            alt.Tooltip("goal:N", title="setting"),
            alt.Tooltip("bpp:Q", title="bpp", format=".4f"),
            alt.Tooltip("psnr:Q", title="mean PSNR, dB", format=".2f"),
        ],
    )
    return lines


def _curve_row(curve: Curve, point: RdPoint) -> tuple[str, ...]:
    return (
        str(curve),
        f"{point.rd_lambda:g}",
        rate_text(point.rate_bpp),
        f"{point.psnr_db:.2f}",
        "" if point.ms_ssim is None else f"{point.ms_ssim:.4f}",
        f"{point.encode_seconds:.1f}",
        f"{point.decode_seconds:.2f}",
    )

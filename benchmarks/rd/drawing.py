"""The look of figures: SVG that reads on light and on dark pages, with labels at the lines."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import isotonic_regression

from tasks.report.curves import Point, psnr_at, rate_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# Eight colours that people of any colour vision distinguish, each at 3:1 or better on white and on black.
COLOURS = {
    "blue": "#1f83c4",
    "orange": "#d07a00",
    "green": "#009e73",
    "vermilion": "#d55e00",
    "purple": "#c06a9c",
    "sky": "#3f97c9",
    "olive": "#94800a",
    "grey": "#7a7a7a",
}
INK = "#7a7a7a"  # 4.3:1 on white, and on the dark pages that people have
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small, searchable, read aloud
    "svg.hashsalt": "inr",  # the same data gives the same file
    "font.family": "sans-serif",
    "font.sans-serif": ["system-ui", "Helvetica", "Arial", "DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
}


@dataclass(frozen=True)
class Line:
    """A curve of a figure.

    Attributes:
        label: Text beside it, in its colour.
        colour: A name of `COLOURS`.
        points: The curve, by rising rate.
        marker: Marker at each point; none if empty.
        dashes: "-" for what was measured here, "--" for what was published.
        width: Width of the line, in points.
        at_start: True if the label stands below the first point instead of to the right of the last.
    """

    label: str
    colour: str
    points: Sequence[Point] = ()
    marker: str = ""
    dashes: str = "-"
    width: float = 1.6
    at_start: bool = False


@dataclass(frozen=True)
class Panel:
    """One pair of axes: its title, its lines, and the ranges of bits per pixel and dB that are shown."""

    title: str
    lines: Sequence[Line]
    bpp_range: tuple[float, float]
    db_range: tuple[float, float]


def draw_rd(panels: Sequence[Panel], path: Path) -> None:
    """Rate (bits per pixel, logarithmic) against PSNR as an SVG file; panels side by side."""
    with figure_of(1, len(panels), (6.0, 4.6), path) as grid:
        for axes, panel in zip(grid[0], panels, strict=True):
            axes.set(xscale="log", xlabel="bits per pixel", xlim=panel.bpp_range, ylim=panel.db_range)
            axes.set_title(panel.title, fontsize=10, loc="left")
            for line in panel.lines:
                _draw(axes, line)
            _label(axes, panel)
            plain_ticks(axes.xaxis)
        grid[0][0].set_ylabel("PSNR, dB")


@contextmanager
def figure_of(
    n_rows: int, n_columns: int, inches: tuple[float, float], path: Path
) -> "Iterator[list[list[Axes]]]":
    """Axes to draw on, `inches` each, in rows; written to `path` in the end."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.use("Agg")
    with mpl.rc_context(STYLE):
        size = (inches[0] * n_columns, inches[1] * n_rows)
        figure, grid = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False, layout="constrained")
        for axes in grid.flat:
            axes.grid(visible=True, which="major")
        yield grid.tolist()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
        plt.close(figure)


def _draw(axes: "Axes", line: Line) -> None:
    rates, qualities = [p.bpp for p in line.points], [p.psnr_db for p in line.points]
    axes.plot(
        rates,
        qualities,
        line.dashes,
        color=COLOURS[line.colour],
        linewidth=line.width,
        marker=line.marker,
        markersize=4,
    )


def _label(axes: "Axes", panel: Panel) -> None:
    """Labels in the right margin, spread so that none covers another, each with a hair to its line."""
    starts = [line for line in panel.lines if line.at_start]
    for line in starts:
        _write(axes, line, line.points[0], (0, -9), "offset points")
    others = [line for line in panel.lines if not line.at_start]
    ends = [_last_shown(line, panel) for line in others]
    low, high = panel.db_range
    heights = spread([end.psnr_db for end in ends], gap=0.046 * (high - low), low=low, high=high)
    for line, end, height in zip(others, ends, heights, strict=True):
        _write(axes, line, end, (1.06 * panel.bpp_range[1], height), "data")


def _write(axes: "Axes", line: Line, at: Point, text_at: tuple[float, float], coordinates: str) -> None:
    colour = COLOURS[line.colour]
    hair = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 1, "shrinkB": 1}
    axes.annotate(
        line.label,
        (at.bpp, at.psnr_db),
        xytext=text_at,
        textcoords=coordinates,
        color=colour,
        fontsize=9,
        va="center",
        ha="center" if line.at_start else "left",
        arrowprops=None if line.at_start else hair,
        annotation_clip=False,
    )


def _last_shown(line: Line, panel: Panel) -> Point:
    """The point at which the line ends or leaves the panel."""
    for point in (
        Point(panel.bpp_range[1], psnr_at(line.points, panel.bpp_range[1]) or math.inf),
        Point(rate_at(line.points, panel.db_range[1]) or math.inf, panel.db_range[1]),
    ):
        if point.bpp <= panel.bpp_range[1] and point.psnr_db <= panel.db_range[1]:
            return point
    return line.points[-1]


def spread(values: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """The values moved apart, in their order and as little as it takes, to stand `gap` from each other.

    Raises:
        ValueError: They do not fit between `low` and `high`.
    """
    if not values:
        return []
    if gap * (len(values) - 1) > high - low:
        raise ValueError(f"expected room for {len(values)} labels, found {high - low:g} for {gap:g} each")
    order = np.argsort(values, kind="stable")
    steps = gap * np.arange(len(values))
    # Heights less their steps must rise: the nearest such heights are their isotonic regression.
    rising = isotonic_regression(np.asarray(values)[order] - steps).x
    moved = np.empty(len(values))
    moved[order] = np.clip(rising, low, high - steps[-1]) + steps
    return [float(height) for height in moved]


def plain_ticks(axis: "Axis") -> None:
    """0.1, 0.2, 0.5 on a logarithmic axis, instead of powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())

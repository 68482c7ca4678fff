"""The patent's Fig. 4 and Fig. 5, drawn from stored results.

    python -m benchmarks.figures fig4
    python -m benchmarks.figures fig5

write benchmarks/results/fig4.svg and fig5.svg; nothing is measured. Fig. 4 has two panels, since its
curves are means over two sets of images: what was measured here on seven Kodak images, and what was
published over all 24, each beside the curves that were measured here on that set.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.drawing import COLOURS, Line, Panel, draw_rd, figure_of, plain_ticks
from tasks.report.curves import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Json = dict[str, Any]

RESULTS = Path(__file__).parent / "results"
PUBLISHED = Path(__file__).parent / "published.json"
BPP_RANGE, DB_RANGE = (0.05, 1.0), (22.5, 38.5)
COLOURS_OF_LAMBDA = ("vermilion", "olive", "green", "blue")

OURS: Json = {"marker": "o", "width": 2.6}
SEVEN: dict[str, Json] = {
    "cnn draft": {"label": "cnn, draft", "colour": "vermilion", **OURS},
    "mlp standard": {"label": "mlp, standard", "colour": "blue", "at_start": True, **OURS},
    "AVIF 4:4:4": {"colour": "green"},
    "AVIF 4:2:0": {"colour": "sky"},
    "JPEG XL": {"colour": "purple"},
    "JPEG 2000": {"colour": "orange"},
    "WebP": {"colour": "olive"},
    "JPEG for PSNR": {"colour": "grey"},
}
ALL = {
    "Cool-Chic 5.0": "vermilion",
    "C3": "orange",
    "COOL-CHIC": "purple",
    "Ballé 2018": "olive",
    "NIF25": "sky",
    "Strümpler 2022": "green",
    "COIN": "orange",
}


def draw_fig4(results: Path, published: Path, path: Path) -> None:
    """Rate and distortion on Kodak: this codec, the classical ones, and published ones of both classes."""
    combined = _read(results / "rd_kodak7.json")
    all_images = _read(results / "rd_mlp_kodak24.json")
    draw_rd([_seven(combined, _read(published)), _all(all_images, _read(published))], path)


def _seven(combined: Json, published: Json) -> Panel:
    lines = [
        Line(points=_means(combined["mean"][name]), **{"label": name, **style})
        for name, style in SEVEN.items()
        if name in combined["mean"]
    ]
    lines.append(_jpeg(combined))
    theirs = _points(published["Cool-Chic 5.0, seven images"])
    lines.append(Line("Cool-Chic 5.0", theirs, "vermilion", dashes="--"))
    n_images = len(combined["images"])
    return Panel(f"{n_images} Kodak images: measured here, published dashed", lines, BPP_RANGE, DB_RANGE)


def _all(measured: Json, published: Json) -> Panel:
    lines = [Line(name, _points(published[name]), colour, dashes="--") for name, colour in ALL.items()]
    chosen = measured["settings"]
    label = f"{chosen['model']}, {chosen['preset']}"
    lines.append(Line(label, _means(measured["mean"]), "blue", at_start=True, **OURS))
    lines.append(_jpeg(measured))
    title = f"All {measured['n_images']} Kodak images: published dashed, measured here"
    return Panel(title, lines, BPP_RANGE, DB_RANGE)


def _jpeg(report: Json) -> Line:
    return Line("JPEG", [Point(*pair) for pair in report["jpeg_mean"]], "grey", width=1.2)


def _means(rows: Sequence[Json]) -> list[Point]:
    return sorted(Point(row["bpp"], row["psnr_db"]) for row in rows)


def _points(curve: Json) -> list[Point]:
    return [Point(*pair) for pair in zip(curve["bpp"], curve["psnr"], strict=True)]


def draw_fig5(results: Path, _: Path, path: Path) -> None:
    """Estimated rate and PSNR over the steps of a fit, a line for each λ, a column for each family."""
    report = _read(results / "fig5.json")
    models = list(dict.fromkeys(fit["model"] for fit in report["fits"]))
    with figure_of(2, len(models), (5.0, 2.9), path) as (rates, qualities):
        for column, model in enumerate(models):
            fits = [fit for fit in report["fits"] if fit["model"] == model]
            for fit, colour in zip(fits, COLOURS_OF_LAMBDA, strict=False):
                _draw_fit(rates[column], fit, "estimated_bpp", colour)
                _draw_fit(qualities[column], fit, "psnr_db", colour)
            title = f"{model}, {report['preset']}: {report['image']}"
            rates[column].set_title(title, fontsize=10, loc="left")
            rates[column].set_yscale("log")
            plain_ticks(rates[column].yaxis)
            qualities[column].set_xlabel("step")
        rates[0].set_ylabel("estimated bits per pixel")
        qualities[0].set_ylabel("PSNR, dB")


def _draw_fit(axes: "Axes", fit: Json, measure: str, colour: str) -> None:
    axes.plot(*zip(*fit[measure], strict=True), color=COLOURS[colour])
    axes.annotate(
        f"λ {fit['rd_lambda']:g}",
        fit[measure][-1],
        xytext=(5, 0),
        textcoords="offset points",
        color=COLOURS[colour],
        fontsize=9,
        va="center",
        annotation_clip=False,
    )


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


FIGURES: dict[str, Callable[[Path, Path, Path], None]] = {"fig4": draw_fig4, "fig5": draw_fig5}


def main(words: Sequence[str] | None = None) -> None:
    """Draws a figure."""
    parser = argparse.ArgumentParser(prog="benchmarks.figures", description="Figures from stored results.")
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where the results lie")
    arguments = parser.parse_args(sys.argv[1:] if words is None else words)
    FIGURES[arguments.figure](arguments.results, PUBLISHED, arguments.results / f"{arguments.figure}.svg")


if __name__ == "__main__":
    main()

"""The patent's Fig. 4 and Fig. 5, drawn from stored results.

    python -m benchmarks.rd.figures fig4
    python -m benchmarks.rd.figures fig5

write benchmarks/results/fig4.svg and fig5.svg; nothing is measured. Fig. 4 has two panels, since its
curves are means over two sets of images: what was measured here on seven Kodak images, and what was
published over all 24, each beside the curves that were measured here on that set.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.frame import read
from benchmarks.rd.drawing import COLOURS, Line, Panel, draw_rd, figure_of, plain_ticks
from benchmarks.rd.results import PUBLISHED, read_published
from benchmarks.training import FitHistory
from tasks.report.curves import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULTS = Path(__file__).parent.parent / "results"
BPP_RANGE, DB_RANGE = (0.05, 1.0), (22.5, 38.5)
COLOURS_OF_LAMBDA = ("vermilion", "olive", "green", "blue")

SEVEN = {
    "cnn draft": Line("cnn, draft", "vermilion", marker="o", width=2.6),
    "mlp standard": Line("mlp, standard", "blue", marker="o", width=2.6, at_start=True),
    "AVIF 4:4:4": Line("AVIF 4:4:4", "green"),
    "AVIF 4:2:0": Line("AVIF 4:2:0", "sky"),
    "JPEG XL": Line("JPEG XL", "purple"),
    "JPEG 2000": Line("JPEG 2000", "orange"),
    "WebP": Line("WebP", "olive"),
    "JPEG for PSNR": Line("JPEG for PSNR", "grey"),
}
THEIRS_OF_SEVEN = "Cool-Chic 5.0, seven images"
ALL = {
    "Cool-Chic 5.0": "vermilion",
    "C3": "orange",
    "COOL-CHIC": "purple",
    "Ballé 2018": "olive",
    "NIF25": "sky",
    "Strümpler 2022": "green",
    "COIN": "orange",
}


def draw_fig4(results: Path) -> None:
    """Rate and distortion on Kodak: this codec, the classical ones, and published ones of both classes."""
    combined, all_images = (_read(results / f"{name}.json") for name in ("rd_kodak7", "rd_mlp_kodak24"))
    published = read_published(PUBLISHED, [THEIRS_OF_SEVEN, *ALL])
    draw_rd([_seven(combined, published), _all(all_images, published)], results / "fig4.svg")


def _seven(combined: Mapping[str, Any], published: Mapping[str, Sequence[Point]]) -> Panel:
    found = combined["mean"]
    lines = [replace(line, points=_means(found[name])) for name, line in SEVEN.items() if name in found]
    lines.append(_jpeg(combined))
    lines.append(Line("Cool-Chic 5.0", "vermilion", published[THEIRS_OF_SEVEN], dashes="--"))
    n_images = len(combined["images"])
    return Panel(f"{n_images} Kodak images: measured here, published dashed", lines, BPP_RANGE, DB_RANGE)


def _all(measured: Mapping[str, Any], published: Mapping[str, Sequence[Point]]) -> Panel:
    lines = [Line(name, colour, published[name], dashes="--") for name, colour in ALL.items()]
    chosen = measured["settings"]
    label = f"{chosen['model']}, {chosen['preset']}"
    lines.append(Line(label, "blue", _means(measured["mean"]), marker="o", width=2.6, at_start=True))
    lines.append(_jpeg(measured))
    title = f"All {measured['n_images']} Kodak images: published dashed, measured here"
    return Panel(title, lines, BPP_RANGE, DB_RANGE)


def _jpeg(report: Mapping[str, Any]) -> Line:
    return Line("JPEG", "grey", [Point(*pair) for pair in report["jpeg_mean"]], width=1.2)


def _means(rows: Sequence[Mapping[str, Any]]) -> list[Point]:
    return sorted(read(Point, row) for row in rows)


def draw_fig5(results: Path) -> None:
    """Estimated rate and PSNR over the steps of a fit, a line for each λ, a column for each family."""
    report = _read(results / "fig5.json")
    fits = [read(FitHistory, values) for values in report["fits"]]
    models = list(dict.fromkeys(fit.model for fit in fits))
    with figure_of(2, len(models), (5.0, 2.9), results / "fig5.svg") as (rates, qualities):
        for column, model in enumerate(models):
            of_one = [fit for fit in fits if fit.model == model]
            for fit, colour in zip(of_one, COLOURS_OF_LAMBDA, strict=False):
                _draw(rates[column], fit.rd_lambda, fit.estimated_bpp, COLOURS[colour])
                _draw(qualities[column], fit.rd_lambda, fit.psnr_db, COLOURS[colour])
            title = f"{model}, {report['preset']}: {report['image']}"
            rates[column].set_title(title, fontsize=10, loc="left")
            rates[column].set_yscale("log")
            plain_ticks(rates[column].yaxis)
            qualities[column].set_xlabel("step")
        rates[0].set_ylabel("estimated bits per pixel")
        qualities[0].set_ylabel("PSNR, dB")


def _draw(axes: "Axes", rd_lambda: float, points: Sequence[tuple[float, float]], colour: str) -> None:
    axes.plot(*zip(*points, strict=True), color=colour)
    axes.annotate(
        f"λ {rd_lambda:g}",
        points[-1],
        xytext=(5, 0),
        textcoords="offset points",
        color=colour,
        fontsize=9,
        va="center",
        annotation_clip=False,
    )


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main(words: Sequence[str] | None = None) -> None:
    """Draw a figure."""
    figures = {"fig4": draw_fig4, "fig5": draw_fig5}
    parser = argparse.ArgumentParser(prog="benchmarks.rd.figures")
    parser.add_argument("figure", choices=figures)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where the results lie")
    arguments = parser.parse_args(words)
    figures[arguments.figure](arguments.results)


if __name__ == "__main__":
    main()

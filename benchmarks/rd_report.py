"""The files that tell a rate-distortion run: JSON, Markdown and an SVG."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.drawing import Line, Panel, draw_rd
from benchmarks.provenance import headline, result_file
from benchmarks.rd_stats import mean_points
from tasks.report.curves import Point

Json = dict[str, Any]

QUALITY = ("bpp", "PSNR, dB", "MS-SSIM", "FLIP")
SECONDS = ("encode, s", "decode, s")
MEASURED = (*QUALITY, *SECONDS, "JPEG's bpp there", "rate against JPEG")


def write(report: Json, out: Path) -> None:
    """Writes OUT.json, OUT.md and OUT.svg."""
    out.parent.mkdir(parents=True, exist_ok=True)
    result_file(out, ".json").write_text(to_json(report), encoding="utf-8")
    result_file(out, ".md").write_text(to_markdown(report), encoding="utf-8")
    plot(report, result_file(out, ".svg"))


def to_json(report: Json) -> str:
    """Indented JSON with each pair of numbers on one line."""
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    return re.sub(r"\[\s+([-\d.e]+),\s+([-\d.e]+)\s+\]", r"[\1, \2]", text) + "\n"


def to_markdown(report: Json) -> str:
    """The report as a page of tables."""
    chosen = report["settings"]
    lines = [
        "# Rate and distortion, from files",
        "",
        *headline(report),
        *_codec_line(report),
        *(f"- {text}" for text in chosen["baselines"].values()),
        "- JPEG in the tables is the better of 4:2:0 and 4:4:4 at each rate.",
        f"- Images: {report['n_images']}. bpp is file bytes × 8 / pixels; PSNR is that of the decoded file, "
        "8 bits, all channels together, and over images the mean.",
        "- FLIP is the mean over pixels, 0 for equal images to 1, at 67 pixels per degree.",
    ]
    for section in (_bd_section, _mean_section, _needed_section, _baselines_section, _points_section):
        lines += section(report)
    return "\n".join(lines) + "\n"


def _codec_line(report: Json) -> list[str]:
    """What was measured besides baselines, if anything was."""
    if not report["points"]:
        return []
    chosen = report["settings"]
    return [
        f"- Codec: model {chosen['model']}, preset {chosen['preset']}, seed {chosen['seed']}, "
        f"{chosen['device']}, {chosen['processes']} at once, {chosen['threads_per_process']} threads each"
    ]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, its first column left-aligned and the others to the right."""
    rule = [":--", *["--:"] * (len(header) - 1)]
    return ["", *(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))]


def number(value: float | None, digits: int, unit: str = "") -> str:
    """The value with so many digits, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def _saved(point: Json) -> str:
    jpeg_bpp = point["jpeg_bpp"]
    return "–" if jpeg_bpp is None else f"{100 * (point['bpp'] / jpeg_bpp - 1):+.1f} %"


def quality_cells(point: Json) -> list[str]:
    """The cells of `QUALITY`; a dash for what was not measured."""
    return [
        number(point["bpp"], 4),
        number(point["psnr_db"], 2),
        number(point.get("ms_ssim"), 4),
        number(point.get("flip"), 4),
    ]


def seconds_cells(point: Json) -> list[str]:
    """The cells of `SECONDS`."""
    return [number(point["encode_seconds"], 2), number(point["decode_seconds"], 3)]


def _measured_cells(point: Json) -> list[str]:
    needed = [number(point["jpeg_bpp"], 4), _saved(point)]
    return [*quality_cells(point), *seconds_cells(point), *needed]


def _bd_row(name: str, rate: Json | None) -> list[str]:
    if rate is None:
        return [name, "–", "–", "no common range", "–"]
    common = f"{rate['low_db']:.2f} to {rate['high_db']:.2f}"
    signed = [number(rate[method], 1, " %") for method in ("pchip", "akima")]
    return [name, *signed, common, f"{100 * rate['share']:.0f} %"]


def _bd_section(report: Json) -> list[str]:
    if not report["points"]:
        return []
    header = ("against JPEG", "BD-rate (PCHIP)", "BD-rate (Akima)", "over dB", "of our range")
    rows = [_bd_row(image, rate) for image, rate in report["bd_rate"].items()]
    mean = ["**mean of images**", f"**{number(report['bd_rate_mean_of_images'], 1, ' %')}**", "", "", ""]
    rows += [mean, _bd_row("**mean curve**", report["bd_rate_mean_curve"])]
    rows += [_bd_row(f"published: {name}", rate) for name, rate in report["bd_rate_published"].items()]
    note = "Published curves are means over the 24 Kodak images, whichever images were measured here."
    return ["", "## BD-rate", *table(header, rows), *(["", note] if report["bd_rate_published"] else [])]


def _mean_section(report: Json) -> list[str]:
    rows = [[f"{row['rd_lambda']:g}", *_measured_cells(row)] for row in report["mean"]]
    return ["", "## Mean over images", *table(("λ", *MEASURED), rows)] if rows else []


def _needed_section(report: Json) -> list[str]:
    rows = report["bpp_needed"]
    names = [name for name in rows[0] if name not in {"psnr_db", "ours"}]
    header = ("PSNR, dB", "ours", *names, *(f"ours / {name}" for name in names))
    cells = [[f"{row['psnr_db']:g}", *_needed_cells(row, names)] for row in rows]
    return ["", "## bpp needed for a PSNR, on the mean curves", *table(header, cells)]


def _needed_cells(row: Json, names: Sequence[str]) -> list[str]:
    ratios = [row["ours"] / row[name] if row["ours"] and row[name] else None for name in names]
    rates = [row["ours"], *(row[name] for name in names)]
    return [*(number(rate, 4) for rate in rates), *(number(ratio, 3) for ratio in ratios)]


def _points_section(report: Json) -> list[str]:
    rows = [
        [point["image"], f"{point['rd_lambda']:g}", str(point["n_bytes"]), *_measured_cells(point)]
        for point in report["points"]
    ]
    return ["", "## Points", *table(("image", "λ", "bytes", *MEASURED), rows)] if rows else []


def _baselines_section(report: Json) -> list[str]:
    rows = [
        [name, f"{row['setting']:g}", *quality_cells(row), *seconds_cells(row)]
        for name, points in report["baselines"].items()
        for row in mean_points(points)
    ]
    return ["", "## Baselines, means over images", *table(("codec", "setting", *QUALITY, *SECONDS), rows)]


def plot(report: Json, path: Path) -> None:
    """The mean curves, ours and JPEG's."""
    chosen = report["settings"]
    jpeg = [Point(*pair) for pair in report["jpeg_mean"] if pair[1] >= 20]
    lines = [Line("JPEG, better subsampling", jpeg, "grey")]
    if report["mean"]:
        ours = [Point(row["bpp"], row["psnr_db"]) for row in report["mean"]]
        lines.append(Line(f"{chosen['model']}, preset {chosen['preset']}", ours, "blue", marker="o"))
    title = f"Mean of {report['n_images']} images"
    draw_rd([Panel(title, lines, bpp_range=(0.04, 2.5), db_range=(20, 42))], path)

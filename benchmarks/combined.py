"""Several results of `benchmarks.rd` side by side: BD-rates, means, speed and cost, on the same images.

    python -m benchmarks.combined RESULT.json ... --out benchmarks/results/rd_kodak7

writes OUT.json and OUT.md. Nothing is measured here: every number comes from the results named, and
each keeps the date and the machine that it was measured on.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.baselines import JPEGS
from benchmarks.provenance import command, result_file
from benchmarks.rd_report import QUALITY, SECONDS, number, quality_cells, seconds_cells, table, to_json
from benchmarks.rd_stats import anchor_curves, anchor_mean, as_json, curves_by_image, mean_points
from tasks.report.curves import Point, bd_rate, mean_curve, rate_at

Json = dict[str, Any]

JPEG = "JPEG, better subsampling"
AVIF = "AVIF 4:4:4"
ANCHORS = (JPEG, AVIF)
ANCHORS_MEASURED = (*JPEGS, AVIF)
COST_DB = 29.8  # the PSNR at which costs are compared: both families cover it on the seven images
CORE_HOUR_USD = 0.04  # of a virtual core, as large clouds ask on demand in 2026
GB_MONTH_USD = 0.023  # of object storage, likewise
YEARS = 10.0


@dataclass(frozen=True)
class Measured:
    """One codec on a set of images.

    Attributes:
        points: As `benchmarks.rd` has them.
        origin: Where they come from: date, machine, threads, command.
    """

    points: Sequence[Json]
    origin: Json


def read_results(paths: Sequence[Path]) -> dict[str, Measured]:
    """The codecs of result files, by name: each model with its preset, and each baseline.

    Raises:
        ValueError: A codec is in two files, an anchor in none, or two were measured on different images.
    """
    found: dict[str, Measured] = {}
    for path in paths:
        report = json.loads(path.read_text(encoding="utf-8"))
        for name, points in _codecs(report).items():
            if name in found:
                raise ValueError(f"{path}: {name} is in a file before it as well")
            found[name] = Measured(points, _origin(report, path))
    if missing := set(ANCHORS_MEASURED) - set(found):
        raise ValueError(f"expected {', '.join(sorted(missing))} among the results, found {', '.join(found)}")
    images = {name: {point["image"] for point in measured.points} for name, measured in found.items()}
    for name, of_one in images.items():
        if of_one != next(iter(images.values())):
            raise ValueError(f"{name}: expected the images of {next(iter(images))}, found {sorted(of_one)}")
    return found


def _codecs(report: Json) -> dict[str, Sequence[Json]]:
    chosen = report["settings"]
    ours = {f"{chosen['model']} {chosen['preset']}": report["points"]} if report["points"] else {}
    # A run of a model measures JPEG as well; the file of the baselines is where it is taken from.
    return ours or report["baselines"]


def _origin(report: Json, path: Path) -> Json:
    host, chosen = report["machine"], report["settings"]
    return {
        "file": path.name,
        "date": report["date"],
        "machine": f"{host['cpu']}, {host['cores']} cores",
        "command": report["command"],
        "threads": chosen["threads_per_process"],
    }


def combine(found: Mapping[str, Measured], *, core_hour_usd: float, gb_month_usd: float) -> Json:
    """The report as JSON: BD-rates against `ANCHORS`, means, and costs at `COST_DB`."""
    curves = {name: curves_by_image(measured.points) for name, measured in found.items()}
    jpegs = {name: found[name].points for name in JPEGS}
    by_image = {**curves, JPEG: anchor_curves(jpegs)}
    means = {name: mean_curve(list(of_one.values())) for name, of_one in curves.items()}
    means[JPEG] = anchor_mean(jpegs)
    return {
        "images": sorted(by_image[JPEG]),
        "origins": {name: measured.origin for name, measured in found.items()},
        "bd_rate": {
            name: {anchor: _bd(by_image[anchor], of_one, means[anchor], means[name]) for anchor in ANCHORS}
            for name, of_one in by_image.items()
        },
        "mean": {name: mean_points(measured.points) for name, measured in found.items()},
        "jpeg_mean": [[point.bpp, point.psnr_db] for point in means[JPEG]],
        "cost": {name: _cost(measured, core_hour_usd, gb_month_usd) for name, measured in found.items()},
        "prices": {
            "core_hour_usd": core_hour_usd,
            "gb_month_usd": gb_month_usd,
            "years": YEARS,
            "psnr_db": COST_DB,
        },
    }


def _bd(
    anchors: Mapping[str, Sequence[Point]],
    tests: Mapping[str, Sequence[Point]],
    mean_anchor: Sequence[Point],
    mean_test: Sequence[Point],
) -> Json:
    rates = {image: bd_rate(anchor=anchors[image], test=test) for image, test in tests.items()}
    defined = [rate.pchip for rate in rates.values() if rate]
    return {
        "by_image": {image: as_json(rate) for image, rate in rates.items()},
        "mean_of_images": float(np.mean(defined)) if len(defined) == len(rates) else None,
        "mean_curve": as_json(bd_rate(anchor=mean_anchor, test=mean_test)),
    }


def _cost(measured: Measured, core_hour_usd: float, gb_month_usd: float) -> Json | None:
    """Of a thousand images at `COST_DB`, between points of the mean curve; None outside of it."""
    rows = mean_points(measured.points)
    rate = rate_at([Point(row["bpp"], row["psnr_db"]) for row in rows], COST_DB)
    if rate is None:
        return None
    qualities = [row["psnr_db"] for row in rows]
    seconds = {
        name: float(np.interp(COST_DB, qualities, [row[name] for row in rows]))
        for name in ("encode_seconds", "decode_seconds")
    }
    core_hours = seconds["encode_seconds"] * measured.origin["threads"] * 1000 / 3600
    n_bytes = 1000 * rate * _pixels(measured.points) / 8
    return {
        "bpp": rate,
        **seconds,
        "core_hours": core_hours,
        "encode_usd": core_hours * core_hour_usd,
        "megabytes": n_bytes / 1e6,
        "storage_usd": n_bytes / 1e9 * gb_month_usd * 12 * YEARS,
    }


def _pixels(points: Sequence[Json]) -> float:
    """Mean pixels of an image, from bytes and rate, which every result has."""
    return float(np.mean([8 * point["n_bytes"] / point["bpp"] for point in points]))


def to_markdown(report: Json) -> str:
    """The report as a page."""
    images = ", ".join(report["images"])
    lines = [
        "# Codecs side by side, from files",
        "",
        f"- Command: `{report['command']}`; nothing is measured by it",
        f"- {len(report['images'])} images: {images}",
        "- bpp is file bytes × 8 / pixels, PSNR that of the decoded file, 8 bits, all channels together; "
        "means are over images. FLIP: 0 for equal to 1, at 67 pixels per degree. A dash: not measured.",
        "- Seconds were taken while other work ran on the machine: upper bounds.",
    ]
    for section in (_bd_section, _cost_section, _mean_section, _origin_section):
        lines += section(report)
    return "\n".join(lines) + "\n"


def _bd_section(report: Json) -> list[str]:
    header = ["codec"]
    for anchor in ANCHORS:
        header += [f"against {anchor}: mean of images", "mean curve", "over dB"]
    rows = [
        [name, *(cell for anchor in ANCHORS for cell in _bd_cells(rates[anchor]))]
        for name, rates in report["bd_rate"].items()
    ]
    return ["", "## BD-rate (PCHIP)", *table(header, rows)]


def _bd_cells(rates: Json) -> list[str]:
    mean = rates["mean_curve"]
    over = f"{mean['low_db']:.1f} to {mean['high_db']:.1f}" if mean else "no common range"
    return [
        number(rates["mean_of_images"], 1, " %"),
        number(mean["pchip"] if mean else None, 1, " %"),
        over,
    ]


def _cost_section(report: Json) -> list[str]:
    prices = report["prices"]
    header = (
        "codec",
        "bpp",
        *SECONDS,
        "core-hours",
        "encode, $",
        "MB",
        f"{prices['years']:g} years stored, $",
    )
    rows = [
        [
            name,
            number(cost["bpp"], 4),
            *seconds_cells(cost),
            number(cost["core_hours"], 2),
            number(cost["encode_usd"], 3),
            number(cost["megabytes"], 2),
            number(cost["storage_usd"], 4),
        ]
        for name, cost in report["cost"].items()
        if cost
    ]
    return [
        "",
        f"## A thousand images of this size at {prices['psnr_db']:g} dB",
        "",
        f"At {prices['core_hour_usd']:g} $ per core-hour and {prices['gb_month_usd']:g} $ per GB and month; "
        "rate and seconds are read between the points of the mean curve.",
        *table(header, rows),
    ]


def _mean_section(report: Json) -> list[str]:
    rows = [
        [name, _setting(row), *quality_cells(row), *seconds_cells(row)]
        for name, of_one in report["mean"].items()
        for row in of_one
    ]
    return ["", "## Means over images", *table(("codec", "setting", *QUALITY, *SECONDS), rows)]


def _setting(row: Json) -> str:
    return f"λ {row['rd_lambda']:g}" if "rd_lambda" in row else f"{row['setting']:g}"


def _origin_section(report: Json) -> list[str]:
    rows = [
        [
            name,
            origin["date"],
            origin["machine"],
            str(origin["threads"]),
            origin["file"],
            f"`{origin['command']}`",
        ]
        for name, origin in report["origins"].items()
    ]
    header = ("codec", "date", "machine", "threads", "result", "command")
    return ["", "## Where each comes from", *table(header, rows)]


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.combined", description="Results side by side.")
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULT.json")
    parser.add_argument("--core-hour-usd", type=float, default=CORE_HOUR_USD, help="price of a core-hour, $")
    parser.add_argument("--gb-month-usd", type=float, default=GB_MONTH_USD, help="price of storage, $")
    parser.add_argument("--out", type=Path, required=True, metavar="NAME", help="writes NAME.json and .md")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Reads the results and writes OUT.json and OUT.md."""
    given = sys.argv[1:] if words is None else list(words)
    arguments = parse(given)
    report = {
        "command": command("benchmarks.combined", given),
        **combine(
            read_results(arguments.results),
            core_hour_usd=arguments.core_hour_usd,
            gb_month_usd=arguments.gb_month_usd,
        ),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    result_file(arguments.out, ".json").write_text(to_json(report), encoding="utf-8")
    page = to_markdown(report)
    result_file(arguments.out, ".md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()

"""Several results of `benchmarks.rd` side by side: BD-rates, means, speed and cost, on the same images.

    python -m benchmarks.rd.side_by_side RESULT.json ... --out benchmarks/results/rd_kodak7

writes OUT.json and OUT.md. Nothing is measured here: every number comes from the results named, and
each keeps the date and the machine that it was measured on.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.frame import command, read, table, write
from benchmarks.rd import page
from benchmarks.rd.codecs import JPEGS
from benchmarks.rd.results import ANCHORS, JPEG, Codec, Combined, FilePoint, Prices, combine

MODULE = "benchmarks.rd.side_by_side"
ANCHORS_MEASURED = (*JPEGS, ANCHORS[1])


@dataclass(frozen=True)
class Source:
    """The origin of the points of a codec."""

    file: str
    date: str
    machine: str
    command: str
    threads: int


def read_results(paths: Sequence[Path]) -> tuple[list[Codec], dict[str, Source]]:
    """The codecs of result files, each model with its preset and each baseline, and the source of each.

    Raises:
        ValueError: A codec is in two files, an anchor in none, or two were measured on different images.
    """
    found: dict[str, Codec] = {}
    sources: dict[str, Source] = {}
    for path in paths:
        report = json.loads(path.read_text(encoding="utf-8"))
        for codec in _codecs(report):
            if codec.name in found:
                raise ValueError(f"{path}: {codec.name} is in a file before it as well")
            found[codec.name], sources[codec.name] = codec, _source(report, path)
    if missing := set(ANCHORS_MEASURED) - set(found):
        raise ValueError(f"expected {', '.join(sorted(missing))} among the results, found {', '.join(found)}")
    images = {name: {point.image for point in codec.points} for name, codec in found.items()}
    for name, of_one in images.items():
        if of_one != next(iter(images.values())):
            raise ValueError(f"{name}: expected the images of {next(iter(images))}, found {sorted(of_one)}")
    return list(found.values()), sources


def _codecs(report: dict[str, Any]) -> list[Codec]:
    chosen = report["settings"]
    # A run of a model measures JPEG as well; JPEG is taken from the file of the baselines.
    is_ours = bool(report["points"])
    ours = {f"{chosen['model']} {chosen['preset']}": report["points"]}
    # In older results λ has a name of its own.
    return [
        Codec(
            name=name,
            points=tuple(read(FilePoint, {"setting": row.get("rd_lambda"), **row}) for row in rows),
            n_threads=chosen["threads_per_process"],
            is_ours=is_ours,
        )
        for name, rows in (ours if is_ours else report["baselines"]).items()
    ]


def _source(report: dict[str, Any], path: Path) -> Source:
    machine = "{cpu}, {cores} cores".format(**report["machine"])
    threads = report["settings"]["threads_per_process"]
    return Source(path.name, report["date"], machine, report["command"], threads)


def as_values(codecs: Sequence[Codec], combined: Combined) -> dict[str, Any]:
    """The BD-rates, means and costs as JSON has them."""
    values = asdict(combined)
    cost = values.pop("cost")
    del values["curves"]
    for codec in codecs:
        if codec.is_ours:  # λ has a name of its own, as in older results
            rows = values["mean"][codec.name]
            values["mean"][codec.name] = [{"rd_lambda": row.pop("setting"), **row} for row in rows]
    jpeg = [(point.bpp, point.psnr_db) for point in combined.curves[JPEG].mean]
    return {**values, "jpeg_mean": jpeg, "cost": cost}


def main(words: Sequence[str] | None = None) -> None:
    """Read the results and write OUT.json and OUT.md."""
    given = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(prog="benchmarks.rd.side_by_side")
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULT.json")
    parser.add_argument("--core-hour-usd", type=float, default=Prices.core_hour_usd, help="of a core-hour, $")
    parser.add_argument("--gb-month-usd", type=float, default=Prices.gb_month_usd, help="of storage, $")
    parser.add_argument("--out", type=Path, required=True, metavar="NAME", help="writes NAME.json and .md")
    arguments = parser.parse_args(given)
    prices, made_by = Prices(arguments.core_hour_usd, arguments.gb_month_usd), command(MODULE, given)
    codecs, sources = read_results(arguments.results)
    combined = combine(codecs, prices)
    images = sorted(combined.curves[JPEG].by_image)
    rows = [(n, s.date, s.machine, str(s.threads), s.file, f"`{s.command}`") for n, s in sources.items()]
    lines = [
        "# Codecs side by side, from files",
        "",
        f"- Command: `{made_by}`; nothing is measured by it",
        f"- {len(images)} images: {', '.join(images)}",
        page.EXPLAINED,
        "- Seconds were taken while other work ran on the machine: upper bounds.",
        *page.bd_rates(combined),
        *page.costs(combined, prices),
        *page.means(combined, codecs),
        "",
        "## Where each comes from",
        *table(("codec", "date", "machine", "threads", "result", "command"), rows),
    ]
    origins = {name: asdict(source) for name, source in sources.items()}
    head = {"command": made_by, "images": images, "origins": origins}
    write(arguments.out, {**head, **as_values(codecs, combined), "prices": asdict(prices)}, lines)


if __name__ == "__main__":
    main()

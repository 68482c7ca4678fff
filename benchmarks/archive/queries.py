"""The seconds that SQL over a large catalogue takes, before and after compaction.

    python -m benchmarks.archive.queries --out benchmarks/results/queries

The rows are made up, one in `REPEAT_EVERY` the second of its image, in parts of one batch each as a run
writes them, over `N_DAYS` days; ``inr compact`` and ``inr query`` are then run as an operator runs them, from
command to exit.
"""

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import frame, processes
from benchmarks.archive.rows import add_synthetic_rows, source_path
from benchmarks.frame import numbers, table, timed
from benchmarks.processes import INR
from tasks.store.locations import open_store

N_DAYS = 30
REPEAT_EVERY = 20
QUERIES = {
    "means by model": "select model, preset, avg(rate_bpp), avg(psnr_db) from images "
    "where status = 'archived' group by 1, 2",
    "failures": "select error_type, count(*) from images where status = 'failed' group by 1",
    "one image": f"select * from images where source_path = '{source_path(100)}'",
    "every row": "select count(*) from all_images",
}


@dataclass(frozen=True)
class Catalogue:
    """A state of the catalogue: its parts, and the seconds of each time that each query was asked."""

    n_parts: int
    mib: float
    seconds: dict[str, list[float]]


@dataclass(frozen=True)
class Result:
    """The catalogue before and after ``inr compact``; `start_seconds` are those of ``inr`` alone."""

    write_seconds: float
    compact_seconds: float
    before: Catalogue
    after: Catalogue
    start_seconds: list[float]


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--n-rows", type=int, default=1_000_000)
    parser.add_argument("--rows-per-part", type=int, default=64, help="as INR_BATCH_IMAGES has it")
    parser.add_argument("--repeats", type=int, default=2)


def measure(arguments: argparse.Namespace) -> Result:
    """Make the store, and time the queries, the compaction, and the queries again."""
    folder, n_rows, rows_per_part = arguments.work.resolve(), arguments.n_rows, arguments.rows_per_part
    shutil.rmtree(folder, ignore_errors=True)
    _, write_seconds = timed(lambda: write_parts(folder, n_rows, rows_per_part))
    before = _asked(folder, arguments.repeats)
    return Result(
        write_seconds=write_seconds,
        before=before,
        compact_seconds=processes.run([INR, "compact", str(folder)]).seconds,
        after=_asked(folder, arguments.repeats),
        start_seconds=[processes.run([INR, "--version"]).seconds for _ in range(arguments.repeats)],
    )


def write_parts(folder: Path, n_rows: int, rows_per_part: int) -> None:
    """Write the rows into a new store."""
    add_synthetic_rows(
        open_store(str(folder)),
        n_rows,
        rows_per_part=rows_per_part,
        n_days=N_DAYS,
        repeat_every=REPEAT_EVERY,
        with_histories=False,
    )


def _asked(folder: Path, repeats: int) -> Catalogue:
    sizes = [path.stat().st_size for path in (folder / "catalogue" / "images").glob("*.parquet")]
    seconds = {
        name: [processes.run([INR, "query", str(folder), sql]).seconds for _ in range(repeats)]
        for name, sql in QUERIES.items()
    }
    return Catalogue(len(sizes), sum(sizes) / 2**20, seconds)


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    sides = (result.before, result.after)
    rows = [
        [f"{name}: `{sql}`", *(numbers(side.seconds[name]) for side in sides)]
        for name, sql in QUERIES.items()
    ]
    before, after = (f"{side.n_parts} parts, {side.mib:.0f} MiB" for side in sides)
    return [
        f"# Queries over {arguments.n_rows} rows",
        f"- Made-up rows, {arguments.rows_per_part} to a part as runs write them, over {N_DAYS} days; "
        f"written in {result.write_seconds:.0f} s, compacted in {result.compact_seconds:.0f} s",
        "- Seconds of `inr query`, command to exit, each time; of that, starting `inr` alone took "
        + numbers(result.start_seconds),
        *table(("query", f"before: {before}", f"after: {after}"), rows),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.archive.queries", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

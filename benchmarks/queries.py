"""How long SQL over a large catalogue takes, before and after compaction.

    python -m benchmarks.queries --out benchmarks/results/queries

The rows are made up, since nobody waits for a million fits: digests and figures are random, one row in
`N_TWICE` is the second of its image. Parts are written as a run writes them, by the catalogue's own
writer with the rows of one batch each, over `N_DAYS` days; ``inr compact`` and ``inr query`` are then
run as an operator runs them, from command to exit.
"""

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.provenance import headline, provenance, write_result
from benchmarks.rd_report import table
from inr.config import CodecConfig

Row = dict[str, Any]

N_DAYS = 30
N_TWICE = 20
SHARE_FAILED = 0.01
LAST_DAY = datetime(2026, 6, 30, tzinfo=UTC)
QUERIES = {
    "means by model": "select model, preset, avg(rate_bpp), avg(psnr_db) from images "
    "where status = 'archived' group by 1, 2",
    "failures": "select error_type, count(*) from images where status = 'failed' group by 1",
    "one image": "select * from images where source_path = '{path}'",
    "every row": "select count(*) from all_images",
}


def make_rows(n_rows: int, seed: int) -> Iterator[Row]:
    """Rows of ``images``, in the order in which runs would write them."""
    from tasks.catalogue.recipe import Recipe
    from tasks.catalogue.records import Failed, Planned
    from tasks.catalogue.rows import row_of
    from tasks.originals.listing import SourceImage

    draw, recipe = random.Random(seed), Recipe(CodecConfig())
    for number in range(n_rows):
        name = number - 1 if number % N_TWICE == N_TWICE - 1 else number
        digest = hashlib.sha256(str(name).encode()).hexdigest()
        path = f"{name // 1000:04}/{name:07}.jpg"
        image = SourceImage(digest, f"file:///photos/{path}", path, draw.randrange(10**5, 10**7))
        planned = Planned.of(f"run-{number // 10_000}", recipe, image)
        failed = row_of(Failed.of(planned, ValueError("expected an image, found something else")))
        at = LAST_DAY - timedelta(days=N_DAYS * (1 - number / n_rows))
        if draw.random() < SHARE_FAILED:
            yield {**failed, "recorded_at": at}
        else:
            archived = _archived(draw, digest, planned.setting.archive_digest, at)
            yield {**failed, "error_type": None, "error_message": None, **archived}


def _archived(draw: random.Random, image_digest: str, archive_digest: str, at: datetime) -> Row:
    """What the row of an archived image has beyond that of a planned one."""
    from tasks.catalogue.keys import BITSTREAM_SUFFIX, object_key
    from tasks.catalogue.records import Status

    n_bytes = draw.randrange(2000, 40_000)
    return {
        "status": Status.ARCHIVED.value,
        "recorded_at": at,
        "verified_at": at,
        "key": object_key(image_digest, archive_digest, BITSTREAM_SUFFIX),
        **{f"{what}_digest": draw.randbytes(32).hex() for what in ("bitstream", "symbols", "pixels")},
        "source_format": "JPEG",
        "source_mode": "RGB",
        "width": 768,
        "height": 512,
        "channels": 3,
        "n_parameters": draw.randrange(5000, 80_000),
        "n_bytes": n_bytes,
        "rate_bpp": 8 * n_bytes / (768 * 512),
        "estimated_rate_bits": 8.0 * n_bytes - draw.random(),
        "psnr_db": draw.gauss(30, 3),
        "ms_ssim": draw.uniform(0.8, 1),
        **{f"{what}_seconds": draw.uniform(0.1, 200) for what in ("fit", "encode", "decode", "verify")},
        "attempts": 1,
        "restarts": 0,
        "device": "cpu",
        "n_threads": 1,
    }


def write_parts(folder: Path, n_rows: int, rows_per_part: int) -> None:
    """Writes the rows into parts of a new store, named as of the days of their rows."""
    from tasks.catalogue.parts import IMAGES, write_rows
    from tasks.store.locations import open_store

    store, part = open_store(str(folder)), []
    for number, row in enumerate(make_rows(n_rows, seed=0), 1):
        part.append(row)
        if len(part) == rows_per_part or number == n_rows:
            name = f"{part[0]['recorded_at']:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex}.parquet"
            write_rows(store, IMAGES, name, part)
            part = []


def seconds_of(*words: str) -> float:
    """Seconds of an ``inr`` command from start to exit.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    command = [str(Path(sys.executable).with_name("inr")), *words]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return time.perf_counter() - started


def measure(folder: Path, n_rows: int, rows_per_part: int, repeats: int) -> dict[str, Any]:
    """Makes the store, and times the queries, the compaction, and the queries again."""
    shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    write_parts(folder, n_rows, rows_per_part)
    written = time.perf_counter() - started
    before = {"parts": _parts(folder), "seconds": _query_seconds(folder, repeats)}
    compact_seconds = seconds_of("compact", str(folder))
    after = {"parts": _parts(folder), "seconds": _query_seconds(folder, repeats)}
    return {
        "n_rows": n_rows,
        "rows_per_part": rows_per_part,
        "write_seconds": written,
        "compact_seconds": compact_seconds,
        "before": before,
        "after": after,
        "start_seconds": [seconds_of("--version") for _ in range(repeats)],
        "load_after": os.getloadavg()[0],
    }


def _parts(folder: Path) -> dict[str, float]:
    sizes = [path.stat().st_size for path in (folder / "catalogue" / "images").glob("*.parquet")]
    return {"count": len(sizes), "mib": sum(sizes) / 2**20}


def _query_seconds(folder: Path, repeats: int) -> dict[str, list[float]]:
    return {
        name: [seconds_of("query", str(folder), sql.format(path="0000/0000100.jpg")) for _ in range(repeats)]
        for name, sql in QUERIES.items()
    }


def to_markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    before, after = report["before"], report["after"]
    rows = [
        (
            f"{name}: `{sql}`",
            *(", ".join(f"{value:.1f}" for value in side["seconds"][name]) for side in (before, after)),
        )
        for name, sql in QUERIES.items()
    ]
    parts = [f"{side['parts']['count']} parts, {side['parts']['mib']:.0f} MiB" for side in (before, after)]
    lines = [
        f"# Queries over {report['n_rows']} rows",
        "",
        *headline(report),
        f"- Made-up rows, {report['rows_per_part']} to a part as runs write them, over {N_DAYS} days; "
        f"written in {report['write_seconds']:.0f} s, compacted in {report['compact_seconds']:.0f} s",
        f"- Other work on the machine meanwhile: {report['other_work']}; its load at the end was "
        f"{report['load_after']:.1f}",
        "- Seconds of `inr query`, command to exit, each time; of that, starting `inr` alone took "
        + ", ".join(f"{value:.1f}" for value in report["start_seconds"]),
        *table(("query", f"before: {parts[0]}", f"after: {parts[1]}"), rows),
    ]
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> None:
    """Measures and writes the report."""
    given = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(prog="benchmarks.queries", description="SQL over a large catalogue.")
    parser.add_argument("--n-rows", type=int, default=1_000_000)
    parser.add_argument("--rows-per-part", type=int, default=64, help="as INR_BATCH_IMAGES has it")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("build/queries"), help="folder to work in; emptied")
    parser.add_argument("--other-work", default="not noted", help="for the page")
    parser.add_argument(
        "--out", type=Path, metavar="NAME", required=True, help="writes NAME.json and NAME.md"
    )
    arguments = parser.parse_args(given)
    report = {
        **provenance("benchmarks.queries", given),
        "other_work": arguments.other_work,
        **measure(arguments.work.resolve(), arguments.n_rows, arguments.rows_per_part, arguments.repeats),
    }
    page = to_markdown(report)
    write_result(arguments.out, report, page)
    print(page)


if __name__ == "__main__":
    main()

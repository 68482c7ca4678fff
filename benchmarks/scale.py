"""10 000 small images through the flow: time beyond the fits, memory, Prefect's database, and a rerun.

    python -m benchmarks.scale --out benchmarks/results/scale

Tiles of 8x8 pixels are cut from photographs, all different, and archived by ``inr archive`` with fits of
`STEPS` in place of the preset's thousand steps, so that what is measured is the archive and not the fits.
All else is as always: the fit, the coder, the store, verification from stored bytes, the catalogue.

1. `archive`: 1 000 tiles, then 10 000, each into a store and a Prefect home of its own. Memory is read
   every two seconds, of the process and of Prefect's server, which it starts.
2. `rerun`: the command again, which has to find nothing to do: on the folders, then on S3, where a
   server of this machine holds a copy of both.

Steps are kept in OUT.jsonl as they come; the same command after an interruption does the missing ones.
"""

import argparse
import json
import os
import shutil
import sqlite3
import sys
from bisect import bisect
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks import footprint, journal
from benchmarks.footprint import Footprint
from benchmarks.journal import Job, Result
from benchmarks.provenance import headline, n_cores, provenance, result_file, write_result
from benchmarks.rd_report import table

STEPS = 6
CHOSEN = ("--model", "cnn", "--preset", "draft", "--device", "cpu", "--json")
SIDE = 8
RERUNS = 3
N_SHOWN = 10


def archive_with_short_fits(words: Sequence[str]) -> None:
    """``inr archive``, its fits shortened to `STEPS`. Ends the process."""
    from flows.cli.app import app
    from inr.cnn.fit import presets

    presets.PRESET_STEPS["draft"] = STEPS
    app(["archive", *words])


def archive(work: Path, n_images: int, n_workers: int) -> Result:
    """Archives tiles into a new store, and tells what that took."""
    from benchmarks.samples import make_tiles

    source, store, home = (work / f"{name}-{n_images}" for name in ("tiles", "store", "prefect"))
    for folder in (source, store, home):
        shutil.rmtree(folder, ignore_errors=True)
    make_tiles(source, n_images=n_images, side=SIDE)
    load = os.getloadavg()[0]
    found = _archive(str(source), str(store), {"PREFECT_HOME": str(home)}, n_workers)
    summary = json.loads(found.printed)
    if summary["n_archived"] != n_images:
        raise ValueError(f"expected {n_images} archived, found {summary['n_archived']}")
    rows = _rows(store)
    return {
        "n_images": n_images,
        "n_workers": n_workers,
        "seconds": found.seconds,
        "cpu_seconds": found.cpu_seconds,
        "flow_seconds": summary["wall_seconds"],
        **{name: sum(row[name] for row in rows) for name in ("encode_seconds", "verify_seconds")},
        "memory": memory_over_time(found, [row["recorded_at"].timestamp() for row in rows]),
        "peak_mib": [max(sample[column] for sample in found.samples) for column in (1, 2)],
        "prefect_mib": _database_mib(home / "prefect.db"),
        "store_mib": sum(file.stat().st_size for file in store.rglob("*") if file.is_file()) / 2**20,
        "load_before_and_after": [load, os.getloadavg()[0]],
    }


def _archive(source: str, store: str, environment: dict[str, str], n_workers: int) -> Footprint:
    command = [sys.executable, "-m", "benchmarks.scale", "--archive"]
    words = [source, store, "--workers", str(n_workers), *CHOSEN]
    return footprint.run([*command, *words], {**os.environ, **environment})


def _rows(store: Path) -> list[dict[str, Any]]:
    from tasks.catalogue.parts import read_images
    from tasks.store.locations import open_store

    columns = ("recorded_at", "encode_seconds", "verify_seconds")
    rows: list[dict[str, Any]] = read_images(open_store(str(store)), columns).to_pylist()
    return rows


def _database_mib(path: Path) -> float:
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
    return path.stat().st_size / 2**20


def memory_over_time(found: Footprint, recorded: Sequence[float]) -> list[tuple[int, float, float]]:
    """Images done, resident MiB of the process and of the server: when each tenth of the images was done.

    Args:
        found: Samples of the run.
        recorded: Unix times at which its images were done, in any order.
    """
    done = sorted(recorded)
    samples = [(bisect(done, at), own, others) for at, own, others in found.samples]
    goals = [len(done) * tenth // N_SHOWN for tenth in range(1, N_SHOWN + 1)]
    return [next((sample for sample in samples if sample[0] >= goal), samples[-1]) for goal in goals]


def rerun(work: Path, n_images: int, n_workers: int) -> Result:
    """Seconds of the command where nothing is to do, on the folders that `archive` left."""
    return _idle_seconds(str(work / f"tiles-{n_images}"), str(work / f"store-{n_images}"), {}, n_workers)


def rerun_on_s3(work: Path, n_images: int, n_workers: int) -> Result:
    """The same on copies of both in S3."""
    from tests.s3_server import environment, running_server

    shutil.rmtree(work / "s3", ignore_errors=True)
    (work / "s3").mkdir(parents=True)
    with running_server(work / "s3") as server:
        access = environment(server.endpoint)
        os.environ.update(access)
        _copy(work / f"tiles-{n_images}", "s3://archive/tiles")
        _copy(work / f"store-{n_images}", "s3://archive/store")
        return _idle_seconds("s3://archive/tiles", "s3://archive/store", access, n_workers)


def _copy(folder: Path, url: str) -> None:
    from tasks.store.locations import open_store

    store = open_store(url)
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: store.put(name, (folder / name).read_bytes()), names))


def _idle_seconds(source: str, store: str, environment: dict[str, str], n_workers: int) -> Result:
    seconds, cpu_seconds = [], []
    for _ in range(RERUNS):
        found = _archive(source, store, environment, n_workers)
        if json.loads(found.printed)["n_planned"]:
            raise ValueError(f"expected nothing to do, found {found.printed}")
        seconds.append(found.seconds)
        cpu_seconds.append(found.cpu_seconds)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds}


def beyond_the_fit(run: Result) -> tuple[float, float]:
    """Milliseconds per image beyond its encode: by the command's clock and by the flow's."""
    encodes = run["encode_seconds"] / run["n_workers"]
    first, second = (1000 * (run[name] - encodes) / run["n_images"] for name in ("seconds", "flow_seconds"))
    return first, second


def to_markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    runs, reruns = report["runs"], report["reruns"]
    return "\n".join(
        [
            f"# Scale: {runs[-1]['n_images']} images of {SIDE}x{SIDE}",
            "",
            *headline(report),
            f"- Fits of {STEPS} steps in place of the preset's, {runs[-1]['n_workers']} at a time; "
            "all else as `inr archive --model cnn` has it",
            f"- Other work on the machine meanwhile: {report['other_work']}",
            *_runs_table(runs),
            *_memory_table(runs),
            "",
            "## A rerun finds nothing to do",
            *table(
                ("where", "seconds, each time", "of all processors", "limit"),
                [
                    (
                        name,
                        *(
                            ", ".join(f"{value:.1f}" for value in found[what])
                            for what in ("seconds", "cpu_seconds")
                        ),
                        f"{limit} s",
                    )
                    for name, found, limit in zip(("folder", "S3"), reruns, (20, 60), strict=False)
                ],
            ),
            "",
        ]
    )


def _runs_table(runs: Sequence[Result]) -> list[str]:
    lines = {
        "`inr archive`, command to exit, s": [f"{run['seconds']:.1f}" for run in runs],
        "the same, seconds of all processors": [f"{run['cpu_seconds']:.1f}" for run in runs],
        "the flow by its own clock, s": [f"{run['flow_seconds']:.1f}" for run in runs],
        "encodes by the catalogue, over the workers, s": [
            f"{run['encode_seconds'] / run['n_workers']:.1f}" for run in runs
        ],
        "verification, over the workers, s": [
            f"{run['verify_seconds'] / run['n_workers']:.1f}" for run in runs
        ],
        "**beyond the encode, per image, by the flow's clock, ms**": [
            f"{beyond_the_fit(run)[1]:.1f}" for run in runs
        ],
        "the same, command to exit, ms": [f"{beyond_the_fit(run)[0]:.1f}" for run in runs],
        "peak memory of the process, MiB": [f"{run['peak_mib'][0]:.0f}" for run in runs],
        "peak memory of Prefect's server, MiB": [f"{run['peak_mib'][1]:.0f}" for run in runs],
        "Prefect's database, MiB": [f"{run['prefect_mib']:.1f}" for run in runs],
        "the same per image, KiB": [f"{1024 * run['prefect_mib'] / run['n_images']:.1f}" for run in runs],
        "the store, MiB": [f"{run['store_mib']:.1f}" for run in runs],
        "load of the machine, before and after": [
            " and ".join(f"{value:.1f}" for value in run["load_before_and_after"]) for run in runs
        ],
    }
    header = ("what", *(f"{run['n_images']} images" for run in runs))
    return table(header, [(name, *cells) for name, cells in lines.items()])


def _memory_table(runs: Sequence[Result]) -> list[str]:
    cells = [
        [f"{count}", f"{own:.0f}", f"{server:.0f}"] for run in runs for count, own, server in run["memory"]
    ]
    return [
        "",
        "## Memory over the runs",
        *table(("images done", "the process, MiB", "Prefect's server, MiB"), cells),
    ]


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Does the steps that the journal does not hold yet."""
    given = {"work": arguments.work.resolve(), "n_workers": arguments.workers}
    sizes = sorted(arguments.n_images)
    archives = [Job(f"archive {size}", archive, {**given, "n_images": size}) for size in sizes]
    reruns = [
        Job(f"{step.__name__} {sizes[-1]}", step, {**given, "n_images": sizes[-1]})
        for step in (rerun, rerun_on_s3)
    ]
    path = result_file(arguments.out, ".jsonl")
    runs, idle = (list(journal.run(jobs, path, n_workers=1).values()) for jobs in (archives, reruns))
    return {"runs": runs, "reruns": idle}


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description="Many small images.")
    parser.add_argument("--n-images", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--workers", type=int, default=n_cores(), help="images at a time")
    parser.add_argument("--work", type=Path, default=Path("build/scale"), help="folder to work in")
    parser.add_argument("--other-work", default="not noted", help="for the page")
    parser.add_argument(
        "--out", type=Path, metavar="NAME", required=True, help="writes NAME.json and NAME.md"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Measures and writes the report; after --archive come the words of ``inr archive`` with short fits."""
    given = sys.argv[1:] if words is None else list(words)
    if given[:1] == ["--archive"]:
        archive_with_short_fits(given[1:])
    arguments = parse(given)
    report = {
        **provenance("benchmarks.scale", given),
        "other_work": arguments.other_work,
        **measure(arguments),
    }
    page = to_markdown(report)
    write_result(arguments.out, report, page)
    print(page)


if __name__ == "__main__":
    main()

"""What the flow costs over the fits themselves, in a run of 50 images.

    python -m benchmarks.pipeline --out benchmarks/results/pipeline

Three kinds of process, one after another:

1. `bare`: the fits alone, in as many threads as the flow has workers, or processes where its engine has
   those; the clock runs around the fits only, in processes that have imported everything. Once before the
   others and once after them, or only before (`--bare-runs 1`), or in an earlier run (`--bare-seconds`);
   the mean counts, and each is told.
2. `prefect`: an empty flow, which is Prefect's import and the start and end of its own server.
3. `archive`: ``inr archive`` of the same images, from the command to its exit.

The overhead is archive − prefect − bare, in seconds and as a share of `bare`. Everything else is in it:
the interpreter, importing torch, opening, storing, decoding and verifying each image, the records and
the report. What the flow's own clock and the catalogue say is told beside it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.provenance import headline, n_cores, provenance, write_result
from benchmarks.rd import limit_threads, read_pixels
from benchmarks.rd_report import table
from inr.config import PRESETS, CodecConfig

EMPTY_FLOW = """
from flows.cli.running import quiet_prefect
quiet_prefect()
from prefect import flow
flow(name="empty")(lambda: None)()
"""


def bare_fits(folder: Path, config: CodecConfig, *, runner: str, n_workers: int, n_threads: int) -> float:
    """Seconds to encode every image of `folder`, `n_workers` at a time, imports and reading aside."""
    import flows.engine.workers  # noqa: F401, so that Python switches threads as it does in the flow

    pictures = [read_pixels(path) for path in sorted(folder.glob("*.png"))]
    engine: Callable[..., Executor] = ThreadPoolExecutor
    if runner != "threads":
        engine = partial(ProcessPoolExecutor, mp_context=get_context("spawn"))
    with engine(n_workers, initializer=limit_threads, initargs=(n_threads,)) as pool:
        list(pool.map(get_ready, range(n_workers)))
        started = time.perf_counter()
        list(pool.map(fit, pictures, repeat(config)))
        return time.perf_counter() - started


def get_ready(_: int) -> None:
    """Import what fits need, and wait, so that every worker has one of these to do."""
    import inr.encoder  # noqa: F401

    time.sleep(10)


def fit(pixels: NDArray[np.uint8], config: CodecConfig) -> None:
    """Encode an image."""
    from inr import encode

    encode(pixels, config, device="cpu")


def timed(command: Sequence[str], environment: dict[str, str]) -> tuple[float, str]:
    """Seconds of a process from start to exit, and what it printed.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - started, done.stdout


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs the three processes on the same images; each with a store and a Prefect home of its own."""
    work = arguments.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    make_images(arguments, work / "images")
    environment = {**os.environ, "PREFECT_HOME": str(work / "prefect"), "INR_DEVICE": "cpu"}
    chosen = ["--preset", arguments.preset, "--workers", str(arguments.workers)]
    engine = ["--runner", arguments.runner]
    images, store = str(work / "images"), str(work / "store")
    inr = str(Path(sys.executable).parent / "inr")
    bare = [sys.executable, "-m", "benchmarks.pipeline", "--bare", images, *chosen, *engine]
    times = [arguments.bare_seconds or float(timed(bare, environment)[1])]
    timed([sys.executable, "-c", EMPTY_FLOW], environment)  # makes Prefect's database, once per machine
    prefect_seconds, _ = timed([sys.executable, "-c", EMPTY_FLOW], environment)
    archive_seconds, printed = timed([inr, "archive", images, store, *chosen, *engine, "--json"], environment)
    times += [float(timed(bare, environment)[1]) for _ in range(arguments.bare_runs - 1)]
    summary = json.loads(printed)
    return {
        **overhead(archive=archive_seconds, prefect=prefect_seconds, bare=sum(times) / len(times)),
        "bare_seconds_each": times,
        "summary": {name: value for name, value in summary.items() if isinstance(value, int | float)},
        "catalogue": catalogue_seconds(work / "store", arguments.workers),
    }


def make_images(arguments: argparse.Namespace, folder: Path) -> None:
    """The crops to archive; scikit-image is imported only here."""
    from benchmarks.samples import make_crops

    make_crops(folder, n_images=arguments.n_images, side=arguments.side)


def overhead(*, archive: float, prefect: float, bare: float) -> dict[str, float]:
    """The three times and what the flow adds, in seconds and as a share of the fits."""
    added = archive - prefect - bare
    return {
        "archive_seconds": archive,
        "prefect_seconds": prefect,
        "bare_seconds": bare,
        "overhead_seconds": added,
        "overhead_share": added / bare,
    }


def catalogue_seconds(store: Path, n_workers: int) -> dict[str, float]:
    """Sums over the images of what the catalogue says, divided by the workers: seconds of wall time."""
    from tasks.catalogue.parts import read_images
    from tasks.store.locations import open_store

    names = ("fit_seconds", "encode_seconds", "verify_seconds")
    rows = read_images(open_store(str(store)), ("status", *names)).to_pylist()
    return {
        "n_images": len(rows),
        **{name: sum(row[name] or 0 for row in rows) / n_workers for name in names},
    }


def to_markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    found, wall = report["catalogue"], report["summary"]["wall_seconds"]
    inside = wall - found["encode_seconds"]
    each = " s, then ".join(f"{seconds:.1f}" for seconds in report["bare_seconds_each"])
    seconds = [
        ("`inr archive`, command to exit", report["archive_seconds"]),
        ("Prefect's own start and end (an empty flow)", report["prefect_seconds"]),
        ("the fits alone, as many at a time", report["bare_seconds"]),
        ("**overhead: the first less the other two**", report["overhead_seconds"]),
        ("the flow by its own clock", wall),
        ("encodes by the catalogue, over the workers", found["encode_seconds"]),
        ("verification by the catalogue, over the workers", found["verify_seconds"]),
    ]
    rows = [
        [name, f"{value:.1f}", f"{100 * value / report['bare_seconds']:.1f} %"] for name, value in seconds
    ]
    lines = [
        f"# Pipeline: {found['n_images']} images, {report['side']}x{report['side']}, {report['preset']}, "
        f"{report['runner']}",
        "",
        *headline(report),
        f"- {report['workers']} images at a time",
        *table(("what", "seconds", "of the fits alone"), rows),
        "",
        f"The fits alone took {each} s.",
        "",
        f"Overhead: **{100 * report['overhead_share']:.1f} %** of the fits. By the flow's own clock it spent "
        f"{inside:.1f} s outside of encodes, {100 * inside / found['encode_seconds']:.1f} % of them, "
        "verification included.",
    ]
    return "\n".join(lines) + "\n"


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.pipeline", description="What the flow costs.")
    parser.add_argument("--n-images", type=int, default=50)
    parser.add_argument("--side", type=int, default=192, help="side of each image in pixels")
    parser.add_argument("--preset", default="draft", choices=PRESETS)
    parser.add_argument("--runner", default="threads", choices=("threads", "dask", "ray"), help="engine")
    parser.add_argument("--workers", type=int, default=n_cores(), help="images at a time")
    parser.add_argument("--bare-runs", type=int, default=2, choices=(1, 2), help="of the fits alone")
    parser.add_argument(
        "--bare-seconds", type=float, help="of the fits alone, from an earlier run, as the first"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("build/pipeline"), help="folder to work in; emptied"
    )
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, metavar="NAME", help="writes NAME.json and NAME.md")
    arguments = parser.parse_args(words)
    if not (arguments.bare or arguments.out):
        parser.error("--out is needed")
    return arguments


def main(words: Sequence[str] | None = None) -> None:
    """Measures and writes the report; with --bare, prints the seconds of the fits alone."""
    given = sys.argv[1:] if words is None else list(words)
    arguments = parse(given)
    if arguments.bare:
        n_threads = max(1, n_cores() // arguments.workers)
        config = CodecConfig(preset=arguments.preset)
        runner, n_workers = arguments.runner, arguments.workers
        print(bare_fits(arguments.bare, config, runner=runner, n_workers=n_workers, n_threads=n_threads))
        return
    report = {
        **provenance("benchmarks.pipeline", given),
        **{name: getattr(arguments, name) for name in ("side", "preset", "workers", "runner")},
        **measure(arguments),
    }
    page = to_markdown(report)
    write_result(arguments.out, report, page)
    print(page)


if __name__ == "__main__":
    main()

"""The cost of `inr archive` beyond its fits: time, memory, Prefect's database, and reruns with nothing to do.

    python -m benchmarks.archive.overhead --side 96 --bare-runs 2 --out benchmarks/results/pipeline
    python -m benchmarks.archive.overhead --n-images 1000 10000 --side 8 --steps 6 --rerun --out NAME

Images are cut from photographs, all different: crops, or tiles side by side where thousands are wanted. Each
number of images is archived into a store and a Prefect home of its own:

1. `prefect`: an empty flow, which is Prefect's import and the start and end of its own server.
2. `bare`: the fits alone, in as many threads as the flow has workers, or processes where its engine has
   those; the clock runs around the fits only, in processes that have imported everything. Once before the
   archive and once after it, or only before, or in an earlier run (`--bare-seconds`); the mean counts.
3. `archive`: ``inr archive``, from the command to its exit. Memory is read every two seconds, of the process
   and of Prefect's server, which it starts. With `--steps`, fits are cut short, so that what is measured is
   the archive and not the fits; all else is as always.
4. `rerun`: the command again, which has to find nothing to do: on the folders, then on S3, where a server of
   this machine holds a copy of both.

The overhead is archive − prefect − bare: the interpreter, importing torch, opening, storing, decoding and
verifying each image, the records and the report. Steps are kept in OUT.jsonl as they come.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import frame, journal, processes
from benchmarks.archive.here import copied, database_mib, memory_over_time, read_rows
from benchmarks.frame import n_cores, number, numbers, table
from benchmarks.processes import Cost
from benchmarks.samples import make_crops, make_tiles
from inr.config import PRESETS

FITS = (sys.executable, "-m", "benchmarks.archive.fits")
MOST_CROPS = 500  # more images are tiles
RERUNS = 3
SAMPLE_SECONDS = 2.0
EMPTY_FLOW = """
from flows.engine.embedded import quiet_prefect
quiet_prefect()
from prefect import flow
flow(name="empty")(lambda: None)()
"""


@dataclass(frozen=True)
class Run:
    """An archive.

    Attributes:
        n_images: Number of images.
        seconds, cpu_seconds: Time from the command to its exit, by the clock and of all processors.
        prefect_seconds: Time of an empty flow.
        bare_seconds: Times of the fits alone.
        flow_seconds: Time of the flow, by its own clock.
        encode_seconds, verify_seconds: Times by the catalogue, summed over images, divided by the workers.
        memory: See `memory_over_time`.
        peak_mib: Greatest resident memory of the process, and of Prefect's server.
        prefect_mib, store_mib: Sizes of Prefect's database and of the store.
    """

    n_images: int
    seconds: float
    cpu_seconds: float
    prefect_seconds: float
    bare_seconds: Sequence[float]
    flow_seconds: float
    encode_seconds: float
    verify_seconds: float
    memory: Sequence[tuple[int, float, float]]
    peak_mib: tuple[float, float]
    prefect_mib: float
    store_mib: float

    @property
    def overhead_seconds(self) -> float | None:
        """The seconds that neither Prefect's start nor the fits explain; None without fits alone."""
        if not self.bare_seconds:
            return None
        return self.seconds - self.prefect_seconds - statistics.mean(self.bare_seconds)


@dataclass(frozen=True)
class Idle:
    """Seconds of each time that nothing was to do, by the clock and of all processors."""

    where: str
    seconds: Sequence[float]
    cpu_seconds: Sequence[float]


@dataclass(frozen=True)
class Result:
    """The archives, and the reruns of the largest one."""

    runs: Sequence[Run]
    reruns: Sequence[Idle]


@dataclass(frozen=True)
class Archive:
    """Images to archive into a new store, as the arguments say; `code` is that of the whole project."""

    chosen: argparse.Namespace
    n_images: int
    code: str

    @property
    def key(self) -> str:
        """See `benchmarks.journal.Point`."""
        return f"archive {self.n_images}, {journal.depends_on(repr(self))}"

    def measure(self) -> Run:
        """Archive them."""
        chosen, folders = self.chosen, folders_of(self.chosen, self.n_images)
        source, store, home = folders
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        make = make_crops if self.n_images <= MOST_CROPS else make_tiles
        make(source, n_images=self.n_images, side=chosen.side)
        variables = {"PREFECT_HOME": str(home)}
        empty_flow = partial(processes.run, [sys.executable, "-c", EMPTY_FLOW], {**os.environ, **variables})

        def bare() -> float:
            return float(processes.run([*FITS, "bare", str(source), *words_of(chosen)]).printed)

        each = [chosen.bare_seconds or bare()] if chosen.bare_runs else []
        empty_flow()  # makes Prefect's database, once per machine
        prefect = empty_flow()
        cost = archive(chosen, str(source), str(store), variables)
        each += [bare() for _ in range(chosen.bare_runs - 1)]
        rows = read_rows(store, ("verified_at", "encode_seconds", "verify_seconds"))
        return Run(
            n_images=self.n_images,
            seconds=cost.seconds,
            cpu_seconds=cost.cpu_seconds,
            prefect_seconds=prefect.seconds,
            bare_seconds=each,
            flow_seconds=json.loads(cost.printed)["wall_seconds"],
            encode_seconds=sum(row["encode_seconds"] for row in rows) / chosen.workers,
            verify_seconds=sum(row["verify_seconds"] for row in rows) / chosen.workers,
            memory=memory_over_time(cost, [row["verified_at"].timestamp() for row in rows]),
            peak_mib=(max(own for _, own, _ in cost.samples), max(others for *_, others in cost.samples)),
            prefect_mib=database_mib(home / "prefect.db"),
            store_mib=sum(file.stat().st_size for file in store.rglob("*") if file.is_file()) / 2**20,
        )


@dataclass(frozen=True)
class Rerun:
    """The folders that an `Archive` left, to be archived again: as they are, or copied to S3."""

    chosen: argparse.Namespace
    n_images: int
    code: str
    where: str

    @property
    def key(self) -> str:
        """See `benchmarks.journal.Point`."""
        return f"rerun {self.where} {self.n_images}, {journal.depends_on(repr(self))}"

    def measure(self) -> Idle:
        """Archive them again, which finds nothing to do."""
        source, store, _ = folders_of(self.chosen, self.n_images)
        if self.where == "folder":
            return self._idle(str(source), str(store), {})
        from tests.s3_server import environment, running_server

        shutil.rmtree(self.chosen.work / "s3", ignore_errors=True)
        (self.chosen.work / "s3").mkdir(parents=True)
        with running_server(self.chosen.work / "s3") as server:
            access = environment(server.endpoint)
            os.environ.update(access)
            return self._idle(copied(source), copied(store), access)

    def _idle(self, source: str, store: str, variables: Mapping[str, str]) -> Idle:
        costs = [archive(self.chosen, source, store, variables) for _ in range(RERUNS)]
        for cost in costs:
            if json.loads(cost.printed)["n_planned"]:
                raise ValueError(f"expected nothing to do, found {cost.printed}")
        return Idle(self.where, [cost.seconds for cost in costs], [cost.cpu_seconds for cost in costs])


def archive(chosen: argparse.Namespace, source: str, store: str, variables: Mapping[str, str]) -> Cost:
    """Run ``inr archive``, or with short fits what does the same."""
    words = [processes.INR, "archive", source, store, *words_of(chosen), "--device", "cpu", "--json"]
    if chosen.steps is not None:
        words = [*FITS, "archive", source, store, *words_of(chosen)]
    return processes.run(words, {**os.environ, **variables}, sample_seconds=SAMPLE_SECONDS)


def words_of(chosen: argparse.Namespace) -> list[str]:
    """The words of the processes that the arguments ask for."""
    values = {name: getattr(chosen, name) for name in ("preset", "runner", "workers", "steps")}
    given = {f"--{name}": str(value) for name, value in values.items() if value is not None}
    return [word for pair in given.items() for word in pair]


def folders_of(chosen: argparse.Namespace, n_images: int) -> list[Path]:
    """The images, the store, and the home of Prefect."""
    return [chosen.work / f"{name}-{n_images}" for name in ("images", "store", "prefect")]


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--n-images", type=int, nargs="+", default=[50])
    parser.add_argument("--side", type=int, default=96, help="side of each image in pixels")
    parser.add_argument("--steps", type=int, help="of each fit, in place of the preset's")
    parser.add_argument("--rerun", action="store_true", help="archive the most images again, and on S3")
    parser.add_argument("--bare-runs", type=int, default=0, choices=(0, 1, 2), help="of the fits alone")
    parser.add_argument("--bare-seconds", type=float, help="of the first run of the fits alone, if known")
    parser.add_argument("--preset", default="draft", choices=PRESETS)
    parser.add_argument("--runner", default="threads", choices=("threads", "dask"), help="engine")
    parser.add_argument("--workers", type=int, default=n_cores(), help="images at a time")


def measure(arguments: argparse.Namespace) -> Result:
    """Do the steps that the journal does not hold yet."""
    arguments.work = arguments.work.resolve()
    code, sizes = frame.code_digest(*frame.FLOORS), sorted(arguments.n_images)
    path = frame.result_file(arguments.out, ".jsonl")
    archives = [Archive(arguments, size, code) for size in sizes]
    reruns = [Rerun(arguments, sizes[-1], code, of) for of in ("folder", "S3") if arguments.rerun]
    return Result(journal.measured(archives, Run, path), journal.measured(reruns, Idle, path))


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    columns = [_column(run) for run in result.runs]
    header = ("what", *(f"{run.n_images} images" for run in result.runs))
    memory = [(f"{n}", f"{own:.0f}", f"{server:.0f}") for run in result.runs for n, own, server in run.memory]
    reruns = [(idle.where, numbers(idle.seconds), numbers(idle.cpu_seconds)) for idle in result.reruns]
    steps = "the preset's" if arguments.steps is None else f"{arguments.steps} in place of the preset's"
    again = ["", "## A rerun finds nothing to do"]
    return [
        f"# Archives of {result.runs[-1].n_images} images of {arguments.side}x{arguments.side}",
        f"- Preset {arguments.preset}, runner {arguments.runner}, {arguments.workers} at a time",
        f"- Steps of a fit: {steps}",
        *table(header, [(name, *(column[name] for column in columns)) for name in columns[0]]),
        "",
        "## Memory over the runs",
        *table(("images done", "the process, MiB", "Prefect's server, MiB"), memory),
        *(again + table(("where", "seconds, each time", "of all processors"), reruns) if reruns else []),
    ]


def _column(run: Run) -> dict[str, str]:
    over, outside = run.overhead_seconds, run.flow_seconds - run.encode_seconds
    bare = statistics.mean(run.bare_seconds) if run.bare_seconds else None
    beyond = 1000 / run.n_images
    return {
        "`inr archive`, command to exit, s": f"{run.seconds:.1f}",
        "the same, seconds of all processors": f"{run.cpu_seconds:.1f}",
        "Prefect's own start and end (an empty flow), s": f"{run.prefect_seconds:.1f}",
        "the fits alone, as many at a time, each time, s": numbers(run.bare_seconds) or "–",
        "**overhead: the command less both**, s": number(over, 1),
        "**the same, of the fits alone**": number(over and bare and 100 * over / bare, 1, " %"),
        "the flow by its own clock, s": f"{run.flow_seconds:.1f}",
        "encodes by the catalogue, over the workers, s": f"{run.encode_seconds:.1f}",
        "verification, over the workers, s": f"{run.verify_seconds:.1f}",
        "the flow outside of encodes, of them": f"{100 * outside / run.encode_seconds:.1f} %",
        "**the same, per image, ms**": f"{beyond * outside:.1f}",
        "the same, command to exit, ms": f"{beyond * (run.seconds - run.encode_seconds):.1f}",
        "peak memory of the process, MiB": f"{run.peak_mib[0]:.0f}",
        "peak memory of Prefect's server, MiB": f"{run.peak_mib[1]:.0f}",
        "Prefect's database, MiB": f"{run.prefect_mib:.1f}",
        "the same per image, KiB": f"{1024 * run.prefect_mib / run.n_images:.1f}",
        "the store, MiB": f"{run.store_mib:.1f}",
    }


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.archive.overhead", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

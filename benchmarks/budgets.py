"""Budgets of seconds per image: how well they are kept, and what one gets for them.

    python -m benchmarks.budgets --image kodak/kodim15.png --out benchmarks/results/budgets

The image is compressed, stored and verified as a worker of the flow does it, with one thread, in a process of
its own for each budget. What is measured stands in a journal in the folder of --work, so that a run that was
interrupted goes on where it was.
"""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import frame
from benchmarks.frame import codec_digest, table
from benchmarks.journal import measured
from inr.config import MODELS, CodecConfig

TOLERANCE = 0.1  # within which a budget counts as kept


@dataclass(frozen=True)
class Taken:
    """What an image took, and what it became.

    Attributes:
        budget_seconds: The time that it had.
        turn: Number of the run with this budget, from 0.
        seconds: The time from the first read of the original to the end of verification.
        processor_seconds: The time of the processor for it: less than `seconds` where it waited for a core.
        load: The machine's load at its end.
        n_steps: The steps that were chosen.
        n_bytes: Size of the file.
        rate_bpp: Its bits per pixel.
        psnr_db: Its PSNR, in dB.
        cost: 1000 · (MSE + λ · bpp).
    """

    budget_seconds: float
    turn: int
    seconds: float
    processor_seconds: float
    load: float
    n_steps: int
    n_bytes: int
    rate_bpp: float
    psnr_db: float
    cost: float


@dataclass(frozen=True)
class Result:
    """Every run."""

    runs: Sequence[Taken]


@dataclass(frozen=True)
class Budget:
    """One run with a budget."""

    image: Path
    model: str
    rd_lambda: float
    seconds: float
    turn: int
    work: Path
    code: str

    @property
    def key(self) -> str:
        """The name of the run in the journal."""
        what = f"{self.image.stem} {self.model}, λ={self.rd_lambda:g}"
        return f"{what}, {self.seconds:g} s, turn {self.turn}, {self.code[:16]}"

    def measure(self) -> Taken:
        """Archive the image into a store of its own."""
        from tasks.catalogue.recipe import Recipe
        from tasks.catalogue.records import Stored
        from tasks.originals.listing import SourceImage
        from tasks.originals.reading import digest_source
        from tasks.settings import RunOptions
        from tasks.steps.compress import compress_images
        from tasks.steps.jobs import ArchiveJob
        from tasks.steps.verify import verify_image

        options, uri = RunOptions(device="cpu", workers=1), self.image.resolve().as_uri()
        digest, n_bytes = digest_source(uri, max_bytes=options.max_file_bytes)
        config = CodecConfig(model=self.model, rd_lambda=self.rd_lambda)
        store = self.work / f"store {self.model} {self.seconds:g} {self.turn} {time.time_ns()}"
        recipe = Recipe(config, seconds_per_image=self.seconds)
        job = ArchiveJob(run_id="budgets", store=str(store), recipe=recipe, options=options)
        started, before = time.perf_counter(), time.process_time()
        [stored] = compress_images([SourceImage(digest, uri, self.image.name, n_bytes)], job)
        if isinstance(stored, Exception):
            raise stored
        assert isinstance(stored, Stored)  # in a store of its own nobody else archives it
        archived = verify_image(stored, job)
        seconds, processor = time.perf_counter() - started, time.process_time() - before
        effort, file = archived.stored.effort, archived.stored.file
        cost = 10 ** (-archived.verification.psnr_db / 10) + self.rd_lambda * file.rate_bpp
        return Taken(
            budget_seconds=self.seconds,
            turn=self.turn,
            seconds=round(seconds, 2),
            processor_seconds=round(processor, 2),
            load=round(os.getloadavg()[0], 2),
            n_steps=effort.n_steps or 0,
            n_bytes=file.n_bytes,
            rate_bpp=round(file.rate_bpp, 5),
            psnr_db=round(archived.verification.psnr_db, 3),
            cost=round(1000 * cost, 4),
        )


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--image", type=Path, required=True, metavar="FILE", help="the photograph")
    parser.add_argument("--model", choices=MODELS, default="cnn")
    parser.add_argument("--rd-lambda", type=float, default=0.001)
    parser.add_argument("--seconds", type=float, nargs="+", default=[20, 60, 300], help="the budgets")
    parser.add_argument("--runs", type=int, default=1, help="of each budget")


def measure(arguments: argparse.Namespace) -> Result:
    """Archive the image once for each budget and turn."""
    code = codec_digest()
    points = [
        Budget(arguments.image, arguments.model, arguments.rd_lambda, seconds, turn, arguments.work, code)
        for turn in range(arguments.runs)
        for seconds in arguments.seconds
    ]
    return Result(measured(points, Taken, arguments.work / "runs.jsonl", n_threads=1))


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    rows = [
        [
            f"{run.budget_seconds:g} s",
            f"{run.seconds:.1f}",
            f"{100 * (run.seconds / run.budget_seconds - 1):+.1f} %",
            f"{run.processor_seconds:.1f}",
            f"{run.load:.1f}",
            f"{run.n_steps}",
            f"{run.n_bytes}",
            f"{run.psnr_db:.2f}",
            f"{run.cost:.4f}",
        ]
        for run in sorted(result.runs, key=lambda run: (run.budget_seconds, run.turn))
    ]
    kept = sum(abs(run.seconds / run.budget_seconds - 1) <= TOLERANCE for run in result.runs)
    head = ("budget", "seconds", "off by", "processor, s", "load", "steps", "bytes", "PSNR, dB", "cost")
    return [
        "# Budgets of seconds per image",
        f"- {arguments.image.stem}, family `{arguments.model}`, λ = {arguments.rd_lambda:g}; one thread",
        "- Seconds from the first read of the original to the end of verification; Python has started",
        "- Cost: 1000 · (MSE + λ · bpp)",
        f"- {kept} of {len(result.runs)} runs are within {TOLERANCE:.0%} of their budget",
        *table(head, rows),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.budgets", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

"""What each part of family `cnn` and of its fit is worth: crops fitted with and without it, in pairs.

    python -m benchmarks.cnn_choices --images kodak --names kodim02 kodim08 --out NAME [--against ../before]

Every figure is of a file and of what it decodes to: cost = 1000 · (MSE + λ · bpp), lower is better. A pair is
one crop with one seed, fitted as chosen and otherwise; the page has the mean of the ratios of their costs and
its standard error. `--against` names a checkout of another commit, whose `inr.encode` is one more way to fit.
Writes OUT.json and OUT.md.
"""

import argparse
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import frame, journal
from benchmarks.cnn_choices.choices import CHOICES
from benchmarks.cnn_choices.trials import Measured, Trial
from benchmarks.frame import number, table
from benchmarks.rd.measuring import list_images


@dataclass(frozen=True)
class Result:
    """Every choice on every crop and seed."""

    results: Sequence[Measured]


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of images")
    parser.add_argument("--names", nargs="+", required=True, help="stems of the images to take")
    parser.add_argument("--side", type=int, default=256, help="side of the crop in their middle, in pixels")
    parser.add_argument("--rd-lambda", type=float, default=0.001)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2, help="processes at once, of one thread each")
    parser.add_argument("--only", nargs="*", help="choices to measure, beside the first")
    parser.add_argument("--against", type=Path, metavar="DIR", help="checkout of another commit")


def measure(arguments: argparse.Namespace) -> Result:
    """Try every choice on every crop with every seed."""
    code = frame.codec_digest()[:16]
    wanted = [
        n
        for n, choice in enumerate(CHOICES)
        if n == 0 or arguments.only is None or choice.name in arguments.only
    ]
    trials = [
        Trial(image, arguments.side, n, arguments.rd_lambda, arguments.steps, seed, code, arguments.against)
        for n in (*wanted, *([len(CHOICES)] if arguments.against else []))
        for image in list_images(arguments.images, arguments.names)
        for seed in range(arguments.seeds)
    ]
    path = frame.result_file(arguments.out, ".jsonl")
    return Result(journal.measured(trials, Measured, path, n_processes=arguments.jobs, n_threads=1))


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    return [
        "# What each part of family cnn and of its fit is worth",
        "",
        f"{', '.join(arguments.names)}, the middle {arguments.side} x {arguments.side} pixels; λ = "
        f"{arguments.rd_lambda:g}; {arguments.steps} steps; {arguments.seeds} seeds; one thread each,",
        f"{arguments.jobs} at once. Each row is the mean, over pairs of fits of one crop with one seed, of",
        "the ratio of its cost to that as chosen, and its standard error. Below zero: the row is better.",
        *table(("fit", "pairs", "cost, %", "± %", "networks, bytes", "time, ratio"), rows_of(result.results)),
    ]


def rows_of(results: Sequence[Measured]) -> Iterator[list[str]]:
    """A row for each choice beside the first."""
    chosen = {(found.image, found.seed): found for found in results if found.choice == CHOICES[0].name}
    for choice in dict.fromkeys(found.choice for found in results):
        mine = [found for found in results if found.choice == choice]
        ratios = [100 * (found.cost / chosen[found.image, found.seed].cost - 1) for found in mine]
        times = [found.encode_seconds / chosen[found.image, found.seed].encode_seconds for found in mine]
        error = statistics.stdev(ratios) / math.sqrt(len(ratios)) if len(ratios) > 1 else None
        of_networks = [found.network_bytes for found in mine if found.network_bytes is not None]
        yield [
            choice,
            str(len(mine)),
            number(statistics.mean(ratios), 2),
            number(error, 2),
            number(statistics.mean(of_networks) if of_networks else None, 0),
            number(statistics.median(times), 2),
        ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.cnn_choices", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

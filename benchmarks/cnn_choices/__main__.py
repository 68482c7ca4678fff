"""What each part of family `cnn` and of its fit is worth: images fitted with and without it, in pairs.

    python -m benchmarks.cnn_choices --images kodak --names kodim02 kodim08 --crops build/crops --out NAME

Every figure is of a file and of what it holds: cost = 1000 · (MSE + λ · bpp), lower is better. A pair is one
image with one seed, fitted as chosen and otherwise; the page has the mean of the ratios of their costs and
its standard error. Where a choice changes the networks, they are fitted to the crops anew, as those of the
first choice are, with as many steps: so a part is measured with a prior that knows of it against one that
does not. It takes a graphics card. What was measured is kept beside the page, and a later run of
the same conditions goes on from there.
Writes OUT.json and OUT.md.
"""

import argparse
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import frame
from benchmarks.cnn_choices.choices import CHOICES
from benchmarks.cnn_choices.trials import Measured, Run, fitted_prior, measured, read_images
from benchmarks.frame import number, standard_error, table
from benchmarks.prior.crops import read_crops
from benchmarks.rd.measuring import list_images
from inr.cnn.prior import Prior


@dataclass(frozen=True)
class Result:
    """Every choice on every image and seed."""

    results: Sequence[Measured]


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of images")
    parser.add_argument("--names", nargs="+", required=True, help="stems of images, all of one size")
    parser.add_argument("--crops", type=Path, required=True, metavar="DIR", help="crops for the priors")
    parser.add_argument("--side", type=int, default=512, help="pixels on a side of each crop's part")
    parser.add_argument("--every", type=int, default=2, help="take every so manieth crop")
    parser.add_argument("--rd-lambda", type=float, default=0.001)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--prior-steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="choices to measure, beside the first")
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="cpu: in Triton's interpreter, for tests"
    )


def measure(arguments: argparse.Namespace) -> Result:
    """Try every choice on every image with every seed."""
    path = frame.result_file(arguments.out, ".jsonl")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    run = Run(
        images=read_images(list_images(arguments.images, arguments.names)),
        crops=read_crops(arguments.crops, 3, side=arguments.side, every=arguments.every),
        rd_lambda=arguments.rd_lambda,
        n_steps=arguments.steps,
        n_prior_steps=arguments.prior_steps,
        seeds=range(arguments.seeds),
        device=arguments.device,
    )
    before = [Measured(**json.loads(line)) for line in lines]
    done = [found for found in before if found.conditions == run.conditions]
    chosen: Prior | None = None
    for choice in CHOICES:
        wanted = choice is CHOICES[0] or arguments.only is None or choice.name in arguments.only
        if not wanted or any(found.choice == choice.name for found in done):
            continue
        if choice.has_own_prior:
            prior = fitted_prior(run, choice)
        else:
            chosen = prior = chosen or fitted_prior(run, CHOICES[0])
        found = measured(run, choice, prior)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(each)) + "\n" for each in found)
        done += found
        print(" | ".join(list(rows_of(done))[-1]), flush=True)
    return Result(done)


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    return [
        "# What each part of family cnn and of its fit is worth",
        "",
        f"{', '.join(arguments.names)}, whole; λ = {arguments.rd_lambda:g}; {arguments.steps} steps; "
        f"{arguments.seeds} seeds; all in one batch on a graphics card.",
        f"Priors by {arguments.prior_steps} steps from those in the tree. Each row is the mean, over pairs",
        "of fits of one image with one seed, of the ratio of its cost to that as chosen, and its standard",
        "error. Below zero: the row is better.",
        *table(("fit", "pairs", "cost, %", "± %", "networks, bytes", "time, ratio"), rows_of(result.results)),
    ]


def rows_of(results: Sequence[Measured]) -> Iterator[list[str]]:
    """A row for each choice beside the first."""
    chosen = {(found.image, found.seed): found for found in results if found.choice == CHOICES[0].name}
    for choice in dict.fromkeys(found.choice for found in results):
        mine = [found for found in results if found.choice == choice]
        ratios = [100 * (found.cost / chosen[found.image, found.seed].cost - 1) for found in mine]
        times = [found.encode_seconds / chosen[found.image, found.seed].encode_seconds for found in mine]
        yield [
            choice,
            str(len(mine)),
            number(statistics.mean(ratios), 2),
            number(standard_error(ratios), 2),
            number(statistics.mean(found.network_bytes for found in mine), 0),
            number(statistics.median(times), 2),
        ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.cnn_choices", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

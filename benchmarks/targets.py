"""Targets: how well they are met, and what that takes beside a fit at the λ that came out.

    python -m benchmarks.targets --images kodak --out benchmarks/results/targets

Of each image the middle is encoded, with one thread, for each target, and then at the λ with which the fit
for the target ended. Times are the processor's, so other work does not count. What is measured stands in a
journal in the folder of --work, so that a run that was interrupted goes on where it was.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import frame
from benchmarks.frame import codec_digest, table
from benchmarks.journal import measured
from benchmarks.rd.measuring import middle, read_pixels
from inr.config import MODELS, CodecConfig

NAMES = ("kodim20", "kodim02", "kodim08", "kodim24", "kodim12", "kodim14")


@dataclass(frozen=True)
class Met:
    """What a target led to, and what a fit at the λ that came out did.

    Attributes:
        image: Name of the image.
        target: The target.
        is_rate: Whether it is one of bpp, or of dB.
        found: What the file has, in the target's unit.
        n_fits: Fits that were made.
        begin_lambda: λ that the first one began with.
        rd_lambda: λ that the one that counts ended with.
        seconds: The processor's time.
        plain_seconds: That of a fit at that λ.
        cost: MSE + λ · bpp.
        plain_cost: That of the fit at that λ.
    """

    image: str
    target: float
    is_rate: bool
    found: float
    n_fits: int
    begin_lambda: float
    rd_lambda: float
    seconds: float
    plain_seconds: float
    cost: float
    plain_cost: float

    @property
    def miss(self) -> float:
        """How much better than the target it is: dB, or a share of the rate."""
        return 1 - self.found / self.target if self.is_rate else self.found - self.target

    @property
    def is_met(self) -> bool:
        """Whether it is met, and by no more than 0.1 dB or 2 %."""
        return 0 <= self.miss <= (0.02 if self.is_rate else 0.1)


@dataclass(frozen=True)
class Result:
    """Every target of every image."""

    met: Sequence[Met]


@dataclass(frozen=True)
class Pair:
    """One target of one image, and the fit at the λ that comes out."""

    image: Path
    side: int
    target: float
    is_rate: bool
    model: str
    n_steps: int
    code: str

    @property
    def key(self) -> str:
        """The name of the pair in the journal."""
        goal = f"{self.target:g} {'bpp' if self.is_rate else 'dB'}"
        what = f"{self.image.stem} {self.side} {self.model}, {goal}"
        return f"{what}, {self.n_steps} steps, {self.code[:16]}"

    def measure(self) -> Met:
        """Make both encodings."""
        from inr import encode

        pixels = middle(read_pixels(self.image), self.side)
        first = (
            CodecConfig(model=self.model, target_bpp=self.target)
            if self.is_rate
            else CodecConfig(model=self.model, target_psnr_db=self.target)
        )
        encode(
            pixels, CodecConfig(model=self.model, rd_lambda=1e-3), n_steps=20, device="cpu"
        )  # loads, compiles
        started = time.process_time()
        found = encode(pixels, first, n_steps=self.n_steps, device="cpu")
        between = time.process_time()
        at = CodecConfig(model=self.model, rd_lambda=found.rd_lambda)
        plain = encode(pixels, at, n_steps=self.n_steps, device="cpu")
        ended = time.process_time()
        costs = [10 ** (-each.psnr_db / 10) + found.rd_lambda * each.rate_bpp for each in (found, plain)]
        return Met(
            image=self.image.stem,
            target=self.target,
            is_rate=self.is_rate,
            found=round(found.rate_bpp if self.is_rate else found.psnr_db, 4),
            n_fits=len(found.attempts),
            begin_lambda=found.history[0].rd_lambda,
            rd_lambda=found.rd_lambda,
            seconds=round(between - started, 2),
            plain_seconds=round(ended - between, 2),
            cost=costs[0],
            plain_cost=costs[1],
        )


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="Kodak's photographs")
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--model", choices=MODELS, default="cnn")
    parser.add_argument("--side", type=int, default=256, help="of the middle of an image, in pixels")
    parser.add_argument("--steps", type=int, default=300, help="of each fit")
    parser.add_argument("--decibels", type=float, nargs="*", default=[30, 34, 38])
    parser.add_argument("--bpp", type=float, nargs="*", default=[0.2, 0.5, 1.0])


def measure(arguments: argparse.Namespace) -> Result:
    """Make every pair."""
    code = codec_digest()
    targets = [(each, False) for each in arguments.decibels] + [(each, True) for each in arguments.bpp]
    points = [
        Pair(
            arguments.images / f"{name}.png",
            arguments.side,
            target,
            is_rate,
            arguments.model,
            arguments.steps,
            code,
        )
        for name in arguments.names
        for target, is_rate in targets
    ]
    return Result(measured(points, Met, arguments.work / "pairs.jsonl", n_threads=1))


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    met = result.met
    rows = [
        [
            each.image,
            f"{each.target:g} {'bpp' if each.is_rate else 'dB'}",
            f"{each.found:.4f}" if each.is_rate else f"{each.found:.3f}",
            f"{-100 * each.miss:+.2f} %" if each.is_rate else f"{each.miss:+.3f} dB",
            f"{each.n_fits}",
            f"{each.begin_lambda:.3g}",
            f"{each.rd_lambda:.3g}",
            f"{each.seconds / each.plain_seconds:.2f}",
            f"{100 * (each.cost / each.plain_cost - 1):+.2f} %",
        ]
        for each in met
    ]
    times = [each.seconds / each.plain_seconds for each in met]
    costs = [each.cost / each.plain_cost - 1 for each in met]
    head = ("image", "target", "found", "off by", "fits", "first λ", "last λ", "time", "cost")
    return [
        "# Targets",
        f"- The middle {arguments.side}x{arguments.side} of images, family `{arguments.model}`, "
        f"{arguments.steps} steps, one thread",
        "- Time and MSE + λ · bpp beside those of a fit at the last λ",
        f"- {sum(each.is_met for each in met)} of {len(met)} targets are met by no more than 0.1 dB or 2 %, "
        f"{sum(each.is_met and each.n_fits == 1 for each in met)} of them with one fit",
        f"- Time: {math.fsum(times) / len(met):.2f} in the mean, at most {max(times):.2f}; "
        f"cost: {100 * math.fsum(costs) / len(met):+.2f} % in the mean",
        *table(head, rows),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.targets", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

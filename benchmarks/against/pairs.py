"""What is measured of two checkouts, and the page of it; see `__main__`."""

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks import processes
from benchmarks.frame import code_digest, mean_of_ratios, table
from benchmarks.journal import measured
from benchmarks.rd.measuring import middle, read_pixels

ROOT = Path(__file__).parent.parent.parent
PROGRAM = Path(__file__).with_name("in_checkout.py")
NAMES = ["kodim01", "kodim05", "kodim07", "kodim13", "kodim19", "kodim23"]
SIDE = 256
DECODED, DECODED_STEPS, TIMES = "kodim15", 200, 7
# The steps of the other checkout's preset, and those of this one that are tried to reach its cost.
STEPS = {"draft": (1000, (300, 500, 1000)), "standard": (5000, (1000, 1700, 5000))}
THIS, OTHER = "this", "the other"


@dataclass(frozen=True)
class Encoding:
    """One encoding of one crop.

    Attributes:
        image: Name of the image.
        checkout: "this" or "the other".
        n_steps: Steps of the fit.
        cpu_seconds: Processor time of the encoding, its own check too.
        n_bytes: Bytes of the file.
        cost: 1000 · (MSE + λ · bpp) of the file and of what it decodes to.
    """

    image: str
    checkout: str
    n_steps: int
    cpu_seconds: float
    n_bytes: int
    cost: float


@dataclass(frozen=True)
class Decoding:
    """One turn of decoding a whole image: the median of its processor times, in seconds."""

    checkout: str
    turn: int
    cpu_seconds: float


@dataclass(frozen=True)
class Result:
    """Everything that was measured."""

    encodings: Sequence[Encoding]
    decodings: Sequence[Decoding]


@dataclass(frozen=True)
class Checkout:
    """A checkout: its name on the page, its folder, and a digest of its code."""

    name: str
    root: Path
    code: str

    def __str__(self) -> str:
        """Its name and code, for the journal."""
        return f"{self.name} {self.code}"

    def run(self, *words: str) -> dict[str, object]:
        """Run `in_checkout` in a process of its own, and return what it printed."""
        variables = {"PYTHONPATH": str(self.root)}
        command = [sys.executable, "-P", str(PROGRAM), *words]
        found: dict[str, object] = json.loads(processes.run(command, {**os.environ, **variables}).printed)
        return found


@dataclass(frozen=True)
class Encode:
    """An encoding to make."""

    checkout: Checkout
    pixels: Path
    n_steps: int
    rd_lambda: float

    @property
    def key(self) -> str:
        """The name of it in the journal."""
        return f"{self.pixels.stem}, {self.n_steps} steps, λ = {self.rd_lambda:g}, {self.checkout}"

    @property
    def words(self) -> list[str]:
        """What `in_checkout` is told: the pixels, the file, and the settings."""
        out = self.pixels.with_suffix(f".{self.checkout.name}-{self.checkout.code}.inr")
        settings = json.dumps({"rd_lambda": self.rd_lambda, "n_steps": self.n_steps})
        return [str(self.pixels), str(out), settings]

    def measure(self) -> Encoding:
        """Make it."""
        found = self.checkout.run("encode", *self.words)
        n_bytes, mse = int(str(found["n_bytes"])), float(str(found["mse"]))
        height, width, _ = np.load(self.pixels).shape
        cost = 1000 * (mse + self.rd_lambda * 8 * n_bytes / (height * width))
        seconds = float(str(found["cpu_seconds"]))
        return Encoding(self.pixels.stem, self.checkout.name, self.n_steps, seconds, n_bytes, cost)


@dataclass(frozen=True)
class Decode:
    """A turn of decoding to make, of the file of an encoding."""

    encode: Encode
    turn: int

    @property
    def key(self) -> str:
        """The name of it in the journal."""
        return f"decode {self.encode.key}, turn {self.turn}"

    def measure(self) -> Decoding:
        """Make it."""
        checkout = self.encode.checkout
        seconds = checkout.run("decode", *self.encode.words, str(TIMES))["cpu_seconds"]
        assert isinstance(seconds, list)
        return Decoding(checkout.name, self.turn, statistics.median(seconds))


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--checkout", type=Path, required=True, metavar="DIR", help="another checkout")
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="Kodak's photographs")
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--presets", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--rd-lambda", type=float, default=1e-3)
    parser.add_argument("--turns", type=int, default=5, help="of decoding")


def measure(arguments: argparse.Namespace) -> Result:
    """Encode the crops turn by turn, then decode a whole image turn by turn."""
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    this, other = (
        Checkout(name, root, code_digest(root / "inr")[:16])
        for name, root in ((THIS, ROOT), (OTHER, arguments.checkout.resolve()))
    )
    points = []
    for preset in arguments.presets:
        others, mine = STEPS[preset]
        for name in arguments.names:
            pixels = _pixels(arguments.images / f"{name}.png", work, SIDE)
            points += [Encode(other, pixels, others, arguments.rd_lambda)]
            points += [Encode(this, pixels, n_steps, arguments.rd_lambda) for n_steps in mine]
    encodings = measured(points, Encoding, work / "encodings.jsonl")
    whole = _pixels(arguments.images / f"{DECODED}.png", work, None)
    turns = [
        Decode(Encode(checkout, whole, DECODED_STEPS, arguments.rd_lambda), turn)
        for turn in range(arguments.turns)
        for checkout in ((this, other) if turn % 2 else (other, this))
    ]
    return Result(encodings, measured(turns, Decoding, work / "decodings.jsonl"))


def _pixels(image: Path, work: Path, side: int | None) -> Path:
    """The middle of an image, or all of it, as an array in a file."""
    file = work / (f"{image.stem}.npy" if side else f"{image.stem}-whole.npy")
    pixels = read_pixels(image)
    np.save(file, middle(pixels, side) if side else pixels)
    return file


def seconds_at(cost: float, encodings: Sequence[Encoding]) -> float:
    """Processor seconds with which encodings reach a cost, between the two whose costs are next to it.

    Beyond the first or last of them, the line through the two nearest goes on.

    Args:
        cost: The cost.
        encodings: At least two, of one image and checkout.
    """
    ordered = sorted(encodings, key=lambda encoding: encoding.cpu_seconds)
    pairs = list(pairwise(ordered))
    slow, fast = next((pair for pair in pairs if pair[1].cost <= cost), pairs[-1])
    along = (slow.cost - cost) / (slow.cost - fast.cost)
    logs = math.log(slow.cpu_seconds), math.log(fast.cpu_seconds)
    return math.exp(logs[0] + along * (logs[1] - logs[0]))


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    lines = [
        f"# Family cnn against {arguments.checkout.name}",
        f"- Crops of {SIDE}x{SIDE}, λ = {arguments.rd_lambda:g}, one thread, files and decoded pixels",
        "- Ratios are those of this checkout to the other one's; below them the mean and its standard error",
    ]
    for preset in arguments.presets:
        lines += ["", f"## {preset}", *_of_preset(result.encodings, preset)]
    return [*lines, "", "## Decoding", *_of_decodings(result.decodings)]


def _of_preset(encodings: Sequence[Encoding], preset: str) -> list[str]:
    theirs, mine = STEPS[preset]
    rows, ratios = [], []
    for name in dict.fromkeys(encoding.image for encoding in encodings):
        of_image = [encoding for encoding in encodings if encoding.image == name]
        [other] = [each for each in of_image if (each.checkout, each.n_steps) == (OTHER, theirs)]
        own = [each for each in of_image if each.checkout == THIS and each.n_steps in mine]
        full = max(own, key=lambda encoding: encoding.n_steps)
        seconds = seconds_at(other.cost, own)
        ratio = (
            full.cost / other.cost,
            full.cpu_seconds / other.cpu_seconds,
            seconds / other.cpu_seconds,
        )
        ratios.append(ratio)
        costs = f"{full.cost:.4g}", f"{other.cost:.4g}"
        times = f"{full.cpu_seconds:.0f}", f"{other.cpu_seconds:.0f}", f"{seconds:.0f}"
        rows.append([name, *costs, *times, *(f"x {value:.3f}" for value in ratio)])
    means = [f"x {mean_of_ratios(values)}" for values in zip(*ratios, strict=True)]
    header = (
        "image",
        "cost",
        "of the other",
        "processor, s",
        "of the other",
        "at the other's cost, s",
        "cost",
        "processor",
        "processor at equal cost",
    )
    return table(header, [*rows, ["mean", *[""] * 5, *means]])


def _of_decodings(decodings: Sequence[Decoding]) -> list[str]:
    by_side = [[each for each in decodings if each.checkout == side] for side in (THIS, OTHER)]
    seconds = [[each.cpu_seconds for each in sorted(side, key=lambda each: each.turn)] for side in by_side]
    ratio = f"x {mean_of_ratios([a / b for a, b in zip(*seconds, strict=True)])}"
    medians = [f"{statistics.median(side):.3f}" for side in seconds]
    header = ("whole image, as a library call", "processor, s", "of the other", "ratio of pairs")
    return table(header, [[f"{DECODED}, each its own file", *medians, ratio]])

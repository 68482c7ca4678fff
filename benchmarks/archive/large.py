"""A large photograph: time, memory, and what it costs beside the same photograph in pieces.

    python -m benchmarks.archive.large --images sunset.jpg --out benchmarks/results/large

Each photograph is encoded as a whole, in a process of its own with all cores, and its file is decoded in
another. With --pieces it is cut into as many columns and rows, and each piece is encoded by itself, as many
at a time as there are cores; their bytes and squared errors are summed up. A cost is 1000 · (MSE + λ · bpp),
of bytes and decoded pixels. What is measured stands in a journal in the folder of --work, so that a run that
was interrupted goes on where it was.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import frame, processes
from benchmarks.frame import codec_digest, n_cores, number, table
from benchmarks.journal import measured
from inr.config import CodecConfig

LAMBDA = 1e-3
WHOLE = (1, 1)
PROGRAM = "import sys; from benchmarks.archive.large import print_{0}; print_{0}(*sys.argv[1:])"


@dataclass(frozen=True)
class Made:
    """A photograph, or a piece of one, that was encoded and decoded, each in a process of its own.

    Attributes:
        image: Name of the photograph.
        grid: Columns and rows of the pieces.
        n_pixels: Its pixels.
        n_steps: Steps of the fit.
        n_threads: Threads of the fit.
        seconds: Time of the process that encoded it.
        cpu_seconds: Processor time of that.
        peak_mib: Greatest memory of that.
        decode_seconds: Time of the process that decoded it.
        decode_peak_mib: Greatest memory of that.
        n_bytes: Bytes of the file.
        squared_error: Sum over pixels of the mean squared error of a pixel's samples, in [0, 1].
    """

    image: str
    grid: tuple[int, int]
    n_pixels: int
    n_steps: int
    n_threads: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    decode_seconds: float
    decode_peak_mib: float
    n_bytes: int
    squared_error: float


@dataclass(frozen=True)
class Result:
    """Everything that was made."""

    made: Sequence[Made]


@dataclass(frozen=True)
class Piece:
    """A piece to make; of the grid `WHOLE` all of the photograph."""

    image: Path
    width: int
    grid: tuple[int, int]
    number: int
    n_steps: int | None
    n_threads: int
    work: Path

    @property
    def key(self) -> str:
        """The name of it in the journal."""
        columns, rows = self.grid
        what = f"{self.image.stem}, width {self.width}, piece {self.number} of {columns}x{rows}"
        return f"{what}, {self.n_steps or 'draft'} steps, {self.n_threads} threads, {codec_digest()[:16]}"

    def measure(self) -> Made:
        """Encode it and decode the file."""
        pixels = self.pixels()
        place = self.work / f"{self.image.stem}-{self.width}-{self.grid[0]}x{self.grid[1]}-{self.number}"
        place.with_suffix(".npy").unlink(missing_ok=True)
        np.save(place.with_suffix(".npy"), pixels)
        words = [str(place), str(self.n_steps or 0), str(self.n_threads)]
        encoding = processes.run([sys.executable, "-c", PROGRAM.format("encoding"), *words])
        decoding = processes.run([sys.executable, "-c", PROGRAM.format("decoding"), str(place)])
        place.with_suffix(".npy").unlink()
        return Made(
            image=self.image.stem,
            grid=self.grid,
            n_pixels=pixels.shape[0] * pixels.shape[1],
            n_threads=self.n_threads,
            seconds=round(encoding.seconds, 1),
            cpu_seconds=round(encoding.cpu_seconds, 1),
            peak_mib=round(encoding.peak_mib),
            decode_seconds=round(decoding.seconds, 1),
            decode_peak_mib=round(decoding.peak_mib),
            **json.loads(encoding.printed),
            **json.loads(decoding.printed),
        )

    def pixels(self) -> NDArray[np.uint8]:
        """Its pixels: uint8 [height, width, 3]."""
        Image.MAX_IMAGE_PIXELS = None
        with Image.open(self.image) as opened:
            picture = opened.convert("RGB")
        if self.width != picture.width:
            height = round(picture.height * self.width / picture.width)
            picture = picture.resize((self.width, height), Image.Resampling.BICUBIC)
        (columns, rows), (row, column) = self.grid, divmod(self.number, self.grid[0])
        x, y = (
            np.arange(n + 1) * size // n for n, size in ((columns, picture.width), (rows, picture.height))
        )
        return np.asarray(picture)[y[row] : y[row + 1], x[column] : x[column + 1]]


def print_encoding(place: str, n_steps: str, n_threads: str) -> None:
    """Encode an array of pixels; in the process that is measured."""
    import torch

    from inr import encode
    from inr.encoder import steps_of

    torch.set_num_threads(int(n_threads))
    config = CodecConfig(model="cnn", preset="draft", rd_lambda=LAMBDA)
    pixels = np.load(Path(place).with_suffix(".npy"))
    found = encode(pixels, config, n_steps=int(n_steps) or None, device="cpu")
    Path(place).with_suffix(".inr").write_bytes(found.bitstream)
    steps = steps_of(config, int(n_steps) or None)
    print(json.dumps({"n_steps": steps, "n_bytes": len(found.bitstream)}))


def print_decoding(place: str) -> None:
    """Decode a file and compare it with the pixels; in the process that is measured."""
    from inr import decode

    pixels = np.load(Path(place).with_suffix(".npy"), mmap_mode="r")
    decoded = decode(Path(place).with_suffix(".inr").read_bytes()).pixels
    rows = (decoded[y].astype(np.float64) - pixels[y] for y in range(len(pixels)))
    squared = sum(float((row**2).sum()) for row in rows) / 255**2 / pixels.shape[2]
    print(json.dumps({"squared_error": squared}))


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--images", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--widths", type=int, nargs="+", default=[0], help="to scale to; 0 leaves the size")
    parser.add_argument("--pieces", type=int, nargs=2, metavar=("COLUMNS", "ROWS"), help="to cut into")
    parser.add_argument("--n-steps", type=int, help="of each fit, in place of a draft's")


def measure(arguments: argparse.Namespace) -> Result:
    """Encode the photographs as a whole, then in pieces."""
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    wholes, pieces = [], []
    for image in arguments.images:
        for given in arguments.widths:
            with Image.open(image) as picture:
                width = given or picture.width
            wholes.append(Piece(image.resolve(), width, WHOLE, 0, arguments.n_steps, n_cores(), work))
            if arguments.pieces:
                grid = tuple(arguments.pieces)
                numbers = range(grid[0] * grid[1])
                pieces += [
                    Piece(image.resolve(), width, grid, n, arguments.n_steps, 1, work) for n in numbers
                ]
    made = measured(wholes, Made, work / "large.jsonl")
    return Result([*made, *measured(pieces, Made, work / "large.jsonl", n_processes=n_cores())])


def cost(made: Sequence[Made]) -> float:
    """1000 · (MSE + λ · bpp) of pieces together."""
    n_pixels = sum(each.n_pixels for each in made)
    error, n_bits = sum(each.squared_error for each in made), 8 * sum(each.n_bytes for each in made)
    return 1000 * (error + LAMBDA * n_bits) / n_pixels


def page(result: Result, _: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    groups: dict[tuple[str, tuple[int, ...], int], list[Made]] = {}
    for each in result.made:
        n_pixels = each.n_pixels if tuple(each.grid) == WHOLE else 0
        groups.setdefault((each.image, tuple(each.grid), n_pixels), []).append(each)
    header = (
        "photograph",
        "megapixels",
        "steps",
        "threads",
        "encoding, s",
        "processor, s",
        "memory, MiB",
        "of it a megapixel",
        "decoding, s",
        "memory, MiB",
        "bits per pixel",
        "cost",
    )
    return [
        "# Large photographs",
        f"- λ = {LAMBDA:g}; of pieces times are sums, and memory is that of the one that takes most",
        *table(header, [_row(*key[:2], made) for key, made in groups.items()]),
    ]


def _row(image: str, grid: tuple[int, ...], made: Sequence[Made]) -> list[str]:
    n_pixels = sum(each.n_pixels for each in made)
    largest = max(made, key=lambda each: each.peak_mib)
    name = image if grid == WHOLE else f"{image}, {grid[0]} x {grid[1]} pieces"
    return [
        name,
        f"{n_pixels / 1e6:.2f}",
        str(made[0].n_steps),
        str(made[0].n_threads),
        number(sum(each.seconds for each in made), 0),
        number(sum(each.cpu_seconds for each in made), 0),
        number(largest.peak_mib, 0),
        number(largest.peak_mib / largest.n_pixels * 1e6, 0),
        number(sum(each.decode_seconds for each in made), 1),
        number(max(each.decode_peak_mib for each in made), 0),
        f"{8 * sum(each.n_bytes for each in made) / n_pixels:.4f}",
        f"{cost(made):.4f}",
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.archive.large", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

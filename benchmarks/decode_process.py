"""The cost of `inr decode FILE.inr -o IMAGE.png` as a process: processor seconds, seconds, and memory.

    python -m benchmarks.decode_process --against ../before --out benchmarks/results/decode_process

This checkout and the one that `--against` names decode the same files turn by turn, so that every run of one
has a run of the other beside it. Each is measured in two states:

- `warm`: as it runs every day;
- `first`: as on a machine where it never ran: without the loops that numba compiled and without the bytecode
  of its own code. The bytecode of libraries is there, because pip makes it; so is the system's file cache.

The files are those of `--files`, or one of each family, 768x512, of a short fit, made once in the folder of
--work.
"""

import argparse
import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import frame, processes
from benchmarks.frame import mean_of_ratios, table
from inr.config import MODELS, CodecConfig

ROOT = Path(__file__).parent.parent
BOX = (320, 450, 1088, 962)  # left, top, right, bottom: 768 x 512, of Kodak's size
STEPS = 200
STATES = ("warm", "first")
MEASURES = {"cpu_seconds": "processor, s", "seconds": "start to exit, s", "peak_mib": "greatest memory, MiB"}


@dataclass(frozen=True)
class Run:
    """One process: the file that it decoded, its state, its checkout and turn, and its cost."""

    file: str
    state: str
    checkout: str
    turn: int
    cpu_seconds: float
    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Result:
    """Every run."""

    runs: Sequence[Run]


@dataclass(frozen=True)
class Checkout:
    """A checkout of this project, and a folder for the caches of its processes.

    Attributes:
        name: Its name on the page.
        root: Its folder.
        caches: The folder for what Python and numba keep between runs.
    """

    name: str
    root: Path
    caches: Path

    def decode(self, file: Path, state: str, turn: int) -> Run:
        """Decode a file, in a process of its own."""
        if state == "first":
            self.forget()
        module = "flows.cli.app" if (self.root / "flows" / "cli" / "app.py").exists() else "flows.cli"
        program = f"from {module} import app; app()"
        variables = {
            "PYTHONPATH": str(self.root),
            "PYTHONPYCACHEPREFIX": str(self.caches / "bytecode"),
            "PYTHONDONTWRITEBYTECODE": "",
            "NUMBA_CACHE_DIR": str(self.caches / "numba"),
        }
        image = self.image_of(file)
        image.unlink(missing_ok=True)
        command = [sys.executable, "-P", "-c", program, "decode", str(file), "-o", str(image)]
        cost = processes.run(command, {**os.environ, **variables})
        return Run(file.stem, state, self.name, turn, cost.cpu_seconds, cost.seconds, cost.peak_mib)

    def image_of(self, file: Path) -> Path:
        """The place of the image of a file."""
        return self.caches / f"{file.stem}.png"

    def forget(self) -> None:
        """Remove what numba compiled, and the bytecode of the checkout's own code."""
        shutil.rmtree(self.caches / "numba", ignore_errors=True)
        shutil.rmtree(self.caches / "bytecode" / self.root.relative_to("/"), ignore_errors=True)


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout")
    parser.add_argument("--files", type=Path, nargs="+", metavar="FILE.inr", help="the files to decode")
    parser.add_argument("--runs", type=int, default=15, help="of each checkout and file, warm")
    parser.add_argument(
        "--first-runs", type=int, default=5, help="of each checkout and file, as if never run"
    )


def measure(arguments: argparse.Namespace) -> Result:
    """Decode every file in both states, with both checkouts turn by turn."""
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    roots = {"this": ROOT} | ({"the other": arguments.against.resolve()} if arguments.against else {})
    checkouts = [Checkout(name, root, work / name.replace(" ", "-")) for name, root in roots.items()]
    runs = []
    for file in [path.resolve() for path in arguments.files or made(work)]:
        for checkout in checkouts:
            checkout.caches.mkdir(exist_ok=True)
            checkout.decode(file, "warm", 0)  # fills the caches
        images = {checkout.image_of(file).read_bytes() for checkout in checkouts}
        if len(images) > 1:
            raise ValueError(f"{file.name}: the checkouts decode it to different images")
        for state, n_turns in zip(STATES, (arguments.runs, arguments.first_runs), strict=True):
            for turn in range(n_turns):
                order = checkouts[:: 1 if turn % 2 else -1]
                runs += [checkout.decode(file, state, turn) for checkout in order]
    return Result(runs)


def made(work: Path) -> list[Path]:
    """A file of each family: a part of a photograph, fitted in a few steps."""
    from PIL import Image

    from benchmarks.rd.measuring import read_pixels
    from benchmarks.samples import SHIPPED
    from inr import encode

    files = {model: work / f"{model}.inr" for model in MODELS}
    for model, file in files.items():
        if not file.exists():
            Image.open(SHIPPED / "retina.jpg").crop(BOX).save(work / "photo.png")
            config = CodecConfig(model=model, preset="draft", rd_lambda=0.004)
            encoded = encode(read_pixels(work / "photo.png"), config, n_steps=STEPS, device="cpu")
            file.write_bytes(encoded.bitstream)
    return list(files.values())


def page(result: Result, _: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    sides, rows = _sides(result), []
    for file, state in dict.fromkeys((run.file, run.state) for run in result.runs):
        runs = sorted((r for r in result.runs if (r.file, r.state) == (file, state)), key=lambda r: r.turn)
        for name, title in MEASURES.items():
            values = [[getattr(r, name) for r in runs if r.checkout == side] for side in sides]
            medians = [f"{statistics.median(of_one):.2f}" for of_one in values]
            rows.append([f"{file}, {state}, {len(values[0])} times: {title}", *medians, *_ratio(*values)])
    compared = ["this / the other, pair by pair"] if len(sides) > 1 else []
    return [
        "# `inr decode` as a process",
        "- Medians; in pairs the mean of the ratios, and its standard error",
        "- warm: as it runs every day; first: without what numba compiled, and without its own bytecode",
        *table(("file, state, measure", *sides, *compared), rows),
    ]


def _sides(result: Result) -> list[str]:
    return sorted({run.checkout for run in result.runs}, reverse=True)


def _ratio(this: Sequence[float], other: Sequence[float] = ()) -> list[str]:
    """The mean of the ratios of pairs, with its standard error; nothing where there are no pairs."""
    ratios = [a / b for a, b in zip(this, other, strict=bool(other))]
    return [mean_of_ratios(ratios)] if ratios else []


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.decode_process", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

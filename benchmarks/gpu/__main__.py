"""Fits of family `cnn` on a graphics card: whether they are right there, and how long they take.

    python -m benchmarks.gpu --images kodak --cost-standard 0.625 --out benchmarks/results/gpu
    python -m benchmarks.gpu --dry-run --out build/gpu

It checks the kernels against plain operations, that files decode on the CPU to the pixels of the fit, and
that an image costs what the CPU's fit of it does, which `--cost-draft` and `--cost-standard` name. It times a
step alone and in a batch, whole encodes, all of `--images` together, and 12 megapixels. With `--files` it
keeps the files, which `benchmarks.rd --made` measures. No part begins after `--minutes`.
`--dry-run` goes through every part on a CPU, with tiny images: losses and steps in Triton's interpreter,
encodes by compiled loops.
"""

import argparse
import os
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks import frame
from benchmarks.gpu.encodes import batch, best, curve, large, single
from benchmarks.gpu.kernels import losses, steps
from benchmarks.gpu.trial import LAMBDA, Row, Trial


@dataclass(frozen=True)
class Result:
    """Everything that was measured.

    Attributes:
        card: The card's name.
        torch, triton: Their versions.
        rows: The numbers.
        failed: Parts that ended in an error, with its first line.
        left_out: Parts for which no time was left.
    """

    card: str
    torch: str
    triton: str
    rows: list[Row]
    failed: dict[str, str]
    left_out: list[str]


PARTS = (losses, steps, single, large, batch, curve, best)


def options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this benchmark."""
    parser.add_argument("--images", type=Path, help="folder with the Kodak images")
    parser.add_argument("--first", default="kodim15", help="the one that is encoded alone")
    parser.add_argument("--cost-draft", type=float, help="the CPU's cost of it by draft")
    parser.add_argument("--cost-standard", type=float, help="the CPU's cost of it by standard")
    parser.add_argument("--curve", nargs="*", default=[], metavar="NAME", help="those at --lambdas too")
    parser.add_argument("--lambdas", nargs="*", type=float, default=[], help="beside 0.001")
    parser.add_argument("--files", type=Path, metavar="DIR", help="keep the files there")
    parser.add_argument("--minutes", type=float, default=6.5, help="after which no part begins")
    parser.add_argument("--dry-run", action="store_true", help="every part without a card, on tiny images")


def measure(arguments: argparse.Namespace) -> Iterator[Result]:
    """Go through the parts; yield what was found after each. One that fails leaves the others."""
    if arguments.dry_run:
        os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is imported
    trial = _trial(arguments)
    found = Result(
        card=trial.card,
        torch=torch.__version__,
        triton=version("triton"),
        rows=[],
        failed={},
        left_out=[part.__name__ for part in PARTS],
    )
    end = time.monotonic() + 60 * arguments.minutes
    for part in PARTS:
        if time.monotonic() > end:
            break
        found.left_out.remove(part.__name__)
        try:
            for row in part(trial):
                print(f"{row.part}: {row.name}: {row.value:.6g}{'' if row.passes else ' FAILS'}", flush=True)
                found.rows.append(row)
        except Exception as error:  # whatever it is, the card's time goes on
            traceback.print_exc()
            found.failed[part.__name__] = f"{type(error).__name__}: {error}".splitlines()[0]
        yield found
    yield found


def _trial(arguments: argparse.Namespace) -> Trial:
    if arguments.dry_run:
        y, x = np.mgrid[:16, :20]
        tiny = np.stack([13 * x, 250 - 13 * x, 16 * y], axis=-1).astype(np.uint8)
        images = {"gradient": tiny, "mirrored": tiny[:, ::-1].copy()}
        return Trial("cpu", images, dict.fromkeys(("draft", "standard")), 20, ["mirrored"], [4e-3])
    paths = sorted(arguments.images.glob("*.png"), key=lambda path: (path.stem != arguments.first, path.name))
    return Trial(
        "cuda",
        images={path.stem: np.asarray(Image.open(path).convert("RGB")) for path in paths},
        costs={"draft": arguments.cost_draft, "standard": arguments.cost_standard},
        curve=arguments.curve,
        lambdas=arguments.lambdas,
        files=arguments.files,
    )


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The page: what was measured, and what did not pass."""
    checks = [row for row in result.rows if row.most is not None]
    lines = [
        "# Fits on a graphics card",
        f"- Card: {result.card}; torch {result.torch}, Triton {result.triton}",
        f"- λ = {LAMBDA:g}; encoded alone: {'a gradient' if arguments.dry_run else arguments.first}",
        f"- {sum(row.passes for row in checks)} of {len(checks)} checks pass",
    ]
    lines += [f"- Part {name} failed: {error}" for name, error in result.failed.items()]
    lines += [f"- Part {name} was left out: no time was left" for name in result.left_out]
    rows = [
        (
            row.name,
            row.part,
            f"{row.value:.4g}" if abs(row.value) < 1000 else f"{row.value:.0f}",
            "" if row.most is None else f"{row.most:.4g}",
            "" if row.most is None else "yes" if row.passes else "NO",
        )
        for row in result.rows
    ]
    return [*lines, *frame.table(("what", "part", "found", "at most", "passes"), rows)]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.gpu", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

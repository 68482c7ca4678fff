"""Fits of family `cnn` on a graphics card: whether they are right there, and how long they take.

    python -m benchmarks.gpu --images kodak --cost-standard 0.625 --out benchmarks/results/gpu
    python -m benchmarks.gpu --dry-run --out build/gpu

It checks the kernels against plain operations, that files decode on the CPU to the pixels of the fit, and
that an image costs what the CPU's fit of it does, which `--cost-draft` and `--cost-standard` name. It times a
step alone and in a batch, whole encodes, and all of `--images` together. No part begins after `--minutes`.
`--dry-run` goes through every part on a CPU, with tiny images: losses and steps in Triton's interpreter,
encodes by compiled loops.
"""

import argparse
import math
import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks import frame
from inr import CodecConfig, Encoded, EncodeRequest, InrError, decode, encode, encode_many
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.prior import NO_GAIN, priors

Pixels = NDArray[np.uint8]

LAMBDA = 1e-3
EXACT, SHORT = 1e-3, 2e-2  # of differences by exact products, and by shorter numbers, the most
FAR = 1e9  # a difference that is no number
MORE_COST = 1.005  # than on the CPU, at most
BATCH = 8


@dataclass(frozen=True)
class Row:
    """A number that was measured.

    Attributes:
        part: What it belongs to.
        name: What it is, with its unit.
        value: The number.
        most: What it may be at most; None: it is no check.
    """

    part: str
    name: str
    value: float
    most: float | None = None

    @property
    def passes(self) -> bool:
        """True unless it is more than it may be, or no number."""
        return self.most is None or self.value <= self.most


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


@dataclass(frozen=True)
class Trial:
    """What the parts go by.

    Attributes:
        device: "cuda", or "cpu" for a dry run.
        images: uint8 [height, width, 3] each; the first one is encoded alone.
        costs: For a preset, the CPU's cost of the first image, if known.
        n_steps: Steps of every fit, in place of its preset's; None leaves these.
    """

    device: Literal["cpu", "cuda"]
    images: list[Pixels]
    costs: dict[str, float | None]
    n_steps: int | None

    @property
    def is_dry(self) -> bool:
        """True where there is no card."""
        return self.device == "cpu"

    def wait(self) -> None:
        """Wait for the card."""
        if not self.is_dry:
            torch.cuda.synchronize()

    def memory(self, part: str) -> Iterator[Row]:
        """The most memory that torch held since the last call."""
        if not self.is_dry:
            yield Row(part, "most memory of torch, GiB", torch.cuda.max_memory_allocated() / 2**30)
            torch.cuda.reset_peak_memory_stats()

    def encode(self, pixels: Pixels, preset: str, n_steps: int | None = None) -> Encoded:
        """Encode an image on the device."""
        config = CodecConfig(model="cnn", preset=preset, rd_lambda=LAMBDA)
        return encode(pixels, config, device=self.device, n_steps=self.n_steps or n_steps)


def losses(trial: Trial) -> Iterator[Row]:
    """Bits, samples and gradients of two images by kernels, beside those by plain operations."""
    from inr.cnn.fit.fused.context.bits import FusedContext
    from inr.cnn.fit.fused.image.samples import FusedImage

    device = torch.device(trial.device)
    shape = _pyramid(12, 9, 2) if trial.is_dry else _pyramid(201, 130, 7)
    generator = torch.Generator().manual_seed(0)
    latents = 2 * torch.randn(2, shape.n_latents, generator=generator)
    known = [torch.tensor(shape.known(name)) * 2.0 ** -shape.exponent(name) for name in shape.matrices]
    noise = (0.02 * torch.randn(2, *matrix.shape, generator=generator) for matrix in known)
    matrices = [(matrix + its).float().contiguous() for matrix, its in zip(known, noise, strict=True)]
    factors = torch.randn(2, 3, shape.height, shape.width, generator=generator)
    plain, leaves = PlainLosses(shape), [each.double().requires_grad_() for each in (latents, *matrices)]
    bits, samples = plain.bits(leaves[0], leaves[1:]), plain.image(leaves[0], leaves[1:])
    of_bits = torch.autograd.grad(bits.sum(), leaves[:5])
    of_image = torch.autograd.grad((samples * factors).sum(), [leaves[0], *leaves[5:]])
    latents, factors = latents.to(device), factors.to(device)
    matrices = [matrix.to(device) for matrix in matrices]
    for exact, most in ((True, EXACT), (False, SHORT)):
        words = "exact products" if exact else "shorter numbers"
        context = FusedContext(shape, device, batch=2, exact=exact)
        mine, by_latents, by_matrices = context.with_gradients(latents, matrices[:4])
        found = _farthest([bits, *of_bits], [mine, by_latents, *by_matrices])
        yield Row("losses", f"bits and gradients, {words}: farthest from plain ones", found, most)
        image = FusedImage(shape, device, exact=exact)
        made, done = image.forward(latents, matrices)
        by_latents, by_matrices = image.backward(done, factors)
        found = _farthest([samples, *of_image], [made, by_latents, *by_matrices])
        yield Row("losses", f"samples and gradients, {words}: farthest from plain ones", found, most)


def _pyramid(width: int, height: int, n_levels: int) -> LatentPyramid:
    known = next(known for known in priors() if known.channels == 3 and known.rd_lambda == LAMBDA)
    return LatentPyramid(channels=3, width=width, height=height, n_levels=n_levels, prior=known, gain=NO_GAIN)


def _farthest(known: Sequence[torch.Tensor], found: Sequence[torch.Tensor]) -> float:
    """Of all differences, as shares of the root mean square, that which one in a hundred passes.

    A neuron next to zero is rectified or not as numbers are rounded, so that a few gradients differ much.
    """
    shares = []
    for exact, mine in zip(known, found, strict=True):
        differences = (exact.detach() - mine.cpu().double()).abs().flatten()
        last = min(len(differences) - 1, math.ceil(0.99 * len(differences)))
        shares.append(float(differences.sort().values[last] / exact.detach().square().mean().sqrt()))
    return max(share if math.isfinite(share) else FAR for share in shares)


def steps(trial: Trial) -> Iterator[Row]:
    """Steps of one image and of a batch, recorded and played."""
    from inr.cnn.fit.fused.trainer import FusedFits

    height, width = trial.images[0].shape[:2]
    shape = _pyramid(width, height, 2 if trial.is_dry else 7)
    n_before, n_timed = (0, 1) if trial.is_dry else (40, 100)
    for n_images in (1,) if trial.is_dry else (1, BATCH):
        words = f"{n_images} of {width}x{height}"
        fits = FusedFits(
            [trial.images[0]] * n_images,
            shape,
            PyramidSettings(1000),
            rd_lambdas=[LAMBDA] * n_images,
            seeds=range(n_images),
            device=torch.device(trial.device),
        )
        for index in range(n_before):
            fits.take_step(index)
        trial.wait()
        began = time.perf_counter()
        for index in range(n_before, n_before + n_timed):
            fits.take_step(index)
        trial.wait()
        milliseconds = 1000 * (time.perf_counter() - began) / n_timed
        yield Row("steps", f"{words}: ms a step and image", milliseconds / n_images)
        if not trial.is_dry:
            yield from _launches(fits.take_step, n_before + n_timed, words)
    yield from trial.memory("steps")


def _launches(take_step: Callable[[int], None], first: int, words: str, n_steps: int = 10) -> Iterator[Row]:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for index in range(first, first + n_steps):
            take_step(index)
        torch.cuda.synchronize()
    events = [event for event in profiler.key_averages() if event.device_time_total > 0]
    yield Row("steps", f"{words}: launches a step", sum(event.count for event in events) / n_steps)
    busy = sum(event.device_time_total for event in events) / 1000 / n_steps
    yield Row("steps", f"{words}: ms of the card's work a step", busy)


def single(trial: Trial) -> Iterator[Row]:
    """The first image encoded alone, by the presets draft and standard."""
    pixels = trial.images[0]
    _, seconds = frame.timed(partial(trial.encode, pixels, "draft", 20))
    yield Row("single", "first encode of 20 steps, with what is compiled for it, s", seconds)
    for preset, known in trial.costs.items():
        encoded, seconds = frame.timed(partial(trial.encode, pixels, preset))
        yield Row("single", f"{preset}: whole encode, s", seconds)
        yield Row("single", f"{preset}: bytes", len(encoded.bitstream))
        yield Row("single", f"{preset}: PSNR, dB", encoded.psnr_db)
        cost = 1000 * (10 ** (-encoded.psnr_db / 10) + LAMBDA * encoded.rate_bpp)
        most = None if known is None else MORE_COST * known
        yield Row("single", f"{preset}: cost, 1000 · (MSE + λ · bpp)", cost, most)
        differ = int(np.count_nonzero(decode(encoded.bitstream).pixels != encoded.pixels))
        yield Row("single", f"{preset}: samples that the CPU decodes to others", differ, 0)
    yield from trial.memory("single")


def batch(trial: Trial) -> Iterator[Row]:
    """All images at once, by the preset draft."""
    config = CodecConfig(model="cnn", preset="draft", rd_lambda=LAMBDA)
    requests = [EncodeRequest(pixels, config, n_steps=trial.n_steps) for pixels in trial.images]
    outcomes, seconds = frame.timed(partial(encode_many, requests, device=trial.device))
    failed = sum(isinstance(outcome, InrError) for outcome in outcomes)
    yield Row("batch", f"{len(requests)} images by draft, s", seconds)
    yield Row("batch", "images an hour", 3600 * len(requests) / seconds)
    yield Row("batch", "images without a file", failed, 0)
    yield from trial.memory("batch")


def large(trial: Trial) -> Iterator[Row]:
    """An image of 12 megapixels, for a hundred steps."""
    size = (40, 30) if trial.is_dry else (4000, 3000)
    pixels = np.asarray(Image.fromarray(trial.images[0]).resize(size, Image.Resampling.BICUBIC))
    encoded, seconds = frame.timed(partial(trial.encode, pixels, "draft", 100))
    yield Row("large", f"{size[0]}x{size[1]}, 100 steps, s", seconds)
    yield Row("large", "bits per pixel", encoded.rate_bpp)
    yield from trial.memory("large")


PARTS = (losses, steps, single, batch, large)


def options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this benchmark."""
    parser.add_argument("--images", type=Path, help="folder with the Kodak images")
    parser.add_argument("--first", default="kodim15", help="the one that is encoded alone")
    parser.add_argument("--cost-draft", type=float, help="the CPU's cost of it by draft")
    parser.add_argument("--cost-standard", type=float, help="the CPU's cost of it by standard")
    parser.add_argument("--minutes", type=float, default=6.5, help="after which no part begins")
    parser.add_argument("--dry-run", action="store_true", help="every part without a card, on tiny images")


def measure(arguments: argparse.Namespace) -> Result:
    """Go through the parts; one that fails leaves the others."""
    if arguments.dry_run:
        os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is imported
    trial = _trial(arguments)
    found = Result(
        card="none" if trial.is_dry else torch.cuda.get_device_name(),
        torch=torch.__version__,
        triton=version("triton"),
        rows=[],
        failed={},
        left_out=[],
    )
    end = time.monotonic() + 60 * arguments.minutes
    for part in PARTS:
        if time.monotonic() > end:
            found.left_out.append(part.__name__)
            continue
        try:
            for row in part(trial):
                print(f"{row.part}: {row.name}: {row.value:.6g}{'' if row.passes else ' FAILS'}", flush=True)
                found.rows.append(row)
        except Exception as error:  # whatever it is, the card's time goes on
            traceback.print_exc()
            found.failed[part.__name__] = f"{type(error).__name__}: {error}".splitlines()[0]
    return found


def _trial(arguments: argparse.Namespace) -> Trial:
    if arguments.dry_run:
        y, x = np.mgrid[:16, :20]
        tiny = np.stack([13 * x, 250 - 13 * x, 16 * y], axis=-1).astype(np.uint8)
        return Trial("cpu", [tiny, tiny[:, ::-1].copy()], {"draft": None, "standard": None}, 20)
    paths = sorted(arguments.images.glob("*.png"), key=lambda path: (path.stem != arguments.first, path.name))
    images = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    return Trial("cuda", images, {"draft": arguments.cost_draft, "standard": arguments.cost_standard}, None)


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

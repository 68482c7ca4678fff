"""Kernels against plain operations, and steps of fits, recorded and played."""

import math
import time
from collections.abc import Callable, Iterator, Sequence

import torch

from benchmarks.gpu.trial import LAMBDA, Row, Trial
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.prior import NO_GAIN, priors

EXACT, SHORT = 1e-3, 2e-2  # of differences by exact products, and by shorter numbers, the most
FAR = 1e9  # a difference that is no number
BATCH = 8
N_HEAVIEST = 6  # kernels, by their time, of which a step tells
MOST_MS_A_STEP = 2.0  # of one Kodak image


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
        mine, by_latents, by_matrices = context.with_gradients(latents, matrices[:4], quick=not exact)
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

    pixels = trial.images[trial.first]
    height, width = pixels.shape[:2]
    shape = _pyramid(width, height, 2 if trial.is_dry else 7)
    n_before, n_timed = (0, 1) if trial.is_dry else (40, 100)
    for n_images in (1,) if trial.is_dry else (1, BATCH):
        words = f"{n_images} of {width}x{height}"
        fits = FusedFits(
            [pixels] * n_images,
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
        most = None if trial.is_dry else MOST_MS_A_STEP
        yield Row("steps", f"{words}: ms a step and image", milliseconds / n_images, most)
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
    for event in sorted(events, key=lambda event: -event.device_time_total)[:N_HEAVIEST]:
        name, of_step = event.key.split("(")[0][:60], event.device_time_total / 1000 / n_steps
        yield Row("steps", f"{words}: of that in `{name}`", of_step)

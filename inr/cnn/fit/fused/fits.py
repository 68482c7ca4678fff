"""Images of one size → fitted, rounded networks, on a graphics card."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.finish import rounded_network
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.fit.common.weights import NetworkWeights
from inr.cnn.fit.compiled.choice import losses_of
from inr.cnn.fit.fused.moving import move_together
from inr.cnn.fit.fused.settling import settle_together
from inr.cnn.fit.fused.trainer import FusedFits
from inr.cnn.network import CnnNetwork
from inr.fit.process import threads_available
from inr.fit.requests import FitReport, Fitted
from inr.fit.steering import Aim

OnStep = Callable[[Mapping[int, FitReport]], bool]


def fit_together(
    images: Sequence[NDArray[np.uint8]],
    architecture: LatentPyramid,
    settings: PyramidSettings,
    *,
    rd_lambdas: Sequence[float],
    seeds: Sequence[int],
    device: str,
    goes_on: OnStep,
    visible: Sequence[NDArray[np.bool_] | None] | None = None,
    aims: Sequence[Aim | None] | None = None,
    begins: Sequence[CnnNetwork | None] | None = None,
    exact: bool = False,
) -> list[Fitted] | None:
    """Fit latent pyramids to images of one size in step.

    Args:
        images: uint8 [height, width, channels] each.
        architecture: The architecture of each image's network.
        settings: Length and rates.
        rd_lambdas: λ of Eq. 5 of each image, for pixels in [0, 1] and bits per pixel.
        seeds: Seed of each image's noise.
        device: "cuda", or "cpu" where Triton interprets its kernels.
        goes_on: Takes the reports of all images every so many steps; its answer decides whether they go on.
        visible: For each image, see `FitRequest`.
        aims: For each image, see `FitRequest`.
        begins: For each image, see `FitRequest`.
        exact: Multiply in float32 throughout.

    Returns:
        A result for each image, as `fit_pyramid` gives it; None if the fits were not to go on.
    """
    fits = FusedFits(
        images,
        architecture,
        settings,
        rd_lambdas=rd_lambdas,
        seeds=seeds,
        device=torch.device(device),
        visible=visible,
        aims=aims,
        begins=begins,
        exact=exact,
    )
    return fitted(fits, goes_on)


def fitted(fits: FusedFits, goes_on: OnStep) -> list[Fitted] | None:
    """Take fits through all of their stretches; see `fit_together`."""

    def on_report(step: int) -> bool:
        bits, errors = fits.bits.tolist(), fits.mse.tolist()
        n_pixels, n_steps = fits.architecture.width * fits.architecture.height, fits.settings.n_steps
        reports = {
            n: FitReport(step, n_steps, bits[n] / n_pixels, -10 * math.log10(max(errors[n], 1e-10)))
            for n in range(fits.n_images)
        }
        return goes_on(reports)

    if not fits.together(on_report):
        return None
    fits.round_latents()
    exponents = _choose_exponents(fits)
    fits.factors.copy_(torch.tensor([[2.0**k if k else 0.0 for k in mine] for mine in exponents]))
    if not fits.networks_alone(on_report):
        return None
    weights = _weights(fits)
    if not settle_together(fits, exponents, weights, on_report):
        return None
    return _finished(fits, exponents, weights) if move_together(fits, exponents, weights, on_report) else None


def _weights(fits: FusedFits) -> list[NetworkWeights]:
    """The weights of each image, on the host."""
    shapes = list(fits.architecture.matrices.values())
    found = []
    for flat in fits.weights.cpu():
        weights = NetworkWeights(fits.architecture)
        parts = torch.split(flat, [math.prod(shape) for shape in shapes])
        weights.matrices = [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
        found.append(weights)
    return found


def _choose_exponents(fits: FusedFits) -> list[list[int]]:
    """For each image, the exponent of each matrix that costs least, the others left as they are."""
    weights = _weights(fits)
    found: list[list[int]] = [[] for _ in weights]
    for number, name in enumerate(fits.architecture.matrices):
        exponents = range(fits.architecture.exponent(name) + 1)
        costs = fits.costs_of_exponents(number, exponents).nan_to_num(math.inf).cpu()
        for mine, its, cost in zip(found, weights, costs.T, strict=True):
            order = torch.argsort(cost, stable=True).tolist()
            fitting = (k for k in order if its.fits(number, its.symbols(number, k).round(), k))
            mine.append(next(fitting, 0))
    return found


def _finished(
    fits: FusedFits, exponents: Sequence[Sequence[int]], weights: Sequence[NetworkWeights]
) -> list[Fitted]:
    latents, n_threads = fits.latents.cpu(), threads_available()

    def finished(n: int) -> Fitted:
        network = rounded_network(fits.architecture, latents[n], weights[n], exponents[n], losses)
        return replace(network, rd_lambda=fits.lambdas.steerings[n].rd_lambda)

    with losses_of(fits.architecture) as losses, ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(finished, range(fits.n_images)))

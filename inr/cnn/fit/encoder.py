"""Family `cnn`: an image → a fitted, rounded network with its side information."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inr.cnn.architecture import MIN_EXPONENT, LatentPyramid
from inr.cnn.fit.presets import choose_pyramid, choose_settings
from inr.cnn.fit.trainer import fit_pyramid, mean_index
from inr.cnn.network import CnnNetwork, MatrixCoding
from inr.errors import InrError
from inr.fit.requests import FitRequest, Fitted, GoesOn, OnReports, one_by_one
from inr.metrics import mse

_SMALL_PIXELS = 1 << 12  # below, the weights may cost more than they gain
_COLOUR_EXPONENT = 10  # fine enough for every level of 255


def fit_cnn(requests: Sequence[FitRequest], *, device: str, on_reports: OnReports) -> list[Fitted | InrError]:
    """Fit a latent pyramid to each request's image; see `encoder.Fitter.fit`."""
    return one_by_one(_fit_one, requests, device=device, on_reports=on_reports)


def _fit_one(request: FitRequest, device: str, goes_on: GoesOn) -> Fitted | None:
    pixels, rd_lambda = request.pixels, request.rd_lambda
    fitted = fit_pyramid(
        pixels,
        choose_pyramid(pixels, rd_lambda),
        choose_settings(request.preset, request.n_steps),
        rd_lambda=rd_lambda,
        seed=request.seed,
        device=device,
        goes_on=goes_on,
    )
    small = pixels.shape[0] * pixels.shape[1] < _SMALL_PIXELS
    if fitted is None or not small or not math.isfinite(fitted.estimated_bits):
        return fitted
    flat = Fitted(one_colour_cnn(pixels, rd_lambda), 0.0)
    return min((fitted, flat), key=lambda found: _cost(found, pixels, rd_lambda))


def _cost(fitted: Fitted, pixels: NDArray[np.uint8], rd_lambda: float) -> float:
    """MSE + λ · bpp."""
    height, width, _ = pixels.shape
    distortion = mse(reference=pixels, decoded=fitted.network.render())
    cost: float = distortion + rd_lambda * fitted.estimated_bits / (height * width)
    return cost


def one_colour_cnn(pixels: NDArray[np.uint8], rd_lambda: float) -> CnnNetwork:
    """The network of an image's mean colour, whatever λ: nothing but the output's constants."""
    height, width, channels = pixels.shape
    shape = LatentPyramid(
        channels=channels,
        width=width,
        height=height,
        n_levels=1,
        context_neurons=2,
        synthesis_neurons=2,
        n_residuals=0,
    )
    matrices = [np.zeros(size, dtype=np.int32) for size in shape.matrices.values()]
    matrices[-1][:, -1] = np.rint(pixels.mean((0, 1)) / 255 * 2**_COLOUR_EXPONENT)
    exponents = [MIN_EXPONENT] * (len(matrices) - 1) + [_COLOUR_EXPONENT]
    codings = [
        MatrixCoding(exponent, mean_index(matrix))
        for matrix, exponent in zip(matrices, exponents, strict=True)
    ]
    latents = np.zeros((height, width), dtype=np.int16)
    return CnnNetwork(shape=shape, matrices=matrices, codings=codings, levels=[latents], reaches=[0])

"""Family `cnn`: an image → a fitted, rounded network with its side information."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inr.cnn.architecture import MIN_EXPONENT, LatentPyramid, level_coding, matrix_coding
from inr.cnn.fit.trainer import PyramidSettings, fit_pyramid, mean_index
from inr.cnn.prior import N_GAINS, NO_GAIN, priors
from inr.decoder import Network, render
from inr.metrics import mse

_SETTINGS = {
    "draft": PyramidSettings(1000),
    "standard": PyramidSettings(5000),
    "best": PyramidSettings(20000),
}
_SMALL_PIXELS = 1 << 12  # below, the weights may cost more than they gain
_COLOUR_EXPONENT = 10  # fine enough for every level of 255


def fit_cnn(
    pixels: NDArray[np.uint8],
    preset: str,
    *,
    rd_lambda: float,
    seed: int,
    device: str,
    report: Callable[[int, int, float, float], None],
) -> tuple[Network, float]:
    """Fit a latent pyramid to an image; arguments and result as those of `mlp_encoder.fit_mlp`."""
    architecture, settings = choose_pyramid(pixels, rd_lambda), _SETTINGS[preset]
    network, bits = fit_pyramid(
        pixels,
        architecture,
        settings,
        rd_lambda=rd_lambda,
        seed=seed,
        device=device,
        report=lambda step, rate, psnr: report(step, settings.n_steps, rate, psnr),
    )
    if pixels.shape[0] * pixels.shape[1] < _SMALL_PIXELS and math.isfinite(bits):
        plain = one_colour_cnn(pixels, rd_lambda)
        if _cost(plain, 0.0, pixels, rd_lambda) < _cost(network, bits, pixels, rd_lambda):
            return plain, 0.0
    return network, bits


def _cost(network: Network, bits: float, pixels: NDArray[np.uint8], rd_lambda: float) -> float:
    """MSE + λ · bpp."""
    height, width, _ = pixels.shape
    decoded = render(network, width=width, height=height)
    distortion: float = mse(reference=pixels, decoded=decoded)
    cost: float = distortion + rd_lambda * bits / (height * width)
    return cost


def one_colour_cnn(pixels: NDArray[np.uint8], rd_lambda: float) -> Network:
    """The network of an image's mean colour, whatever λ: nothing but the output's constants."""
    height, width, channels = pixels.shape
    architecture = LatentPyramid(channels, width, height, 1, 2, 2, 0)
    matrices = [np.zeros(shape, dtype=np.int32) for shape in architecture.matrices.values()]
    matrices[-1][:, -1] = np.rint(pixels.mean((0, 1)) / 255 * 2**_COLOUR_EXPONENT)
    exponents = [MIN_EXPONENT] * (len(matrices) - 1) + [_COLOUR_EXPONENT]
    codings = [
        matrix_coding(exponent, mean_index(matrix))
        for matrix, exponent in zip(matrices, exponents, strict=True)
    ]
    latents = np.zeros((height, width), dtype=np.int16)
    return Network(architecture, [*matrices, latents], [*codings, level_coding(0)])


def choose_pyramid(pixels: NDArray[np.uint8], rd_lambda: float) -> LatentPyramid:
    """The network for an image: that of the prior for its channels, scaled for λ."""
    height, width, channels = pixels.shape
    known = next(known for known in priors() if known.channels in (channels, channels - 1))
    n_levels = min(known.n_levels, max(1, min(height, width).bit_length() - 1))
    # Latents are in units of a step that goes with the root of λ.
    gain = round(NO_GAIN + 2 * math.log2(rd_lambda / known.rd_lambda))
    gain = min(max(gain, 0), N_GAINS - 1)
    number = 1 + priors().index(known)
    return LatentPyramid(channels, width, height, n_levels, *known.widths, number, gain)

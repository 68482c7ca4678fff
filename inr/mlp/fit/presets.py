"""Family `mlp`: size of the network and length of the fit (measured in benchmarks/results/fit_choices.md)."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inr.mlp.architecture import CoordinateMLP
from inr.mlp.fit.trainer import FitSettings

PRESET_STEPS = {"draft": 1500, "standard": 20000, "best": 60000}
LEAST_STEPS = 400  # with fewer, a JPEG is better by far
_DEPTH = 6
_SPACING = 2  # half octaves
_MAX_FREQUENCIES = 25
_BLOCK = 8
_SQUARED_NEURONS_PER_NAT = 0.0128  # of `complexity`, summed over pixels
_MIN_NEURONS, _MAX_NEURONS = 8, 256


def complexity(pixels: NDArray[np.uint8], rd_lambda: float) -> float:
    """Nats that detail costs a pixel at a given λ: the mean over 8 x 8 blocks of ln(1 + variance / λ).

    The rate of a Gaussian source of that variance, at a distortion near λ, up to a factor; what
    matters is that the bits of a good fit are close to proportional to it, over images and λ alike.

    Args:
        pixels: uint8 [height, width, channels].
        rd_lambda: λ of Eq. 5, for pixels in [0, 1].
    """
    height, width, channels = pixels.shape
    pad = ((0, -height % _BLOCK), (0, -width % _BLOCK), (0, 0))
    tiled = np.pad(pixels, pad, mode="edge").astype(np.float32) / 255
    blocks = tiled.reshape(tiled.shape[0] // _BLOCK, _BLOCK, tiled.shape[1] // _BLOCK, _BLOCK, channels)
    variances = blocks.var(axis=(1, 3)).mean(axis=-1)
    return float(np.log1p(variances / rd_lambda).mean())


def choose_architecture(pixels: NDArray[np.uint8], rd_lambda: float) -> CoordinateMLP:
    """The network for an image at a λ: as many weights as its complexity asks for, in six layers.

    Frequencies go in half octaves up to the Nyquist frequency of the longer side.

    Args:
        pixels: uint8 [height, width, channels].
        rd_lambda: λ of Eq. 5, for pixels in [0, 1].
    """
    height, width, channels = pixels.shape
    squared = _SQUARED_NEURONS_PER_NAT * height * width * complexity(pixels, rd_lambda)
    neurons = 8 * round(math.sqrt(squared) / 8)
    return CoordinateMLP(
        channels=channels,
        n_neurons=min(max(neurons, _MIN_NEURONS), _MAX_NEURONS),
        depth=_DEPTH,
        n_frequencies=min((max(height, width) ** 2).bit_length(), _MAX_FREQUENCIES),
        spacing=_SPACING,
    )


def choose_settings(preset: str, n_steps: int | None = None, report_steps: int | None = None) -> FitSettings:
    """Length and rates of a fit.

    Args:
        preset: One of `config.PRESETS`.
        n_steps: Steps in place of the preset's, if given.
        report_steps: Steps between two reports in place of the usual ones, if given.
    """
    usual = FitSettings(n_steps=PRESET_STEPS[preset] if n_steps is None else n_steps)
    return usual if report_steps is None else replace(usual, report_steps=report_steps)

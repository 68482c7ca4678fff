"""Family `cnn`: size of the network and length of the fit (measured in benchmarks/results/cnn_choices.md)."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.prior import N_GAINS, NO_GAIN, priors

PRESET_STEPS = {"draft": 1000, "standard": 5000, "best": 20000}
LEAST_STEPS = 50  # with fewer, a JPEG is better by far
SKIPPED = 0.7  # share of the steps that a fit leaves out which goes on from another
TIME_AFTER_STEPS = 0.1  # of moves of symbols and latents, as a share of the steps' time


def _most_levels(n_pixels: int) -> int:
    """Levels that an image of so many pixels has a use for."""
    return 7 if n_pixels < 1 << 20 else 8 if n_pixels < 3 << 20 else 9


def choose_pyramid(pixels: NDArray[np.uint8], rd_lambda: float) -> LatentPyramid:
    """The network for an image: that of the prior for its channels whose λ is nearest, scaled for λ.

    Args:
        pixels: uint8 [height, width, channels].
        rd_lambda: λ of Eq. 5, for pixels in [0, 1].
    """
    height, width, channels = pixels.shape
    mine = [known for known in priors() if known.channels in (channels, channels - 1)]
    known = min(mine, key=lambda known: abs(math.log(rd_lambda / known.rd_lambda)))
    # Latents are in units of a step that goes with the root of λ.
    gain = round(NO_GAIN + 2 * math.log2(rd_lambda / known.rd_lambda))
    return LatentPyramid(
        channels=channels,
        width=width,
        height=height,
        n_levels=min(
            _most_levels(height * width), max(1, min(height, width).bit_length() - 1), known.n_levels
        ),
        prior=known,
        gain=min(max(gain, 0), N_GAINS - 1),
    )


def choose_settings(
    preset: str, n_steps: int | None = None, report_steps: int | None = None, *, goes_on: bool = False
) -> PyramidSettings:
    """Length and rates of a fit.

    Args:
        preset: One of `config.PRESETS`.
        n_steps: Steps in place of the preset's, if given.
        report_steps: Steps between two reports in place of the usual ones, if given.
        goes_on: Whether the fit goes on from another one.
    """
    usual = PyramidSettings(
        n_steps=PRESET_STEPS[preset] if n_steps is None else n_steps, skipped=SKIPPED if goes_on else 0.0
    )
    return usual if report_steps is None else replace(usual, report_steps=report_steps)

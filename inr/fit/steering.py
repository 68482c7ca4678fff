"""λ while a fit is on its way: it moves so that the fit ends at a quality or at a size.

Now and then the rounded state is looked at. What it lacks to its aim, beyond what fits at that stage lack
anyway, says by how much log λ moves. Near the end λ stands still, so that the fit settles at it.
"""

import math
from dataclasses import dataclass

import numpy as np

from inr.search import DB_PER_LOG_LAMBDA, LOG_BPP_PER_LOG_LAMBDA, clamped

FIRST, LAST = 0.05, 0.92  # looks are taken from that progress on, and up to this
_LOOK_SHARE, _LEAST_LOOK_STEPS = 0.04, 5  # steps between two looks: a share of all of them, at least so many
_GAIN, _MOST = 0.35, 0.4  # of what is wanted, how much one look moves log λ, and by how much at most
# What the rounded state is short of, by progress, as fits of 1000 steps had it.
_PROGRESS = (0.04, 0.12, 0.2, 0.27, 0.35, 0.43, 0.51, 0.59, 0.67, 0.9)
_SHORT_DB = (2.0, 0.94, 0.5, 0.32, 0.24, 0.18, 0.1, 0.07, 0.05, 0.0)
_MORE_LOG_BITS = (0.8, 0.6, 0.4, 0.33, 0.28, 0.24, 0.2, 0.17, 0.14, 0.07)


@dataclass(frozen=True)
class Aim:
    """Where a fit is to end: at one of both.

    Attributes:
        mse: Mean squared error of its samples, in [0, 1], not rounded to those of a file.
        bits: Bits of its network's sections in the file.
    """

    mse: float | None = None
    bits: float | None = None

    def log_change(self, mse: float, bits: float) -> float:
        """By how much log λ of a fit would have to change that ended at this error, and at so many bits."""
        if self.mse is not None:
            return 10 * math.log10(max(mse, 1e-10) / self.mse) / DB_PER_LOG_LAMBDA
        assert self.bits is not None  # an aim holds exactly one of both
        return math.log(self.bits / max(bits, 1e-3)) / LOG_BPP_PER_LOG_LAMBDA


class Steering:
    """The λ of one fit.

    Args:
        rd_lambda: λ to begin with.
        aim: Where the fit is to end; None leaves λ as it is.

    Attributes:
        rd_lambda: λ as it is now.
        aim: The aim.
    """

    def __init__(self, rd_lambda: float, aim: Aim | None) -> None:
        self.rd_lambda, self.aim = rd_lambda, aim

    def look(self, progress: float, mse: float, bits: float) -> None:
        """Move λ by what the rounded state is like, `progress` of the way through the steps."""
        if self.aim is None or not (math.isfinite(mse) and math.isfinite(bits)):
            return
        short_db = float(np.interp(progress, _PROGRESS, _SHORT_DB))
        more = float(np.interp(progress, _PROGRESS, _MORE_LOG_BITS))
        wanted = self.aim.log_change(mse * 10 ** (-short_db / 10), bits * math.exp(-more))
        self.rd_lambda = clamped(self.rd_lambda * math.exp(min(max(_GAIN * wanted, -_MOST), _MOST)))


def is_look(index: int, n_steps: int) -> bool:
    """Whether a steered fit of so many steps looks at its rounded state after step `index`."""
    between = max(_LEAST_LOOK_STEPS, round(_LOOK_SHARE * n_steps))
    return FIRST <= (index + 1) / n_steps <= LAST and (index + 1) % between == 0

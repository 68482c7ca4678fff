"""λ while a fit is on its way: it moves so that the fit ends at a quality or at a size.

Now and then the rounded state is looked at. What it lacks to its aim, beyond what states of that progress
lack anyway, says which λ the fit needs. Looks that come early say little, and are trusted little: what is
thought of λ, and each look, has a doubt, and both are weighed by it. The later λ changes, the less of it the
end heeds, so the change is larger then. At last λ stands still, and the fit settles at it.
"""

import math
from dataclasses import dataclass

import numpy as np

from inr.search import DB_PER_LOG_LAMBDA, LOG_BPP_PER_LOG_LAMBDA, clamped

FIRST, LAST = 0.05, 0.92  # looks are taken from that progress on, and up to this
_LOOK_SHARE, _LEAST_LOOK_STEPS = 0.04, 5  # steps between two looks: a share of all of them, at least so many
# What the rounded state differs by from the end, at some progress, as fits at λ = 0.001 had it: dB that it is
# short of, log of the latents' bits, and bits of the networks beyond those at the end, as a share of these.
# The first goes with λ to the power of -1/2, the last with λ to the power of 1/2.
_USUAL_LAMBDA = 1e-3
_PROGRESS = (0.08, 0.16, 0.24, 0.32, 0.4, 0.48, 0.56, 0.64, 0.72, 0.8, 0.88)
_SHORT_DB = (2.1, 0.9, 0.6, 0.44, 0.32, 0.28, 0.2, 0.12, 0.08, 0.04, 0.02)
_MORE_LOG_BITS = (0.3, 0.25, 0.2, 0.15, 0.12, 0.08, 0.06, 0.045, 0.03, 0.02, 0.01)
_MORE_OF_NETWORKS = (3.0, 2.4, 2.1, 1.9, 1.7, 1.5, 1.2, 0.97, 0.77, 0.63, 0.53)
_FIRST_DOUBT = 0.25  # of log λ at first, a standard deviation, as of all doubts
_DOUBT_OF_SHORT, _LEAST_DOUBT = 0.4, 0.05  # of what a look says: a share of what the tables add, and no less
_DRIFT = 0.03  # of log λ between two looks
_DEAFNESS = 0.9  # of a fit: at progress p, the end heeds a change of λ less by this times p
_LAG = 0.08  # progress in which the state comes to heed it
_MOST = 0.3  # by which one look moves log λ


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
        self._needed = math.log(rd_lambda)  # log λ with which a fit is thought to end at the aim
        self._heeded = self._felt = self._needed  # log λ that the end, and the present state, are those of
        self._doubt, self._progress = _FIRST_DOUBT, 0.0

    def look(self, progress: float, mse: float, latent_bits: float, network_bits: float) -> None:
        """Move λ by what the rounded state is like.

        Args:
            progress: Share of all steps that are done.
            mse: Mean squared error.
            latent_bits: Bits of the latents.
            network_bits: Bits of the networks before they have steps of their own.
        """
        if self.aim is None or not all(map(math.isfinite, (mse, latent_bits, network_bits))):
            return
        self._felt += (1 - math.exp(-(progress - self._progress) / _LAG)) * (self._heeded - self._felt)
        self._progress = progress
        now = self.aim.log_change(mse, latent_bits + network_bits)
        wanted = self.aim.log_change(*self._end(mse, latent_bits, network_bits))
        doubt = _LEAST_DOUBT + _DOUBT_OF_SHORT * abs(wanted - now)
        gain = self._doubt**2 / (self._doubt**2 + doubt**2)
        self._needed += gain * (self._felt + wanted - self._needed)
        self._doubt = math.sqrt((1 - gain) * self._doubt**2 + _DRIFT**2)
        heed, before = 1 - _DEAFNESS * progress, self.rd_lambda
        change = min(max((self._needed - self._heeded) / heed, -_MOST), _MOST)
        self.rd_lambda = clamped(before * math.exp(change))
        self._heeded += heed * math.log(self.rd_lambda / before)

    def _end(self, mse: float, latent_bits: float, network_bits: float) -> tuple[float, float]:
        """Error and bits at the end of a fit whose state is that now."""
        tables = (_SHORT_DB, _MORE_LOG_BITS, _MORE_OF_NETWORKS)
        short_db, more, of_networks = (float(np.interp(self._progress, _PROGRESS, each)) for each in tables)
        root = math.exp(self._felt / 2) / math.sqrt(_USUAL_LAMBDA)
        bits = latent_bits * math.exp(-more) + network_bits / (1 + of_networks * root)
        return mse * 10 ** (-short_db / root / 10), bits


def is_look(index: int, n_steps: int) -> bool:
    """Whether a steered fit of so many steps looks at its rounded state after step `index`."""
    between = max(_LEAST_LOOK_STEPS, round(_LOOK_SHARE * n_steps))
    return FIRST <= (index + 1) / n_steps <= LAST and (index + 1) % between == 0

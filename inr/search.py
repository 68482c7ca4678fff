"""From a goal to λ.

A goal other than λ is met by a short search over it: log bpp and PSNR are close to linear in log λ,
so the secant through the last two fits leads there in two or three, and at most MAX_FITS are made.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from inr.config import CodecConfig

MAX_FITS = 4
PSNR_TOLERANCE_DB = 0.1
BPP_TOLERANCE = 0.03  # relative
_MIN_LAMBDA, _MAX_LAMBDA = 1e-5, 1.0
_TYPICAL_PSNR = (30.0, 0.002, -2.6)  # dB, at this λ, dB per factor e of λ: where a search starts
_TYPICAL_BPP = (0.3, 0.002, -0.55)  # bpp, at this λ, exponent of λ


@dataclass(frozen=True)
class Attempt:
    """One fit of a search for a target, measured on its file."""

    rd_lambda: float
    rate_bpp: float
    psnr_db: float
    n_bytes: int


class _Measured(Protocol):
    @property
    def attempt(self) -> Attempt: ...


_Candidate = TypeVar("_Candidate", bound=_Measured)


def reach_goal(
    config: CodecConfig, candidate: Callable[[float], _Candidate]
) -> tuple[_Candidate, list[Attempt]]:
    """The candidate that meets a config's goal, or comes nearest to it, and all attempts made on the way.

    Args:
        config: Whose goal.
        candidate: Fits and codes at a λ.
    """
    if config.target_psnr_db is not None:
        psnr_target = config.target_psnr_db
        psnr, rd_lambda, slope = _TYPICAL_PSNR
        first = rd_lambda * math.exp((psnr_target - psnr) / slope)
        return _search(
            candidate, first, lambda a: min(a.psnr_db, 99.0) - psnr_target, slope, PSNR_TOLERANCE_DB
        )
    if config.target_bpp is not None:
        bpp_target = config.target_bpp
        rate, rd_lambda, exponent = _TYPICAL_BPP
        first = rd_lambda * (bpp_target / rate) ** (1 / exponent)
        return _search(
            candidate, first, lambda a: math.log(bpp_target / a.rate_bpp), -exponent, BPP_TOLERANCE
        )
    assert config.rd_lambda is not None  # CodecConfig holds exactly one goal
    only = candidate(config.rd_lambda)
    return only, [only.attempt]


def _clamp_lambda(rd_lambda: float) -> float:
    return min(max(rd_lambda, _MIN_LAMBDA), _MAX_LAMBDA)


def _search(
    candidate: Callable[[float], _Candidate],
    first_lambda: float,
    miss: Callable[[Attempt], float],
    typical_slope: float,
    tolerance: float,
) -> tuple[_Candidate, list[Attempt]]:
    """Search λ for the smallest miss >= 0, or the least negative one if none is reached.

    Args:
        candidate: Fits and codes at a λ.
        first_lambda: Where to begin.
        miss: How far beyond its target an attempt is: >= 0 fulfils it, and less is better.
        typical_slope: Typical change of the miss with log λ.
        tolerance: A miss within [0, tolerance] ends the search.
    """
    tried: list[tuple[float, float, _Candidate]] = []  # log λ, miss, candidate
    log_lambda, slope = math.log(_clamp_lambda(first_lambda)), typical_slope
    while True:
        found = candidate(math.exp(log_lambda))
        tried.append((log_lambda, miss(found.attempt), found))
        if len(tried) > 1:
            secant = (tried[-1][1] - tried[-2][1]) / (tried[-1][0] - tried[-2][0])
            # Fits scatter: bound its pull.
            slope = typical_slope * min(max(secant / typical_slope, 1 / 3), 3.0)
        following = math.log(_clamp_lambda(math.exp(log_lambda - (tried[-1][1] - tolerance / 2) / slope)))
        done = 0 <= tried[-1][1] <= tolerance or len(tried) == MAX_FITS
        if done or any(abs(following - before[0]) < 1e-6 for before in tried):
            break
        log_lambda = following
    best = min(tried, key=lambda entry: (entry[1] < 0, abs(entry[1])))
    return best[2], [entry[2].attempt for entry in tried]

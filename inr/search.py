"""From a goal to λ: one generator for every goal, which asks for fits and receives what each measured.

λ itself takes one fit. So does a target PSNR or rate, as a rule, where the fits of a family steer: λ moves
while they are on their way (fit/steering.py). Where a fit misses its target all the same, others follow: log
bpp and PSNR are close to linear in log λ, so the secant through the last two leads nearer. A fit that steers
goes on from the one before where that missed by little (fit/encoding.py). At most MAX_FITS are made. A
contract, at least a PSNR, is met by further fits with a smaller λ. Since a search is a generator, one driver
advances the searches of many images in step.
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass

from inr.config import MAX_LAMBDA, MIN_LAMBDA, CodecConfig, Contract
from inr.errors import EncodeError

MAX_FITS = 4
PSNR_TOLERANCE_DB = 0.1
BPP_TOLERANCE = 0.02  # relative
_TYPICAL_LAMBDA = 0.002  # of a photograph that has the two values below
_TYPICAL_PSNR_DB, DB_PER_LOG_LAMBDA = 30.0, -2.6
_TYPICAL_BPP, LOG_BPP_PER_LOG_LAMBDA = 0.3, -0.55
_SPARE_DB = 0.2  # fits scatter: a refit for a contract aims that much higher


@dataclass(frozen=True)
class Attempt:
    """One fit of a search, measured on its file.

    Attributes:
        rd_lambda: Its λ, or the one that its steps ended with if it steers.
        rate_bpp: 8 · bytes of the file / (width · height).
        psnr_db: PSNR of the decoded image against the original, in dB; infinite if they are equal.
        n_bytes: Size of the file.
    """

    rd_lambda: float
    rate_bpp: float
    psnr_db: float
    n_bytes: int


@dataclass(frozen=True)
class Progress:
    """A report of one fit on its way, with its place among the fits of its image.

    Attributes:
        attempt: Number of the fit of this image, from 1: searches and restarts run several.
        step: Steps done in this fit, counted with those that it leaves out where it goes on from another.
        n_steps: Steps in all, counted likewise.
        rd_lambda: Its λ, or the one that it began with if it steers.
        estimated_bpp: Bits per pixel that the rounded weights would take.
        psnr_db: PSNR of the rounded weights on the last batch, in dB.
    """

    attempt: int
    step: int
    n_steps: int
    rd_lambda: float
    estimated_bpp: float
    psnr_db: float


@dataclass(frozen=True)
class Asked:
    """A fit that a search asks for.

    Attributes:
        rd_lambda: Its λ, or the one that a fit which steers begins with.
        is_refit: True if the goal is reached, and the fit is made for the contract.
        beyond: By how much a fit that steers is to go beyond the target: dB, or log bpp below it. None where
            λ is the goal, and for a contract.
    """

    rd_lambda: float
    is_refit: bool = False
    beyond: float | None = None


@dataclass(frozen=True)
class Reached:
    """The end of a search.

    Attributes:
        best: Place, among the attempts, of the one that counts.
        meets_contract: True if that attempt meets the contract, or there is none.
    """

    best: int
    meets_contract: bool


class ContractMissed(EncodeError):
    """No fit reached the least PSNR that was asked for.

    Attributes:
        attempts: Every fit that was coded, in order.
        restarts: Fits that collapsed and were begun again with another seed.
        n_refits: Attempts that were made for the contract after the goal was reached.
        device: The device of the fits, "cpu" or "cuda".
        history: Every report of every fit.
    """

    def __init__(
        self,
        contract: Contract,
        attempts: tuple[Attempt, ...],
        restarts: int,
        n_refits: int,
        device: str,
        history: tuple[Progress, ...],
    ) -> None:
        """Keep what the fits took."""
        super().__init__(contract, attempts, restarts, n_refits, device, history)
        self.contract, self.attempts, self.restarts = contract, attempts, restarts
        self.n_refits, self.device, self.history = n_refits, device, history

    def __str__(self) -> str:
        if not self.attempts:
            reached = "no fit succeeded"
        else:
            best = max(attempt.psnr_db for attempt in self.attempts)
            which = "the only fit" if len(self.attempts) == 1 else f"the best of {len(self.attempts)} fits"
            reached = f"{which} has {best:.2f} dB"
        return f"{reached}, below the contract of {self.contract.min_psnr_db:g} dB"


Search = Generator[Asked, Attempt, Reached]


def first_lambda(config: CodecConfig) -> float:
    """The λ that is given; for a target, the one at which a typical photograph meets it."""
    if config.target_psnr_db is not None:
        distance = (config.target_psnr_db - _TYPICAL_PSNR_DB) / DB_PER_LOG_LAMBDA
        return clamped(_TYPICAL_LAMBDA * math.exp(distance))
    if config.target_bpp is not None:
        ratio = config.target_bpp / _TYPICAL_BPP
        return clamped(float(_TYPICAL_LAMBDA * ratio ** (1 / LOG_BPP_PER_LOG_LAMBDA)))
    assert config.rd_lambda is not None  # CodecConfig holds exactly one goal
    return config.rd_lambda


def search(config: CodecConfig, contract: Contract | None, begin: float) -> Search:
    """Ask for each fit; receive the attempt that it made; return which attempt counts.

    Args:
        config: Holds the goal.
        contract: At least this PSNR, by fits with a smaller λ, as many as it allows; None without one.
        begin: λ of the first fit.
    """
    attempts: list[Attempt] = []
    best = yield from _reach_goal(config, begin, attempts)
    n_refits = 0
    while contract is not None and attempts[best].psnr_db < contract.min_psnr_db:
        rd_lambda = _refit_lambda(contract, attempts[best])
        if n_refits == contract.max_refits or rd_lambda >= attempts[best].rd_lambda:
            return Reached(best, meets_contract=False)
        attempts.append((yield Asked(rd_lambda, is_refit=True)))
        best, n_refits = len(attempts) - 1, n_refits + 1
    return Reached(best, meets_contract=True)


def _reach_goal(config: CodecConfig, begin: float, attempts: list[Attempt]) -> Generator[Asked, Attempt, int]:
    """Add attempts until the goal is met or no more are allowed; return the place of the nearest."""
    if config.target_psnr_db is not None:
        psnr_target = config.target_psnr_db

        def beyond_psnr(attempt: Attempt) -> float:
            return min(attempt.psnr_db, 99.0) - psnr_target

        return (yield from _secant(begin, beyond_psnr, DB_PER_LOG_LAMBDA, PSNR_TOLERANCE_DB, attempts))
    if config.target_bpp is not None:
        bpp_target = config.target_bpp

        def below_bpp(attempt: Attempt) -> float:
            return math.log(bpp_target / attempt.rate_bpp)

        return (yield from _secant(begin, below_bpp, -LOG_BPP_PER_LOG_LAMBDA, BPP_TOLERANCE, attempts))
    attempts.append((yield Asked(begin)))
    return 0


def _secant(
    begin: float,
    miss: Callable[[Attempt], float],
    typical_slope: float,
    tolerance: float,
    attempts: list[Attempt],
) -> Generator[Asked, Attempt, int]:
    """Search λ for the smallest miss >= 0, or the least negative one if none is reached.

    Args:
        begin: λ to begin with.
        miss: Distance of an attempt beyond its target: >= 0 fulfils it, and less is better.
        typical_slope: Typical change of the miss with log λ.
        tolerance: A miss within [0, tolerance] ends the search.
        attempts: Receives every attempt.
    """
    tried: list[tuple[float, float]] = []  # log λ, miss
    log_lambda, slope, beyond = math.log(begin), typical_slope, tolerance / 2
    while True:
        attempts.append((yield Asked(math.exp(log_lambda), beyond=beyond)))
        log_lambda, missed = math.log(attempts[-1].rd_lambda), miss(attempts[-1])
        tried.append((log_lambda, missed))
        if len(tried) > 1 and abs(log_lambda - tried[-2][0]) > 1e-6:
            measured = (missed - tried[-2][1]) / (log_lambda - tried[-2][0])
            # Fits scatter: bound its pull.
            slope = typical_slope * min(max(measured / typical_slope, 1 / 3), 3.0)
        following = math.log(clamped(math.exp(log_lambda - (missed - tolerance / 2) / slope)))
        done = 0 <= missed <= tolerance or len(tried) == MAX_FITS
        if done or any(abs(following - before) < 1e-6 for before, _ in tried):
            break
        log_lambda, beyond = following, beyond - (missed - tolerance / 2)
    return min(range(len(tried)), key=lambda n: (tried[n][1] < 0, abs(tried[n][1])))


def _refit_lambda(contract: Contract, missed: Attempt) -> float:
    """A smaller λ, from how much PSNR the last attempt lacks."""
    missing_db = contract.min_psnr_db + _SPARE_DB - missed.psnr_db
    return max(MIN_LAMBDA, missed.rd_lambda * min(0.5, math.exp(missing_db / DB_PER_LOG_LAMBDA)))


def clamped(rd_lambda: float) -> float:
    """The allowed λ that is nearest."""
    return min(max(rd_lambda, MIN_LAMBDA), MAX_LAMBDA)

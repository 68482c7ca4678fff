"""One image's encoding, fit by fit: the search asks for a λ, a fit answers, its file is measured.

A fit that collapses is begun again once, with another seed. Where no fit is better than the file of the mean
colour alone, which needs no network, that file is what the search receives, and so it is where a fit ends in
no numbers. What counts in the end is decoded again and compared; where that takes more work than decoders
allow a file of its size, the file of the mean colour stands in.
"""

import math
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import MAX_PIXELS, MAX_SIDE, Metadata, check_metadata
from inr.config import CodecConfig, Contract
from inr.decoder import decode
from inr.errors import ConfigError, FitDiverged, InrError, SelfCheckFailed, TooMuchWork
from inr.fit.aims import aim_of, begin_lambda
from inr.fit.candidates import Candidate, Subject
from inr.fit.requests import FitReport, FitRequest, Fitted, Fitter
from inr.network import Network, digest_pixels, digest_symbols
from inr.search import Attempt, ContractMissed, Progress, Reached, search

_NEAR, _SIZED = 0.7, 1.4  # in log λ: see `Encoding._goes_on_from`


@dataclass(frozen=True, eq=False)
class EncodeRequest:
    """One image to encode.

    Attributes:
        pixels: uint8 [height, width, channels]: grey, grey and alpha, RGB, or RGB and alpha.
        config: Model, preset, goal and seed, and whether hidden colours count.
        metadata: ICC profile, EXIF and XMP to carry along.
        contract: A PSNR that the encoding must reach, if any.
        n_steps: Optimiser steps of each fit in place of the preset's, at least 1; None leaves the preset's.
    """

    pixels: NDArray[np.uint8]
    config: CodecConfig
    metadata: Metadata = Metadata()
    contract: Contract | None = None
    n_steps: int | None = None


@dataclass(frozen=True)
class Encoded:
    """An encoded image, and what is known of it.

    Attributes:
        bitstream: The file.
        pixels: uint8 [height, width, channels] that it decodes to.
        symbols_digest: SHA-256 of the network's symbols; of none without a network.
        pixels_digest: SHA-256 of `pixels`; the same on every machine.
        psnr_db: PSNR of `pixels` against the original, 8-bit, in dB, over the samples that count; infinite
            if these are equal.
        rate_bpp: 8 · bytes of the file / (width · height).
        estimated_rate_bits: Eq. 4 of the rounded symbols, and the bits of the file around the payload.
        rd_lambda: λ with which the steps of the fit that was kept ended, or at which a file without a
            network was.
        n_parameters: Weights and latents coded; 0 without a network.
        device: The device of the fits, "cpu" or "cuda".
        restarts: Fits that collapsed and were begun again with another seed.
        n_refits: Fits that were made for the contract after the goal was reached.
        attempts: Every fit that was coded, in order; several if a goal or a contract was searched for, and
            none if the mean colour alone is what was asked for.
        history: Every progress report of every fit.
        fallback: Why the mean colour alone stands in for a fit: `FitDiverged` or `TooMuchWork`. None if it
            does not.
    """

    bitstream: bytes
    pixels: NDArray[np.uint8]
    symbols_digest: str
    pixels_digest: str
    psnr_db: float
    rate_bpp: float
    estimated_rate_bits: float
    rd_lambda: float
    n_parameters: int
    device: str
    restarts: int
    n_refits: int
    attempts: tuple[Attempt, ...]
    history: tuple[Progress, ...]
    fallback: InrError | None = None


class Encoding:
    """One request on its way: the λ that its search asks for, and all that was made so far.

    Args:
        request: The request.
        fitter: The fitting side of its family.
        device: The device of its fits, "cpu" or "cuda".

    Attributes:
        outcome: The result or error of the request; None while it is on its way.
    """

    def __init__(self, request: EncodeRequest, fitter: Fitter, device: str) -> None:
        self.outcome: Encoded | InrError | None = None
        self._request, self._fitter, self._device = request, fitter, device
        self._candidates: list[tuple[Candidate, Attempt, FitDiverged | None]] = []
        self._history: list[Progress] = []
        self._n_fits = self._n_restarts = self._n_refits = 0
        self._collapsed: list[str] = []  # the fits at the present λ that collapsed, in words
        try:
            _check(request)
            config = request.config
            keeps_hidden = config.hidden == "keep"
            self._subject = Subject(request.pixels, request.metadata, config.model, keeps_hidden=keeps_hidden)
            self._flat = self._subject.flat()
            self._search = search(config, request.contract, begin_lambda(self._subject, config))
            self._asked = next(self._search)
            self._begun_lambda = self._asked.rd_lambda  # with which the fit began that others go on from
            if self._flat_is_enough():
                self.outcome = self._encoded(self._flat, self._asked.rd_lambda)
        except InrError as error:
            self.outcome = error

    def next_fit(self) -> FitRequest:
        """The fit that the search asks for."""
        self._n_fits += 1
        config, beyond, begin = self._request.config, self._asked.beyond, self._goes_on_from()
        if begin is None:
            self._begun_lambda = self._asked.rd_lambda
        return FitRequest(
            pixels=self._subject.coded,
            visible=self._subject.visible,
            rd_lambda=self._asked.rd_lambda,
            seed=config.seed + (len(self._collapsed) << 32),
            preset=config.preset,
            n_steps=self._request.n_steps,
            aim=None if beyond is None else aim_of(self._subject, config, beyond),
            begin=begin,
        )

    def _goes_on_from(self) -> Network | None:
        """The network of the fit before, if that missed its target by little; None to begin anew.

        It has to be near, and not far from the λ to whose size and scale it was begun.
        """
        if self._asked.beyond is None or self._collapsed or not self._candidates:
            return None
        candidate, attempt, _ = self._candidates[-1]
        asked = self._asked.rd_lambda
        is_near = abs(math.log(asked / attempt.rd_lambda)) < _NEAR
        is_sized = abs(math.log(asked / self._begun_lambda)) < _SIZED
        return candidate.network if is_near and is_sized else None

    def report(self, report: FitReport) -> Progress:
        """Keep a report of the running fit."""
        progress = Progress(
            attempt=self._n_fits,
            step=report.step,
            n_steps=report.n_steps,
            rd_lambda=self._asked.rd_lambda,
            estimated_bpp=report.estimated_bpp,
            psnr_db=report.psnr_db,
        )
        self._history.append(progress)
        return progress

    def take(self, fitted: Fitted | InrError) -> None:
        """Take the result of the fit that was asked for: code it, or have it begun again if it collapsed.

        An error of the codec ends this request alone, so it is kept as its outcome.
        """
        try:
            self._take(fitted)
        except InrError as error:
            self.outcome = error

    def _take(self, fitted: Fitted | InrError) -> None:
        if isinstance(fitted, InrError):
            raise fitted
        if not math.isfinite(fitted.estimated_bits):
            self._take_collapsed("NaN")
            return
        candidate = self._subject.candidate(fitted)
        rd_lambda = fitted.rd_lambda or self._asked.rd_lambda
        # Where the mean colour's error is below λ there is little to gain, and rounding may lose that little.
        collapsed = candidate.error > 1.02 * self._flat.error > rd_lambda
        if collapsed and not self._collapsed:
            self._take_collapsed(f"{candidate.psnr_db:.2f} dB")
        else:
            self._advance(self._flat if self._flat_is_better(candidate) else candidate, rd_lambda)

    def _take_collapsed(self, found: str) -> None:
        """Begin the fit again with another seed; after a second end in no numbers the flat file does."""
        self._collapsed.append(found)
        if len(self._collapsed) == 1:
            self._n_restarts += 1
            return
        height, width, _ = self._request.pixels.shape
        diverged = FitDiverged(
            f"fit of {width} x {height} pixels at λ = {self._asked.rd_lambda:g}: expected at least the "
            f"{self._flat.psnr_db:.2f} dB of the image's mean colour, found {' and '.join(self._collapsed)}"
        )
        if self._request.contract:
            self.outcome = self._missed(self._request.contract)
        else:
            self._advance(self._flat, self._asked.rd_lambda, diverged)

    def _flat_is_enough(self) -> bool:
        """Return whether the mean colour alone is what was asked for, so that no fit is needed."""
        target, contract = self._request.config.target_psnr_db, self._request.contract
        psnr_db = self._flat.psnr_db
        is_asked_for = psnr_db == math.inf or (target is not None and psnr_db >= target)
        return is_asked_for and (contract is None or psnr_db >= contract.min_psnr_db)

    def _flat_is_better(self, fitted: Candidate) -> bool:
        """Compare by MSE + λ · bpp where λ is the goal; else a fit must lose in quality, too."""
        if self._request.config.rd_lambda is None or self._asked.is_refit:
            return self._flat.error <= fitted.error and self._flat.rate_bpp <= fitted.rate_bpp
        rd_lambda = self._asked.rd_lambda
        return self._flat.cost(rd_lambda) <= fitted.cost(rd_lambda)

    def _advance(self, candidate: Candidate, rd_lambda: float, diverged: FitDiverged | None = None) -> None:
        """Give the search an attempt: it asks for the next λ, or ends.

        Args:
            candidate: The file of the fit, or the flat one.
            rd_lambda: λ at the end of the fit.
            diverged: The end of the fit for which the flat file stands in, if that is so.
        """
        attempt = candidate.attempt(rd_lambda)
        self._candidates.append((candidate, attempt, diverged))
        self._n_refits += self._asked.is_refit
        self._collapsed.clear()
        try:
            self._asked = self._search.send(attempt)
        except StopIteration as ended:
            reached: Reached = ended.value
            contract = self._request.contract
            if contract is not None and not reached.meets_contract:
                self.outcome = self._missed(contract)
            else:
                self.outcome = self._decodable(*self._candidates[reached.best])

    def _missed(self, contract: Contract) -> ContractMissed:
        history = tuple(self._history)
        return ContractMissed(
            contract, self._attempts, self._n_restarts, self._n_refits, self._device, history
        )

    @property
    def _attempts(self) -> tuple[Attempt, ...]:
        return tuple(attempt for _, attempt, _ in self._candidates)

    def _decodable(self, best: Candidate, made: Attempt, fallback: InrError | None) -> Encoded | InrError:
        """The result of the attempt that counts, or the flat file's where decoders would refuse its work."""
        contract = self._request.contract
        try:
            return self._encoded(best, made.rd_lambda, fallback)
        except TooMuchWork as error:
            if contract is None or self._flat.psnr_db >= contract.min_psnr_db:
                return self._encoded(self._flat, made.rd_lambda, error)
            self._candidates.clear()  # no attempt made a file
            return self._missed(contract)

    def _encoded(
        self, candidate: Candidate, rd_lambda: float, fallback: InrError | None = None
    ) -> Encoded | SelfCheckFailed:
        """The result that a candidate makes, if its file decodes to what was fitted.

        Raises:
            TooMuchWork: Decoders refuse a file of that size that takes so much work.
        """
        expected = (digest_symbols(candidate.symbols), digest_pixels(candidate.pixels))
        decoded = decode(candidate.bitstream)
        found = (decoded.symbols_digest, decoded.pixels_digest)
        if found != expected or decoded.metadata != self._request.metadata:
            return SelfCheckFailed(f"decoded again: expected symbols and pixels {expected}, found {found}")
        return Encoded(
            bitstream=candidate.bitstream,
            pixels=candidate.pixels,
            symbols_digest=found[0],
            pixels_digest=found[1],
            psnr_db=candidate.psnr_db,
            rate_bpp=candidate.rate_bpp,
            estimated_rate_bits=candidate.estimated_rate_bits,
            rd_lambda=rd_lambda,
            n_parameters=0 if candidate.network is None else candidate.network.n_parameters,
            device=self._device,
            restarts=self._n_restarts,
            n_refits=self._n_refits,
            attempts=self._attempts,
            history=tuple(self._history),
            fallback=fallback,
        )


def _check(request: EncodeRequest) -> None:
    pixels = request.pixels
    if not isinstance(pixels, np.ndarray):
        raise ConfigError(f"pixels: expected a NumPy array, found {type(pixels).__name__}")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4:
        raise ConfigError(
            "pixels: expected uint8 [height, width, 1 to 4 channels], "
            f"found {pixels.dtype} {list(pixels.shape)}"
        )
    height, width, _ = pixels.shape
    if not 1 <= min(height, width) <= max(height, width) <= MAX_SIDE or height * width > MAX_PIXELS:
        raise ConfigError(
            f"pixels: expected sides from 1 to {MAX_SIDE} and at most {MAX_PIXELS} pixels, "
            f"found {list(pixels.shape)}"
        )
    check_metadata(request.metadata)
    n_steps = request.n_steps
    if n_steps is not None and (not isinstance(n_steps, Integral) or n_steps < 1):
        raise ConfigError(f"n_steps: expected a whole number, at least 1, found {n_steps!r}")

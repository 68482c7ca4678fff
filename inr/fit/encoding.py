"""One image's encoding, fit by fit: the search asks for a λ, a fit answers, its file is measured.

A fit that collapses is begun again once, with another seed. What counts in the end is packed, decoded again
and compared.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import MAX_SIDE, Container, Limits, Metadata, check_metadata, pack
from inr.config import CodecConfig, Contract
from inr.decoder import decode
from inr.errors import ConfigError, FitDiverged, InrError, SelfCheckFailed
from inr.fit.requests import FitReport, FitRequest, Fitted, Fitter
from inr.metrics import bpp, mse, psnr_db
from inr.network import Network, digest_pixels, digest_symbols
from inr.search import Attempt, ContractMissed, Progress, Reached, search


@dataclass(frozen=True, eq=False)
class EncodeRequest:
    """One image to encode.

    Attributes:
        pixels: uint8 [height, width, channels]: grey, grey and alpha, RGB, or RGB and alpha.
        config: Model, preset, goal and seed.
        metadata: ICC profile and EXIF to carry along.
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
        symbols_digest: SHA-256 of the network's symbols.
        pixels_digest: SHA-256 of `pixels`; the same on every machine.
        psnr_db: PSNR of `pixels` against the original, 8-bit, in dB; infinite if equal.
        rate_bpp: 8 · bytes of the file / (width · height).
        estimated_rate_bits: Eq. 4 of the rounded symbols, and the bits of the file around the payload.
        rd_lambda: λ of the fit that was kept.
        n_parameters: Weights and latents coded.
        device: The device of the fits, "cpu" or "cuda".
        restarts: Fits that collapsed and were begun again with another seed.
        n_refits: Fits that were made for the contract after the goal was reached.
        attempts: Every fit that was coded, in order; several if a goal or a contract was searched for.
        history: Every progress report of every fit.
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


@dataclass(frozen=True)
class _Candidate:
    bitstream: bytes
    network: Network
    pixels: NDArray[np.uint8]
    estimated_rate_bits: float
    attempt: Attempt


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
        self._candidates: list[_Candidate] = []
        self._history: list[Progress] = []
        self._n_fits = self._n_restarts = self._n_refits = 0
        self._collapsed: list[str] = []  # the fits at the present λ that collapsed, in words
        try:
            _check(request, fitter)
            pixels = request.pixels
            mean_colour = np.rint(pixels.mean((0, 1))).astype(np.uint8)
            self._mean_colour_mse = mse(reference=pixels, decoded=np.broadcast_to(mean_colour, pixels.shape))
            self._search = search(request.config, request.contract)
            self._asked = next(self._search)
            self._fit_one_colour()
        except InrError as error:
            self.outcome = error

    def next_fit(self) -> FitRequest:
        """The fit that the search asks for."""
        self._n_fits += 1
        config = self._request.config
        return FitRequest(
            pixels=self._request.pixels,
            rd_lambda=self._asked.rd_lambda,
            seed=config.seed + (len(self._collapsed) << 32),
            preset=config.preset,
            n_steps=self._request.n_steps,
        )

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
        candidate = self._code(fitted)
        error = mse(reference=self._request.pixels, decoded=candidate.pixels)
        # An image of nearly one colour may lose a level to rounding; that is no collapse.
        if error > 1.02 * self._mean_colour_mse + 255**-2:
            self._take_collapsed(f"{candidate.attempt.psnr_db:.2f} dB")
        else:
            self._advance(candidate)

    def _take_collapsed(self, found: str) -> None:
        """Begin the fit again with another seed; after the second collapse give up."""
        self._collapsed.append(found)
        if len(self._collapsed) == 1:
            self._n_restarts += 1
            return
        height, width, _ = self._request.pixels.shape
        floor = -10 * math.log10(self._mean_colour_mse)
        diverged = FitDiverged(
            f"fit of {width} x {height} pixels at λ = {self._asked.rd_lambda:g}: expected at least the "
            f"{floor:.2f} dB of the image's mean colour, found {' and '.join(self._collapsed)}"
        )
        self.outcome = self._missed(self._request.contract) if self._request.contract else diverged

    def _fit_one_colour(self) -> None:
        """Code an image of one colour, which needs no fit."""
        while self._mean_colour_mse == 0 and self.outcome is None:
            network = self._fitter.one_colour(self._request.pixels, self._asked.rd_lambda)
            self._advance(self._code(Fitted(network, 0.0)))

    def _advance(self, candidate: _Candidate) -> None:
        """Give the search an attempt: it asks for the next λ, or ends."""
        self._candidates.append(candidate)
        self._n_refits += self._asked.is_refit
        self._collapsed.clear()
        try:
            self._asked = self._search.send(candidate.attempt)
        except StopIteration as ended:
            reached: Reached = ended.value
            contract = self._request.contract
            if contract is not None and not reached.meets_contract:
                self.outcome = self._missed(contract)
            else:
                self.outcome = self._encoded(self._candidates[reached.best])

    def _missed(self, contract: Contract) -> ContractMissed:
        attempts = tuple(candidate.attempt for candidate in self._candidates)
        history = tuple(self._history)
        return ContractMissed(contract, attempts, self._n_restarts, self._n_refits, self._device, history)

    def _code(self, fitted: Fitted) -> _Candidate:
        request, network = self._request, fitted.network
        height, width, channels = request.pixels.shape
        sections, pixels = network.sections(), network.render()
        bitstream = pack(
            Container(
                family=network.family,
                width=width,
                height=height,
                channels=channels,
                architecture=sections.architecture,
                tensors=sections.tensors,
                payload=sections.payload,
                metadata=request.metadata,
            )
        )
        attempt = Attempt(
            rd_lambda=self._asked.rd_lambda,
            rate_bpp=bpp(n_bytes=len(bitstream), width=width, height=height),
            psnr_db=psnr_db(reference=request.pixels, decoded=pixels),
            n_bytes=len(bitstream),
        )
        estimated = fitted.estimated_bits + 8 * (len(bitstream) - len(sections.payload))
        return _Candidate(bitstream, network, pixels, estimated, attempt)

    def _encoded(self, candidate: _Candidate) -> Encoded | SelfCheckFailed:
        """The result that a candidate makes, if its file decodes to what was fitted."""
        expected = (digest_symbols(candidate.network.symbols), digest_pixels(candidate.pixels))
        decoded = decode(candidate.bitstream)
        found = (decoded.symbols_digest, decoded.pixels_digest)
        if found != expected or decoded.metadata != self._request.metadata:
            return SelfCheckFailed(f"decoded again: expected symbols and pixels {expected}, found {found}")
        return Encoded(
            bitstream=candidate.bitstream,
            pixels=candidate.pixels,
            symbols_digest=found[0],
            pixels_digest=found[1],
            psnr_db=candidate.attempt.psnr_db,
            rate_bpp=candidate.attempt.rate_bpp,
            estimated_rate_bits=candidate.estimated_rate_bits,
            rd_lambda=candidate.attempt.rd_lambda,
            n_parameters=candidate.network.n_parameters,
            device=self._device,
            restarts=self._n_restarts,
            n_refits=self._n_refits,
            attempts=tuple(each.attempt for each in self._candidates),
            history=tuple(self._history),
        )


def _check(request: EncodeRequest, fitter: Fitter) -> None:
    pixels, most, model = request.pixels, Limits().max_samples, request.config.model
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4:
        raise ConfigError(
            "pixels: expected uint8 [height, width, 1 to 4 channels], "
            f"found {pixels.dtype} {list(pixels.shape)}"
        )
    if not 1 <= min(pixels.shape[:2]) <= max(pixels.shape[:2]) <= MAX_SIDE or pixels.size > most:
        raise ConfigError(
            f"pixels: expected sides from 1 to {MAX_SIDE} and at most {most} samples, "
            f"found {list(pixels.shape)}"
        )
    max_pixels = fitter.max_pixels
    if max_pixels is not None and pixels.shape[0] * pixels.shape[1] > max_pixels:
        raise ConfigError(
            f"pixels: {model} expected at most {max_pixels} of them, found {list(pixels.shape)}"
        )
    check_metadata(request.metadata)
    if request.n_steps is not None and request.n_steps < 1:
        raise ConfigError(f"n_steps: expected at least 1, found {request.n_steps}")

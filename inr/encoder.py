"""Fit → round → code → pack → decode again and compare (the patent's Fig. 2 and 6)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from inr.bitstream import MAX_SIDE, Container, Limits, Metadata, pack
from inr.cnn.architecture import MAX_PIXELS
from inr.cnn.fit.encoder import fit_cnn, one_colour_cnn
from inr.config import CodecConfig
from inr.decoder import Network, decode, digest_pixels, digest_symbols, render
from inr.errors import ConfigError, FitDiverged, SelfCheckFailed
from inr.metrics import bpp, mse, psnr_db
from inr.mlp.fit.encoder import fit_mlp, one_colour_mlp
from inr.mlp.fit.trainer import Progress
from inr.search import Attempt, reach_goal

Device = Literal["auto", "cpu", "cuda"]


class _Fit(Protocol):
    def __call__(
        self,
        pixels: NDArray[np.uint8],
        preset: str,
        *,
        rd_lambda: float,
        seed: int,
        device: str,
        report: Callable[[int, int, float, float], None],
    ) -> tuple[Network, float]: ...


@dataclass(frozen=True)
class _Family:
    """What a model family gives to encode with.

    Attributes:
        fit: Fits a network to an image, see `mlp_encoder.fit_mlp`.
        one_colour: The network of an image of one colour, at a λ.
    """

    fit: _Fit
    one_colour: Callable[[NDArray[np.uint8], float], Network]


_FAMILIES = {"mlp": _Family(fit_mlp, one_colour_mlp), "cnn": _Family(fit_cnn, one_colour_cnn)}


@dataclass(frozen=True)
class Encoded:
    """An encoded image, and what is known of it.

    Attributes:
        bitstream: The file.
        pixels: uint8 [height, width, channels] that it decodes to.
        symbols_digest: SHA-256 of the weights' symbols.
        pixels_digest: SHA-256 of `pixels`; the same on every machine.
        psnr_db: Of `pixels` against the original, 8-bit; infinite if equal.
        rate_bpp: 8 · bytes of the file / (width · height).
        estimated_rate_bits: Of the file: Eq. 4 of the rounded weights, and what stands around the payload.
        rd_lambda: λ of the fit that was kept.
        n_parameters: Weights and latents coded.
        device: Where it was fitted, "cpu" or "cuda".
        restarts: Fits that collapsed and were begun again with another seed.
        attempts: Every fit that was coded, in order; more than one if a target was searched for.
        history: What the progress callback saw.
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
    attempts: tuple[Attempt, ...]
    history: tuple[Progress, ...]


@dataclass(frozen=True)
class _Candidate:
    bitstream: bytes
    network: Network
    pixels: NDArray[np.uint8]
    estimated_rate_bits: float
    attempt: Attempt


def resolve_device(device: Device) -> str:
    """The device that a setting means here: "cpu" or "cuda".

    Raises:
        ConfigError: CUDA was asked for and there is none, or the name is unknown.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device: expected auto, cpu or cuda, found {device!r}")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ConfigError("device: expected a CUDA device, found none")
    return "cuda" if available and device != "cpu" else "cpu"


def _check_pixels(pixels: NDArray[np.uint8], limits: Limits, model: str) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4:
        raise ConfigError(
            "pixels: expected uint8 [height, width, 1 to 4 channels], "
            f"found {pixels.dtype} {list(pixels.shape)}"
        )
    if (
        not (min(pixels.shape[:2]) >= 1 and max(pixels.shape[:2]) <= MAX_SIDE)
        or pixels.size > limits.max_samples
    ):
        raise ConfigError(
            f"pixels: expected sides from 1 to {MAX_SIDE} and at most {limits.max_samples} samples, "
            f"found {list(pixels.shape)}"
        )
    if model == "cnn" and pixels.shape[0] * pixels.shape[1] > MAX_PIXELS:
        raise ConfigError(f"pixels: cnn expected at most {MAX_PIXELS} of them, found {list(pixels.shape)}")


class _Encoding:
    """One image on its way to a file: what its fits share, and what they leave behind."""

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        config: CodecConfig,
        metadata: Metadata,
        device: str,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.pixels, self.config, self.metadata, self.device = pixels, config, metadata, device
        self.height, self.width, self.channels = pixels.shape
        self._on_progress = on_progress
        self.history: list[Progress] = []
        self.n_fits = self.restarts = 0
        mean_colour = np.rint(pixels.mean((0, 1))).astype(np.uint8)
        self._mean_colour_mse = mse(reference=pixels, decoded=np.broadcast_to(mean_colour, pixels.shape))

    def candidate(self, rd_lambda: float) -> _Candidate:
        """Fit at one λ and code; once more with another seed if the fit collapsed.

        Raises:
            FitDiverged: The second fit collapsed too.
        """
        family = _FAMILIES[self.config.model]
        if self._mean_colour_mse == 0:
            return self._code(family.one_colour(self.pixels, rd_lambda), 0.0, rd_lambda)
        found = []
        for restart in range(2):
            self.n_fits += 1
            network, bits = family.fit(
                self.pixels,
                self.config.preset,
                rd_lambda=rd_lambda,
                seed=self.config.seed + (restart << 32),
                device=self.device,
                report=partial(self._report, self.n_fits, rd_lambda),
            )
            if math.isfinite(bits):
                candidate = self._code(network, bits, rd_lambda)
                error = mse(reference=self.pixels, decoded=candidate.pixels)
                # An image of nearly one colour may lose a level to rounding; that is no collapse.
                if error <= 1.02 * self._mean_colour_mse + 255**-2:
                    return candidate
                found.append(f"{candidate.attempt.psnr_db:.2f} dB")
            else:
                found.append("NaN")
            self.restarts += restart == 0
        floor = -10 * math.log10(self._mean_colour_mse) if self._mean_colour_mse else math.inf
        raise FitDiverged(
            f"fit of {self.width} x {self.height} pixels at λ = {rd_lambda:g}: expected at least the "
            f"{floor:.2f} dB of the image's mean colour, found {' and '.join(found)}"
        )

    def _report(
        self, attempt: int, rd_lambda: float, step: int, n_steps: int, estimated_bpp: float, psnr: float
    ) -> None:
        progress = Progress(attempt, step, n_steps, rd_lambda, estimated_bpp, psnr)
        self.history.append(progress)
        if self._on_progress is not None:
            self._on_progress(progress)

    def _code(self, network: Network, estimated_bits: float, rd_lambda: float) -> _Candidate:
        architecture = network.architecture
        payload = architecture.write_payload(network.symbols, network.codings)
        pixels = render(network, width=self.width, height=self.height)
        bitstream = pack(
            Container(
                family=self.config.model,
                width=self.width,
                height=self.height,
                channels=self.channels,
                architecture=architecture.to_bytes(),
                tensors=architecture.codings_to_bytes(network.codings),
                payload=payload,
                metadata=self.metadata,
            )
        )
        attempt = Attempt(
            rd_lambda=rd_lambda,
            rate_bpp=bpp(n_bytes=len(bitstream), width=self.width, height=self.height),
            psnr_db=psnr_db(reference=self.pixels, decoded=pixels),
            n_bytes=len(bitstream),
        )
        estimated = estimated_bits + 8 * (len(bitstream) - len(payload))
        return _Candidate(bitstream, network, pixels, estimated, attempt)


def encode(
    pixels: NDArray[np.uint8],
    config: CodecConfig,
    *,
    metadata: Metadata = Metadata(),
    device: Device = "auto",
    on_progress: Callable[[Progress], None] | None = None,
) -> Encoded:
    """Fit a network to an image and write it as a bitstream that was decoded again and compared.

    Args:
        pixels: uint8 [height, width, channels]: grey, grey and alpha, RGB, or RGB and alpha.
        config: Model, preset and goal.
        metadata: ICC profile and EXIF to carry along.
        device: Where to fit; "auto" takes CUDA if it is there. The bitstream decodes alike everywhere.
        on_progress: Called every so many steps; whatever it raises ends the encoding and passes through,
            which is how a caller cancels or keeps a deadline.

    Raises:
        ConfigError: The pixels are not of that form, exceed the limits, or the device is not there.
        FitDiverged: Two fits ended below the quality of the image's mean colour.
        SelfCheckFailed: The bitstream does not decode to what was fitted.
    """
    _check_pixels(pixels, Limits(), config.model)
    encoding = _Encoding(pixels, config, metadata, resolve_device(device), on_progress)
    candidate, attempts = reach_goal(config, encoding.candidate)
    expected = (digest_symbols(candidate.network.symbols), digest_pixels(candidate.pixels))
    decoded = decode(candidate.bitstream)
    found = (decoded.symbols_digest, decoded.pixels_digest)
    if found != expected or decoded.metadata != metadata:
        raise SelfCheckFailed(f"decoded again: expected symbols and pixels {expected}, found {found}")
    return Encoded(
        bitstream=candidate.bitstream,
        pixels=candidate.pixels,
        symbols_digest=found[0],
        pixels_digest=found[1],
        psnr_db=candidate.attempt.psnr_db,
        rate_bpp=candidate.attempt.rate_bpp,
        estimated_rate_bits=candidate.estimated_rate_bits,
        rd_lambda=candidate.attempt.rd_lambda,
        n_parameters=candidate.network.architecture.n_parameters,
        device=encoding.device,
        restarts=encoding.restarts,
        attempts=tuple(attempts),
        history=tuple(encoding.history),
    )

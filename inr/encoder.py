"""Fit → round → code → pack → decode again and compare (the patent's Fig. 2 and 6)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from inr.bitstream import MAX_SIDE, MAX_SYMBOL, Container, Limits, Metadata, TensorCoding, pack
from inr.coder import encode_tensors
from inr.config import CodecConfig
from inr.decoder import Network, decode, digest_pixels, digest_symbols, render
from inr.errors import ConfigError, FitDiverged, SelfCheckFailed
from inr.metrics import bpp, mse, psnr_db
from inr.mlp import CoordinateMLP, TensorSpec
from inr.parameters import OFFSET_STEP
from inr.pmf import SCALE_BITS, THRESHOLDS
from inr.presets import choose_architecture, choose_settings
from inr.quantizer import nearest_step_index, step_size
from inr.search import Attempt, reach_goal
from inr.trainer import Fit, Progress, fit

Device = Literal["auto", "cpu", "cuda"]


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
        n_parameters: Weights coded.
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


def _check_pixels(pixels: NDArray[np.uint8], limits: Limits) -> None:
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


def _scale_index(mean_magnitude: float) -> int:
    return int(np.searchsorted(THRESHOLDS, mean_magnitude * (1 << SCALE_BITS), side="right"))


def coding_of(spec: TensorSpec, symbols: NDArray[np.int32], step_index: int) -> TensorCoding:
    """Side information of a rounded tensor."""
    if spec.is_phase:
        increments = np.diff(symbols, prepend=0)
        mean = float(increments.mean())
        # The two-sided law of this mean magnitude falls off as the one-sided law of that mean does.
        scale_index = _scale_index(2 * mean * (1 + mean) / (1 + 2 * mean))
        return TensorCoding(step_index, 0, int(increments.max()), scale_index)
    mean_index = _scale_index(float(np.abs(symbols).mean())) if spec.is_matrix else None
    return TensorCoding(step_index, int(symbols.min()), int(symbols.max()), mean_index)


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
        if self._mean_colour_mse == 0:
            return self._code(*self._one_colour(rd_lambda), rd_lambda)
        found = []
        for restart in range(2):
            fitted = self._fit(rd_lambda, self.config.seed + (restart << 32))
            if math.isfinite(fitted[1].estimated_rate_bits):
                candidate = self._code(*fitted, rd_lambda)
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

    def _fit(self, rd_lambda: float, seed: int) -> tuple[CoordinateMLP, Fit]:
        self.n_fits += 1
        attempt = self.n_fits
        network = choose_architecture(self.pixels, rd_lambda)
        settings = choose_settings(self.config.preset)

        def report(step: int, estimated_bpp: float, psnr: float) -> None:
            progress = Progress(attempt, step, settings.n_steps, rd_lambda, estimated_bpp, psnr)
            self.history.append(progress)
            if self._on_progress is not None:
                self._on_progress(progress)

        fitted = fit(
            self.pixels, network, settings, rd_lambda=rd_lambda, seed=seed, device=self.device, report=report
        )
        return network, fitted

    def _one_colour(self, rd_lambda: float) -> tuple[CoordinateMLP, Fit]:
        """An image of one colour needs no fit: weights of zero, and offsets that `_centre` sets."""
        network = choose_architecture(self.pixels, rd_lambda)
        symbols = [np.zeros(spec.shape, dtype=np.int32) for spec in network.specs]
        return network, Fit(symbols, [nearest_step_index(OFFSET_STEP)] * len(symbols), 0.0)

    def _code(self, architecture: CoordinateMLP, fitted: Fit, rd_lambda: float) -> _Candidate:
        symbols, pixels = self._centre(architecture, fitted)
        network = _network(architecture, symbols, fitted.step_indices)
        payload = encode_tensors(symbols, network.codings)
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
        estimated = fitted.estimated_rate_bits + 8 * (len(bitstream) - len(payload))
        return _Candidate(bitstream, network, pixels, estimated, attempt)

    def _centre(
        self, architecture: CoordinateMLP, fitted: Fit
    ) -> tuple[list[NDArray[np.int32]], NDArray[np.uint8]]:
        """Set the output's offsets to what leaves no mean error, which the fit only nears; render.

        An image of one colour becomes exact by it, others gain a little.
        """
        symbols, before = fitted.symbols, self._render(architecture, fitted.symbols, fitted.step_indices)
        error = np.mean(self.pixels, axis=(0, 1), dtype=np.float64) - np.mean(
            before, axis=(0, 1), dtype=np.float64
        )
        shift = np.rint(error / 255 / step_size(fitted.step_indices[-1])).astype(np.int32)
        centred = [*symbols[:-1], np.clip(symbols[-1] + shift, -MAX_SYMBOL, MAX_SYMBOL)]
        after = self._render(architecture, centred, fitted.step_indices) if shift.any() else before
        if mse(reference=self.pixels, decoded=after) < mse(reference=self.pixels, decoded=before):
            return centred, after
        return symbols, before

    def _render(
        self, architecture: CoordinateMLP, symbols: list[NDArray[np.int32]], step_indices: list[int]
    ) -> NDArray[np.uint8]:
        return render(_network(architecture, symbols, step_indices), width=self.width, height=self.height)


def _network(
    architecture: CoordinateMLP, symbols: list[NDArray[np.int32]], step_indices: list[int]
) -> Network:
    codings = [
        coding_of(spec, tensor, index)
        for spec, tensor, index in zip(architecture.specs, symbols, step_indices, strict=True)
    ]
    return Network(architecture, symbols, codings)


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
    _check_pixels(pixels, Limits())
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

"""Family `mlp`: an image → a fitted, rounded network with its side information."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import MAX_SYMBOL, TensorCoding
from inr.coding.pmf import SCALE_BITS, THRESHOLDS
from inr.decoder import Network, render
from inr.fit.quantizer import nearest_step_index, step_size
from inr.metrics import mse
from inr.mlp.architecture import CoordinateMLP, TensorSpec
from inr.mlp.fit.parameters import OFFSET_STEP
from inr.mlp.fit.presets import choose_architecture, choose_settings
from inr.mlp.fit.trainer import fit


def fit_mlp(
    pixels: NDArray[np.uint8],
    preset: str,
    *,
    rd_lambda: float,
    seed: int,
    device: str,
    report: Callable[[int, int, float, float], None],
) -> tuple[Network, float]:
    """Fit a network to an image.

    Args:
        pixels: uint8 [height, width, channels].
        preset: One of `config.PRESETS`.
        rd_lambda: λ of Eq. 5.
        seed: Of the fit.
        device: "cpu" or "cuda".
        report: Called with (step, steps in all, estimated bpp, PSNR in dB) every so many steps.

    Returns:
        The network, and the bits of its payload as the fit estimates them; not finite if it diverged.
    """
    architecture, settings = choose_architecture(pixels, rd_lambda), choose_settings(preset)
    fitted = fit(
        pixels,
        architecture,
        settings,
        rd_lambda=rd_lambda,
        seed=seed,
        device=device,
        report=lambda step, rate, psnr: report(step, settings.n_steps, rate, psnr),
    )
    symbols = fitted.symbols
    if math.isfinite(fitted.estimated_rate_bits):
        symbols = _centred(pixels, architecture, symbols, fitted.step_indices)
    return _network(architecture, symbols, fitted.step_indices), fitted.estimated_rate_bits


def one_colour_mlp(pixels: NDArray[np.uint8], rd_lambda: float) -> Network:
    """The network of an image of one colour, which needs no fit: weights of zero, and offsets."""
    architecture = choose_architecture(pixels, rd_lambda)
    symbols = [np.zeros(spec.shape, dtype=np.int32) for spec in architecture.specs]
    steps = [nearest_step_index(OFFSET_STEP)] * len(symbols)
    return _network(architecture, _centred(pixels, architecture, symbols, steps), steps)


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


def _scale_index(mean_magnitude: float) -> int:
    return int(np.searchsorted(THRESHOLDS, mean_magnitude * (1 << SCALE_BITS), side="right"))


def _network(
    architecture: CoordinateMLP, symbols: list[NDArray[np.int32]], step_indices: list[int]
) -> Network:
    codings = [
        coding_of(spec, tensor, index)
        for spec, tensor, index in zip(architecture.specs, symbols, step_indices, strict=True)
    ]
    return Network(architecture, symbols, codings)


def _centred(
    pixels: NDArray[np.uint8],
    architecture: CoordinateMLP,
    symbols: list[NDArray[np.int32]],
    step_indices: list[int],
) -> list[NDArray[np.int32]]:
    """Symbols whose output offsets leave no mean error, which the fit only nears.

    An image of one colour becomes exact by it, others gain a little.
    """

    def rendered(tensors: list[NDArray[np.int32]]) -> NDArray[np.uint8]:
        network = _network(architecture, tensors, step_indices)
        return render(network, width=pixels.shape[1], height=pixels.shape[0])

    before = rendered(symbols)
    error = np.mean(pixels, axis=(0, 1), dtype=np.float64) - np.mean(before, axis=(0, 1), dtype=np.float64)
    shift = np.rint(error / 255 / step_size(step_indices[-1])).astype(np.int32)
    if not shift.any():
        return symbols
    centred = [*symbols[:-1], np.clip(symbols[-1] + shift, -MAX_SYMBOL, MAX_SYMBOL)]
    better = mse(reference=pixels, decoded=rendered(centred)) < mse(reference=pixels, decoded=before)
    return centred if better else symbols

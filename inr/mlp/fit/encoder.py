"""Family `mlp`: an image → a fitted, rounded network with its side information."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import MAX_SYMBOL
from inr.coding.pmf import SCALE_BITS, THRESHOLDS
from inr.coding.tensors import Geometric, Increments, TensorCoding, Uniform
from inr.errors import InrError
from inr.fit.requests import FitRequest, Fitted, GoesOn, OnReports, one_by_one
from inr.metrics import mse
from inr.mlp.architecture import CoordinateMLP, TensorSpec
from inr.mlp.fit.parameters import OFFSET_STEP
from inr.mlp.fit.presets import choose_architecture, choose_settings
from inr.mlp.fit.trainer import fit
from inr.mlp.network import MlpNetwork
from inr.mlp.steps import nearest_step_index, step_size


def fit_mlp(requests: Sequence[FitRequest], *, device: str, on_reports: OnReports) -> list[Fitted | InrError]:
    """Fit a network to each request's image; see `encoder.Fitter.fit`."""
    return one_by_one(_fit_one, requests, device=device, on_reports=on_reports)


def _fit_one(request: FitRequest, device: str, goes_on: GoesOn) -> Fitted | None:
    pixels = request.pixels
    architecture = choose_architecture(pixels, request.rd_lambda)
    rounded = fit(
        pixels,
        architecture,
        choose_settings(request.preset, request.n_steps),
        rd_lambda=request.rd_lambda,
        seed=request.seed,
        device=device,
        goes_on=goes_on,
    )
    if rounded is None:
        return None
    network = network_of(architecture, rounded.symbols, rounded.step_indices, pixels.shape)
    if math.isfinite(rounded.estimated_rate_bits):
        network = _centred(pixels, network)
    return Fitted(network, rounded.estimated_rate_bits)


def one_colour_mlp(pixels: NDArray[np.uint8], rd_lambda: float) -> MlpNetwork:
    """The network of an image of one colour, which needs no fit: weights of zero, and offsets."""
    architecture = choose_architecture(pixels, rd_lambda)
    symbols = [np.zeros(spec.shape, dtype=np.int32) for spec in architecture.specs]
    steps = [nearest_step_index(OFFSET_STEP)] * len(symbols)
    return _centred(pixels, network_of(architecture, symbols, steps, pixels.shape))


def coding_of(spec: TensorSpec, symbols: NDArray[np.int32]) -> TensorCoding:
    """The law that codes a rounded tensor."""
    if spec.is_phase:
        increments = np.diff(symbols, prepend=0)
        mean = float(increments.mean())
        # The two-sided law of this mean magnitude falls off as the one-sided law of that mean does.
        scale_index = _scale_index(2 * mean * (1 + mean) / (1 + 2 * mean))
        return Increments(scale_index, int(increments.max()))
    low, high = int(symbols.min()), int(symbols.max())
    return (
        Geometric(_scale_index(float(np.abs(symbols).mean())), low, high)
        if spec.is_matrix
        else Uniform(low, high)
    )


def _scale_index(mean_magnitude: float) -> int:
    return int(np.searchsorted(THRESHOLDS, mean_magnitude * (1 << SCALE_BITS), side="right"))


def network_of(
    architecture: CoordinateMLP,
    symbols: Sequence[NDArray[np.int32]],
    step_indices: Sequence[int],
    shape: tuple[int, ...],
) -> MlpNetwork:
    """A network for an image of that shape, [height, width, channels], with its symbols' codings."""
    codings = [coding_of(spec, tensor) for spec, tensor in zip(architecture.specs, symbols, strict=True)]
    return MlpNetwork(
        shape=architecture,
        width=shape[1],
        height=shape[0],
        symbols=symbols,
        step_indices=step_indices,
        codings=codings,
    )


def _centred(pixels: NDArray[np.uint8], network: MlpNetwork) -> MlpNetwork:
    """The network with output offsets that leave no mean error, which the fit only nears.

    An image of one colour becomes exact by it, others gain a little.
    """
    before = network.render()
    error = np.mean(pixels, axis=(0, 1), dtype=np.float64) - np.mean(before, axis=(0, 1), dtype=np.float64)
    shift = np.rint(error / 255 / step_size(network.step_indices[-1])).astype(np.int32)
    if not shift.any():
        return network
    offsets = np.clip(network.symbols[-1] + shift, -MAX_SYMBOL, MAX_SYMBOL)
    centred = network_of(network.shape, [*network.symbols[:-1], offsets], network.step_indices, pixels.shape)
    better = mse(reference=pixels, decoded=centred.render()) < mse(reference=pixels, decoded=before)
    return centred if better else network

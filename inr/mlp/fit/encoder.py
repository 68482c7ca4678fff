"""Family `mlp`: an image → a fitted, rounded network with its side information."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import MAX_SYMBOL
from inr.coding.pmf import SCALE_BITS, THRESHOLDS
from inr.coding.tensors import Geometric, Increments, TensorCoding, Uniform
from inr.errors import InrError
from inr.fit.hidden import sample_weights
from inr.fit.requests import FitRequest, Fitted, GoesOn, OnReports, one_by_one
from inr.metrics import mse
from inr.mlp.architecture import CoordinateMLP, TensorSpec
from inr.mlp.fit.presets import choose_architecture, choose_settings
from inr.mlp.fit.trainer import fit
from inr.mlp.network import MlpNetwork
from inr.mlp.steps import step_size


def fit_mlp(requests: Sequence[FitRequest], *, device: str, on_reports: OnReports) -> list[Fitted | InrError]:
    """Fit a network to each request's image; see `encoder.Fitter.fit`."""
    return one_by_one(_fit_one, requests, device=device, on_reports=on_reports)


def _fit_one(request: FitRequest, device: str, goes_on: GoesOn) -> Fitted | None:
    pixels = request.pixels
    whole = pixels if request.sized_by is None else request.sized_by
    architecture = choose_architecture(whole, request.rd_lambda)
    rounded = fit(
        pixels,
        architecture,
        choose_settings(request.preset, request.n_steps, request.report_steps),
        rd_lambda=request.rd_lambda,
        seed=request.seed,
        device=device,
        goes_on=goes_on,
        visible=request.visible,
    )
    if rounded is None:
        return None
    network = network_of(architecture, rounded.symbols, rounded.step_indices, pixels.shape)
    if math.isfinite(rounded.estimated_rate_bits):
        network = _centred(pixels, request.visible, network)
    return Fitted(network, rounded.estimated_rate_bits)


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


def _centred(pixels: NDArray[np.uint8], visible: NDArray[np.bool_] | None, network: MlpNetwork) -> MlpNetwork:
    """The network with output offsets that leave no mean error, which the fit only nears."""
    before = network.render()
    weights = np.float32(1) if visible is None else sample_weights(visible, pixels.shape[2])
    errors = (pixels.astype(np.int16) - before) * weights
    shift = np.rint(errors.mean((0, 1), dtype=np.float64) / 255 / step_size(network.step_indices[-1]))
    if not shift.any():
        return network
    offsets = np.clip(network.symbols[-1] + shift.astype(np.int32), -MAX_SYMBOL, MAX_SYMBOL)
    centred = network_of(network.shape, [*network.symbols[:-1], offsets], network.step_indices, pixels.shape)
    old, new = (mse(reference=pixels, decoded=each, visible=visible) for each in (before, centred.render()))
    return centred if new < old else network

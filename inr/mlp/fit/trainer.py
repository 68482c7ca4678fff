"""Eq. 5: fit one network to one image, L = MSE + λ · bpp.

A step takes one polyphase component of the image: every sy-th row and sx-th
column from a random offset, without replacement. It is as cheap as random pixels, covers the
image evenly, and lets the first layer be computed per row and per column. Nothing in the loop
waits for the device except a progress report.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inr.fit.entropy import estimate_bits
from inr.fit.hidden import sample_weights
from inr.fit.process import threads_available, torch_threads
from inr.fit.quantizer import add_uniform_noise, round_straight_through
from inr.fit.requests import FitReport, GoesOn
from inr.mlp.architecture import CoordinateMLP
from inr.mlp.fit.gradient import DistortionGradient, axis_features
from inr.mlp.fit.muon import MatrixOptimizer, Muon
from inr.mlp.fit.parameters import Parameters

_VALUES_WORTH_SHARING = 1 << 17


@dataclass(frozen=True)
class FitSettings:
    """Length and rates of a fit.

    Attributes:
        n_steps: Optimiser steps.
        batch_pixels: Pixels per step, at most.
        matrix_rate: Muon's learning rate for the sine layers' matrices, spectral norm per step.
        vector_rate: Adam's learning rate for phases and the output layer.
        step_rate: Adam's learning rate for the logarithms of the quantisation steps.
        hard_fraction: Closing share of the steps, in which weights are rounded and steps frozen.
        initial_step: Quantisation step to begin with, in radians.
        warmup_steps: Opening steps over which the rates rise linearly.
        refresh_steps: Steps between two derivations of the entropy model's scales.
        report_steps: Steps between two reports.
    """

    n_steps: int
    batch_pixels: int = 8192
    matrix_rate: float = 0.04
    vector_rate: float = 1e-3
    step_rate: float = 3e-2
    hard_fraction: float = 0.25
    initial_step: float = 0.05
    warmup_steps: int = 100
    refresh_steps: int = 10
    report_steps: int = 100


@dataclass(frozen=True)
class RoundedFit:
    """A fitted, rounded network.

    Attributes:
        symbols: int32 tensors in wire order.
        step_indices: For each tensor, the number that names its quantisation step in the file.
        estimated_rate_bits: Eq. 4 for these symbols; NaN if the fit diverged.
    """

    symbols: list[NDArray[np.int32]]
    step_indices: list[int]
    estimated_rate_bits: float


def polyphase_strides(height: int, width: int, batch_pixels: int) -> tuple[int, int]:
    """Row and column strides that leave at most `batch_pixels` pixels, as square as the pixels are."""
    n_phases = math.ceil(height * width / batch_pixels)
    row_stride = min(height, max(1, round(math.sqrt(n_phases))))
    column_stride = min(width, math.ceil(n_phases / row_stride))
    while math.ceil(height / row_stride) * math.ceil(width / column_stride) > batch_pixels:
        if column_stride < width:
            column_stride += 1
        else:
            row_stride += 1
    return row_stride, column_stride


def _phases(strides: tuple[int, int], generator: torch.Generator) -> Iterator[tuple[int, int]]:
    """Offsets of polyphase components, each pass over all of them in a new random order."""
    while True:
        for index in torch.randperm(strides[0] * strides[1], generator=generator).tolist():
            yield divmod(index, strides[1])


class _Optimizer:
    """Muon on the sine layers' matrices, Adam on everything else, under one schedule."""

    def __init__(
        self,
        parameters: Parameters,
        settings: FitSettings,
        matrix_optimizer: Callable[[Sequence[torch.Tensor]], MatrixOptimizer],
    ) -> None:
        self._parameters, self._settings = parameters, settings
        data = parameters.theta.detach()
        parameters.theta.grad = torch.zeros_like(data)
        self._matrices = matrix_optimizer(parameters.matrix_groups(data))
        gradients = parameters.split(parameters.theta.grad)
        self._vectors = []
        for spec, tensor, gradient in zip(parameters.specs, parameters.split(data), gradients, strict=True):
            if not spec.is_matrix or spec.name == "output.weight":
                parameter = torch.nn.Parameter(tensor)
                parameter.grad = gradient
                self._vectors.append(parameter)
        self._adam = torch.optim.Adam(
            [
                {"params": self._vectors, "lr": settings.vector_rate},
                {"params": [parameters.learned_log_steps], "lr": settings.step_rate},
            ],
            betas=(0.9, 0.99),
            fused=True,
        )

    def step(self, index: int) -> None:
        """Apply the gradients of step `index`: linear warm-up, then cosine decay to zero."""
        settings, gradient = self._settings, self._parameters.theta.grad
        factor = min(1.0, (index + 1) / settings.warmup_steps)
        factor *= 0.5 * (1 + math.cos(math.pi * index / settings.n_steps))
        for group, rate in zip(
            self._adam.param_groups, (settings.vector_rate, settings.step_rate), strict=True
        ):
            group["lr"] = rate * factor
        assert gradient is not None
        with torch.no_grad():
            self._matrices.step(self._parameters.matrix_groups(gradient), settings.matrix_rate * factor)
        self._adam.step()

    def zero_grad(self) -> None:
        """Forget the gradients, keeping the buffer that the views look into."""
        assert self._parameters.theta.grad is not None
        self._parameters.theta.grad.zero_()
        self._parameters.learned_log_steps.grad = None


def _threads_for(n_values: int) -> int:
    """One thread where a layer of a batch is too small to share, else as many as there are.

    On a busy machine, threads that wait for each other at every operation slow a small fit down
    twenty-fold and more; on a quiet one they gain it nothing.
    """
    return 1 if n_values < _VALUES_WORTH_SHARING else threads_available()


class _Fit:
    """One fit on its way."""

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        network: CoordinateMLP,
        settings: FitSettings,
        rd_lambda: float,
        generator: torch.Generator,
        matrix_optimizer: Callable[[Sequence[torch.Tensor]], MatrixOptimizer],
        visible: NDArray[np.bool_] | None,
    ) -> None:
        height, width, _ = pixels.shape
        device, longer = generator.device, max(width, height)
        self._settings, self._generator = settings, generator
        self._per_bit = rd_lambda / (height * width)
        self._image = torch.tensor(pixels, device=device)
        weights = None if visible is None else sample_weights(visible, pixels.shape[2])
        self._weights = None if weights is None else torch.tensor(weights, device=device)
        mean_colour = self._image.float().mean((0, 1)) / 255
        self._parameters = Parameters(network, mean_colour, settings.initial_step, generator)
        self._optimizer = _Optimizer(self._parameters, settings, matrix_optimizer)
        self._distortion_gradient = DistortionGradient(network, device.type)
        self._features_x = axis_features(network, width, longer).to(device)
        self._features_y = axis_features(network, height, longer).to(device)
        self.strides = polyphase_strides(height, width, settings.batch_pixels)
        n_tail = max(1, round(settings.n_steps * settings.hard_fraction))
        self._first_hard_step = settings.n_steps - n_tail
        self._step_indices: list[int] = []

    def step(self, index: int, phase: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Apply the gradients of step `index` on one polyphase component; return its bits and its MSE."""
        if index == self._first_hard_step:
            self._step_indices = self._parameters.freeze_steps()
        if index % self._settings.refresh_steps == 0 or index == self._first_hard_step:
            self._parameters.refresh_scales()
        steps, y = self._parameters.in_steps()
        rounded = round_straight_through(y)
        hard = index >= self._first_hard_step
        rate = self._parameters.rate_bits(rounded if hard else add_uniform_noise(y, self._generator))
        self._optimizer.zero_grad()
        weights = rounded * steps
        weight_gradient = torch.zeros_like(self._parameters.theta)
        distortion = self._distortion(weights.detach(), phase, weight_gradient)
        torch.autograd.backward([weights, self._per_bit * rate], [weight_gradient, None])
        self._optimizer.step(index)
        return rate.detach(), distortion

    def _distortion(
        self, weights: torch.Tensor, phase: tuple[int, int], gradient: torch.Tensor
    ) -> torch.Tensor:
        """MSE of a polyphase component; its gradient is added to `gradient`."""
        rows, columns = (
            slice(start, None, stride) for start, stride in zip(phase, self.strides, strict=True)
        )
        return self._distortion_gradient(
            self._parameters.split(weights),
            self._features_x[columns],
            self._features_y[rows],
            self._image[rows, columns].float() / 255,
            self._parameters.split(gradient),
            None if self._weights is None else self._weights[rows, columns],
        )

    def rounded(self) -> RoundedFit:
        """The rounded network; its estimate is NaN if the fit diverged."""
        symbols = self._parameters.symbols(self._step_indices)
        finite = bool(self._parameters.theta.isfinite().all())
        return RoundedFit(symbols, self._step_indices, estimate_bits(symbols) if finite else math.nan)


def fit(
    pixels: NDArray[np.uint8],
    network: CoordinateMLP,
    settings: FitSettings,
    *,
    rd_lambda: float,
    seed: int,
    device: str,
    goes_on: GoesOn,
    visible: NDArray[np.bool_] | None = None,
    matrix_optimizer: Callable[[Sequence[torch.Tensor]], MatrixOptimizer] = Muon,
) -> RoundedFit | None:
    """Fit a network to an image.

    Args:
        pixels: uint8 [height, width, channels].
        network: The architecture.
        settings: Length and rates.
        rd_lambda: λ of Eq. 5, for pixels in [0, 1] and bits per pixel.
        seed: Seed of the initial weights, the noise and the order of batches.
        device: "cpu" or "cuda".
        goes_on: Takes a report every so many steps; its answer decides whether the fit goes on.
        visible: See `FitRequest`.
        matrix_optimizer: Makes the optimiser of stacks of matrices, given those stacks.

    Returns:
        The rounded network, whose estimate is not finite if the fit diverged; None if it was not to go on.
    """
    generator = torch.Generator(device).manual_seed(seed)
    fitting = _Fit(pixels, network, settings, rd_lambda, generator, matrix_optimizer, visible)
    n_pixels, strides = pixels.shape[0] * pixels.shape[1], fitting.strides
    batch = math.ceil(pixels.shape[0] / strides[0]) * math.ceil(pixels.shape[1] / strides[1])
    phases = _phases(strides, torch.Generator().manual_seed(seed))
    with torch_threads(_threads_for(batch * network.n_neurons)):
        for index, phase in zip(range(settings.n_steps), phases, strict=False):
            rate, distortion = fitting.step(index, phase)
            if (index + 1) % settings.report_steps == 0:
                estimated_bpp = float(rate) / n_pixels
                psnr_db = -10 * math.log10(max(float(distortion), 1e-10))
                if not goes_on(FitReport(index + 1, settings.n_steps, estimated_bpp, psnr_db)):
                    return None
    return fitting.rounded()

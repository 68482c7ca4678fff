"""Eq. 5 for family `cnn`: fit a latent pyramid and its networks to one image.

The networks begin as those of the prior, and only their differences from it cost bits. A fit has three
stretches. First latents and networks are fitted together; soft rounding, which sharpens over time, and noise
take the place of the latents' rounding (arXiv 2312.02753, section 3.1). Then the latents are rounded for
good, and each matrix gets the step, a power of two, that costs least. Last, the networks are fitted alone,
with rounded weights in the loss (straight-through).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.arithmetic import MAX_LATENT, MAX_REACH, Latents
from inr.cnn.fit.losses import Losses, losses_on
from inr.cnn.fit.soap import Soap
from inr.cnn.levels import level_laws
from inr.cnn.network import (
    CnnNetwork,
    MatrixCoding,
    context_model,
    largest_row_sum,
    largest_symbol,
    row_sums,
    weights_of,
)
from inr.coding.pmf import N_SCALES, SCALE_BITS, THRESHOLDS
from inr.fit.entropy import constant_and_slope, context_scales
from inr.fit.quantizer import round_straight_through
from inr.fit.requests import FitReport, Fitted, GoesOn

_ASSUMED_EXPONENT = 8  # of all matrices, for the bits of weights before each has its own
_SHARES = {"filters": 0.1, "upsampling": 0.1}  # of the networks' rate
_NOISE_DEVIATION = 24**-0.5  # of the sum of two uniform variables of width a half


@dataclass(frozen=True)
class PyramidSettings:
    """Length and rates of a fit, as measured (benchmarks/results/cnn_choices.md).

    Attributes:
        n_steps: Optimiser steps, tail included.
        tail_fraction: Share of them in which the latents are rounded for good.
        latent_rate: Adam's rate on the latents, in latents a step.
        network_rate: SOAP's rate on the networks' matrices, in units of weights a step.
        tail_rate: Share of that rate at which the tail begins.
        warmest, coldest: Temperature of soft rounding at the start and at the end.
        widest, narrowest: Standard deviation of the latents' noise at the start and at the end.
        report_steps: Steps between progress reports.
    """

    n_steps: int
    tail_fraction: float = 0.1
    latent_rate: float = 0.2
    network_rate: float = 1e-2
    tail_rate: float = 0.3
    warmest: float = 0.4
    coldest: float = 0.1
    widest: float = 0.204
    narrowest: float = 0.204
    report_steps: int = 50

    @property
    def n_together(self) -> int:
        """Steps before the tail."""
        return round(self.n_steps * (1 - self.tail_fraction))


def soft_round(values: torch.Tensor, temperature: float) -> torch.Tensor:
    """Rounding that is smooth (arXiv 2006.09952, eq. 7): the identity when warm, round() when cold."""
    middle = values.floor() + 0.5
    return middle + torch.tanh((values - middle) / temperature) * (0.5 / math.tanh(0.5 / temperature))


class PyramidFit:
    """One fit on its way; arguments as those of `fit_pyramid`."""

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        architecture: LatentPyramid,
        settings: PyramidSettings,
        losses: Losses,
        rd_lambda: float,
        generator: torch.Generator,
        goes_on: GoesOn,
    ) -> None:
        self._architecture, self._settings, self._losses = architecture, settings, losses
        self._generator, self._goes_on = generator, goes_on
        device = generator.device
        self._target = torch.tensor(np.moveaxis(pixels, -1, 0), device=device).float() / 255
        n_pixels = architecture.width * architecture.height
        self._per_bit = rd_lambda / n_pixels
        # A sample at the end of the scale is met by all that is beyond it, since samples are clipped.
        self.least = torch.where(self._target == 0, 0.0, -math.inf)
        self.most = torch.where(self._target == 1, 0.0, math.inf)
        n_latents = architecture.n_latents
        self.latents = torch.zeros(n_latents, device=device, requires_grad=True)
        self._noise = torch.zeros(n_latents, device=device)
        self._known = [_known(architecture, name, device) for name in architecture.matrices]
        self.matrices = [matrix.clone().requires_grad_() for matrix in self._known]
        self._adam = torch.optim.Adam([self.latents], betas=(0.8, 0.99), eps=1e-10, fused=True)
        shares = [_SHARES.get(name, 1.0) for name in architecture.matrices]
        self._soap = Soap(self.matrices, rates=shares)

    def _surrogate(self, index: int, progress: float) -> torch.Tensor:
        """Latents as the decoder might see them, `progress` of the way to rounding.

        Every second step takes the noise of the one before it with the other sign, which evens it out.
        """
        settings = self._settings
        temperature = settings.warmest + (settings.coldest - settings.warmest) * progress
        if index % 2:
            self._noise.neg_()
        else:  # half the sum of two uniform variables: as wide as rounding errors, rarely at their ends
            self._noise.uniform_(-0.25, 0.25, generator=self._generator)
            self._noise += torch.empty_like(self._noise).uniform_(-0.25, 0.25, generator=self._generator)
        width = settings.widest + (settings.narrowest - settings.widest) * progress
        noise = self._noise * (width / _NOISE_DEVIATION)
        return soft_round(soft_round(self.latents, temperature) + noise, temperature)

    def _distortion(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        error = self._losses.image(latents, matrices) - self._target
        return error.clamp(self.least, self.most).square().mean()

    def _step(
        self,
        index: int,
        latents: torch.Tensor,
        matrices: Sequence[torch.Tensor],
        weight_bits: torch.Tensor,
        rate: float,
    ) -> bool:
        """Apply the gradients of step `index`; return whether the fit goes on."""
        self._adam.zero_grad()
        for matrix in self.matrices:
            matrix.grad = None
        bits = self._losses.bits(latents, matrices) + weight_bits
        distortion = self._distortion(latents, matrices)
        torch.autograd.backward(distortion + self._per_bit * bits)
        self._soap.step(rate * self._settings.network_rate)
        if self.latents.requires_grad:
            self._adam.param_groups[0]["lr"] = rate * self._settings.latent_rate
            self._adam.step()
        if (index + 1) % self._settings.report_steps:
            return True
        estimated_bpp = float(bits.detach()) / (self._architecture.width * self._architecture.height)
        psnr_db = -10 * math.log10(max(float(distortion.detach()), 1e-10))
        return self._goes_on(FitReport(index + 1, self._settings.n_steps, estimated_bpp, psnr_db))

    def together(self) -> bool:
        """Fit latents and networks, the rate decaying along a cosine; return whether the fit goes on."""
        n_steps = self._settings.n_together
        exponents = [_ASSUMED_EXPONENT] * len(self.matrices)
        for index in range(n_steps):
            progress = index / n_steps
            rate = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress))
            bits = self._weight_bits([self._symbols(n, k) for n, k in enumerate(exponents)])
            if not self._step(index, self._surrogate(index, progress), self.matrices, bits, rate):
                return False
        return True

    @torch.no_grad()
    def round_latents(self) -> None:
        """Round the latents for good."""
        self.latents.requires_grad_(False)
        self.latents.copy_(self.latents.round().clamp(-MAX_LATENT, MAX_LATENT))

    @torch.no_grad()
    def choose_exponents(self) -> list[int]:
        """The exponent of each matrix that costs least, the others left as they are."""
        exponents = []
        for n, name in enumerate(self._architecture.matrices):
            tried = range(self._architecture.exponent(name) + 1)
            exponents.append(min(tried, key=lambda exponent: self._cost(n, exponent)))
        return exponents

    def _cost(self, n: int, exponent: int) -> float:
        matrices = list(self.matrices)
        name = list(self._architecture.matrices)[n]
        symbols = self._symbols(n, exponent).round()
        matrices[n] = self._weights(n, symbols, exponent)
        if not _fits(self._architecture, name, symbols, matrices[n]):
            return math.inf
        bits = _weight_bits(symbols) if exponent else 0.0
        if name in CONTEXT_MATRICES:
            return self._per_bit * float(bits + self._losses.bits(self.latents, matrices))
        return float(self._distortion(self.latents, matrices)) + self._per_bit * float(bits)

    def _symbols(self, n: int, exponent: int) -> torch.Tensor:
        """The difference of a matrix from its prior, in steps of its exponent, not rounded."""
        return (self.matrices[n] - self._known[n]) * (2.0**exponent if exponent else 0.0)

    def _weights(self, n: int, symbols: torch.Tensor, exponent: int) -> torch.Tensor:
        return self._known[n] + symbols * 2.0**-exponent

    def _weight_bits(self, symbols: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack([_weight_bits(matrix) for matrix in symbols]).sum()

    def networks_alone(self, exponents: Sequence[int]) -> bool:
        """Fit the networks with rounded weights, each with its step; return whether the fit goes on."""
        first, n_steps = self._settings.n_together, self._settings.n_steps
        for index in range(first, n_steps):
            progress = (index - first) / (n_steps - first)
            rate = self._settings.tail_rate * 0.5 * (1 + math.cos(math.pi * progress))
            symbols = [round_straight_through(self._symbols(n, k)) for n, k in enumerate(exponents)]
            weights = [self._weights(n, symbols[n], k) for n, k in enumerate(exponents)]
            if not self._step(index, self.latents, weights, self._weight_bits(symbols), rate):
                return False
        return True

    @torch.no_grad()
    def finish(self, exponents: Sequence[int]) -> Fitted:
        """The rounded network, and its bits; they are not finite if the fit came apart."""
        architecture = self._architecture
        matrices, codings, weights, bits = [], [], [], 0.0
        for n, (name, exponent) in enumerate(zip(architecture.matrices, exponents, strict=True)):
            rounded = self._symbols(n, exponent).round()
            if not _fits(architecture, name, rounded, self._weights(n, rounded, exponent)):
                rounded = rounded.nan_to_num().clamp(-1, 1)  # a fit that came apart
            bits += float(_weight_bits(rounded)) if exponent else 0.0
            weights.append(self._weights(n, rounded, exponent))
            matrices.append(rounded.to(torch.int32).cpu().numpy())
            codings.append(MatrixCoding(exponent, mean_index(matrices[-1]) if exponent else 0))
        bits += float(self._losses.bits(self.latents, weights))
        levels = self._rounded_levels()
        context = context_model(architecture, weights_of(architecture, matrices, codings))
        reaches = [int(np.abs(level_laws(context, n, levels)[1]).max()) for n in range(len(levels))]
        network = CnnNetwork(
            shape=architecture,
            matrices=matrices,
            codings=codings,
            levels=levels,
            reaches=[min(reach, MAX_REACH) for reach in reaches],
        )
        return Fitted(network, bits if self._is_finite() and max(reaches) <= MAX_REACH else math.nan)

    def _is_finite(self) -> bool:
        return all(bool(tensor.isfinite().all()) for tensor in (self.latents, *self.matrices))

    def _rounded_levels(self) -> list[Latents]:
        sizes = [height * width for height, width in self._architecture.grid_shapes]
        flat = self.latents.nan_to_num().to(torch.int16).cpu()
        parts = torch.split(flat, sizes)
        return [
            part.view(shape).numpy()
            for part, shape in zip(parts, self._architecture.grid_shapes, strict=True)
        ]


def mean_index(symbols: NDArray[np.int32]) -> int:
    """Index of the scale that codes a matrix: that of its mean, or of one that reaches its largest."""
    magnitudes = np.abs(symbols)
    index = int(np.searchsorted(THRESHOLDS, float(magnitudes.mean()) * (1 << SCALE_BITS), side="right"))
    while index < N_SCALES - 1 and largest_symbol(index) < magnitudes.max():
        index += 1
    return index


def _known(architecture: LatentPyramid, name: str, device: torch.device) -> torch.Tensor:
    """The prior's matrix: float32, in units of one."""
    unit = 2.0 ** -architecture.exponent(name)
    return torch.tensor(architecture.known(name), dtype=torch.float32, device=device) * unit


def _fits(architecture: LatentPyramid, name: str, symbols: torch.Tensor, weights: torch.Tensor) -> bool:
    """True if the format has room for the symbols of a matrix, and for its weights."""
    if not float(symbols.abs().max()) <= largest_symbol(N_SCALES - 1):  # or not a number
        return False
    integers = (weights * 2.0 ** architecture.exponent(name)).round().to(torch.int32).cpu().numpy()
    return int(row_sums(architecture, name, integers).max()) <= largest_row_sum(name)


def _weight_bits(symbols: torch.Tensor) -> torch.Tensor:
    """Bits of a matrix under the laws that its rounded symbols lead to."""
    constant, slope = constant_and_slope(context_scales(symbols.detach().round()))
    return constant.sum() + (slope * symbols.abs()).sum()


def fit_pyramid(
    pixels: NDArray[np.uint8],
    architecture: LatentPyramid,
    settings: PyramidSettings,
    *,
    rd_lambda: float,
    seed: int,
    device: str,
    goes_on: GoesOn,
    plain: bool = False,
) -> Fitted | None:
    """Fit a latent pyramid to an image.

    Args:
        pixels: uint8 [height, width, channels].
        architecture: The network's architecture, with a prior.
        settings: Length and rates.
        rd_lambda: λ of Eq. 5, for pixels in [0, 1] and bits per pixel.
        seed: Seed of the noise.
        device: "cpu" or "cuda".
        goes_on: Takes a report every so many steps; its answer decides whether the fit goes on.
        plain: Do without the compiled loops.

    Returns:
        The rounded network, and its bits, which are not finite if the fit diverged; None if it was not to
        go on.
    """
    with losses_on(device, architecture, plain=plain) as losses:
        generator = torch.Generator(device).manual_seed(seed)
        fit = PyramidFit(pixels, architecture, settings, losses, rd_lambda, generator, goes_on)
        if not fit.together():
            return None
        fit.round_latents()
        exponents = fit.choose_exponents()
        return fit.finish(exponents) if fit.networks_alone(exponents) else None

"""Eq. 5 for family `cnn`: fit a latent pyramid and its networks to one image.

Three stretches. First latents and networks together, rounding replaced by soft rounding and noise
that both sharpen over time (arXiv 2312.02753, section 3.1). Then the latents are rounded for good and each
matrix gets the step, a power of two, that costs least. Then the networks alone, with rounded weights in the
loss (straight-through) and the bits of the weights in the rate.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inr.cnn import (
    MAX_EXPONENT,
    MIN_EXPONENT,
    LatentPyramid,
    compiled_kernels,
    largest_row_sum,
    largest_symbol,
    level_coding,
    level_laws,
    matrix_coding,
)
from inr.cnn_gradient import CompiledLosses, PlainLosses
from inr.context import MAX_LATENT
from inr.decoder import Network, render
from inr.entropy import constant_and_slope, context_scales
from inr.metrics import mse
from inr.pmf import MAX_REACH, N_SCALES, SCALE_BITS, THRESHOLDS
from inr.quantizer import round_straight_through
from inr.soap import Soap

# Taps of a cubic (Keys, a = -3/4) a quarter before a source: where the filters begin.
_CUBIC = (-0.0351562, 0.2617188, 0.8789062, -0.1054688)

_LARGE_PIXELS = 1 << 14
_SMALL_PIXELS = 1 << 12  # below, the weights may cost more than they gain
_COLOUR_EXPONENT = 10  # fine enough for every level of 255


@dataclass(frozen=True)
class PyramidSettings:
    """Duration and rates of a fit, as measured (benchmarks/results/cnn_choices.md).

    Attributes:
        n_steps: Optimiser steps, tail included.
        tail_fraction: Share of them in which the latents are rounded for good.
        n_candidates: Starts from different seeds, the best of which goes on.
        candidate_steps: Steps of each before it is chosen.
        latent_rate: Of Adam on the latents, in latents a step.
        network_rate: Of SOAP on the networks' matrices, in units of weights a step.
        tail_rate: The same in the tail, as a share.
        warmest, coldest: Temperature of soft rounding at the start and at the end.
        report_steps: Steps between progress reports.
    """

    n_steps: int
    tail_fraction: float = 0.1
    n_candidates: int = 5
    candidate_steps: int = 50
    latent_rate: float = 0.11
    network_rate: float = 1e-2
    tail_rate: float = 0.3
    warmest: float = 0.3
    coldest: float = 0.1
    report_steps: int = 50

    @property
    def n_together(self) -> int:
        """Steps before the tail."""
        return round(self.n_steps * (1 - self.tail_fraction))


_SETTINGS = {
    "draft": PyramidSettings(1000),
    "standard": PyramidSettings(5000),
    "best": PyramidSettings(20000),
}

Losses = PlainLosses | CompiledLosses
Report = Callable[[int, float, float], None]


@contextmanager
def _losses(architecture: LatentPyramid, device: str) -> Iterator[Losses]:
    """Compiled loops on a CPU with numba, over as many threads as torch may use; else plain operations."""
    if device == "cpu" and compiled_kernels() is not None:
        from inr import fit_kernels

        n_threads = torch.get_num_threads()
        pool = ThreadPoolExecutor(n_threads) if n_threads > 1 else None
        torch.set_num_threads(1)  # what is left to torch is too small to share
        try:
            yield CompiledLosses(architecture, fit_kernels, pool)
        finally:
            torch.set_num_threads(n_threads)
            if pool is not None:
                pool.shutdown()
    else:
        yield PlainLosses(architecture)


def soft_round(values: torch.Tensor, temperature: float) -> torch.Tensor:
    """Rounding that is smooth (arXiv 2006.09952, eq. 7): the identity when warm, round() when cold."""
    middle = values.floor() + 0.5
    return middle + torch.tanh((values - middle) / temperature) * (0.5 / math.tanh(0.5 / temperature))


class _Fit:
    """One fit on its way."""

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        architecture: LatentPyramid,
        settings: PyramidSettings,
        losses: Losses,
        rd_lambda: float,
        generator: torch.Generator,
        report: Report,
    ) -> None:
        self._architecture, self._settings, self._losses = architecture, settings, losses
        self._generator, self._report = generator, report
        device = generator.device
        self._target = torch.tensor(np.moveaxis(pixels, -1, 0), device=device).float() / 255
        n_pixels = architecture.width * architecture.height
        self._per_bit = rd_lambda / n_pixels
        n_latents = architecture.n_parameters - architecture.n_weights
        self._latents = torch.zeros(n_latents, device=device, requires_grad=True)
        self._noise = torch.zeros(n_latents, device=device)
        self._matrices = _initial_matrices(architecture, self._target.mean((1, 2)), rd_lambda, generator)
        self._adam = torch.optim.Adam([self._latents], betas=(0.8, 0.99), eps=1e-10, fused=True)
        shares = [0.1 if name == "upsampling" else 1.0 for name in architecture.matrices]
        self._soap = Soap(self._matrices, rates=shares)

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
        return soft_round(soft_round(self._latents, temperature) + self._noise, temperature)

    def _distortion(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        return (self._losses.image(latents, matrices) - self._target).square().mean()

    def _step(
        self,
        index: int,
        latents: torch.Tensor,
        matrices: Sequence[torch.Tensor],
        *,
        rate: float,
        weight_bits: torch.Tensor | None = None,
    ) -> None:
        self._adam.zero_grad()
        for matrix in self._matrices:
            matrix.grad = None
        bits = self._losses.bits(latents, matrices)
        if weight_bits is not None:
            bits = bits + weight_bits
        distortion = self._distortion(latents, matrices)
        torch.autograd.backward(distortion + self._per_bit * bits)
        self._soap.step(rate * self._settings.network_rate)
        if self._latents.requires_grad:
            self._adam.param_groups[0]["lr"] = rate * self._settings.latent_rate
            self._adam.step()
        if (index + 1) % self._settings.report_steps == 0 and index >= self._settings.candidate_steps:
            n_pixels = self._architecture.width * self._architecture.height
            estimated_bpp = float(bits.detach()) / n_pixels
            self._report(index + 1, estimated_bpp, -10 * math.log10(max(float(distortion.detach()), 1e-10)))

    def together(self, steps: range) -> None:
        """Fit latents and networks; the rate decays along a cosine."""
        n_steps = self._settings.n_together
        for index in steps:
            progress = index / n_steps
            rate = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress))
            self._step(index, self._surrogate(index, progress), self._matrices, rate=rate)

    @torch.no_grad()
    def cost(self) -> float:
        """Eq. 5 with rounded latents, the networks' bits aside."""
        rounded = self._latents.round()
        bits = self._losses.bits(rounded, self._matrices)
        return float(self._distortion(rounded, self._matrices) + self._per_bit * bits)

    @torch.no_grad()
    def round_latents(self) -> None:
        """Round the latents for good."""
        self._latents.requires_grad_(False)
        self._latents.copy_(self._latents.round().clamp(-MAX_LATENT, MAX_LATENT))

    @torch.no_grad()
    def choose_exponents(self) -> list[int]:
        """The exponent of each matrix that costs least, the others left as they are."""
        return [
            min(range(MIN_EXPONENT, MAX_EXPONENT + 1), key=lambda exponent: self._cost(n, exponent))
            for n in range(len(self._matrices))
        ]

    def _cost(self, n: int, exponent: int) -> float:
        matrices = list(self._matrices)
        symbols = _fitting(
            list(self._architecture.matrices)[n], matrices[n].ldexp(torch.tensor(exponent)).round()
        )
        if symbols is None:
            return math.inf
        matrices[n] = symbols.ldexp(torch.tensor(-exponent))
        bits = _weight_bits(symbols)
        if n < 3:
            return self._per_bit * float(bits + self._losses.bits(self._latents, matrices))
        return float(self._distortion(self._latents, matrices)) + self._per_bit * float(bits)

    def networks_alone(self, first: int, exponents: Sequence[int]) -> None:
        """Fit the networks with rounded weights, each matrix with its step."""
        n_steps, scales = self._settings.n_steps - first, [2.0**exponent for exponent in exponents]
        for index in range(first, self._settings.n_steps):
            rate = self._settings.tail_rate * 0.5 * (1 + math.cos(math.pi * (index - first) / n_steps))
            symbols = [
                round_straight_through(matrix * scale)
                for matrix, scale in zip(self._matrices, scales, strict=True)
            ]
            weights = [matrix / scale for matrix, scale in zip(symbols, scales, strict=True)]
            bits = torch.stack([_weight_bits(matrix) for matrix in symbols]).sum()
            self._step(index, self._latents, weights, rate=rate, weight_bits=bits)

    @torch.no_grad()
    def finish(self, exponents: Sequence[int]) -> tuple[Network, float]:
        """What was fitted, and its bits; not finite if it came apart."""
        symbols, codings, bits = [], [], 0.0
        weights = []
        for name, matrix, exponent in zip(
            self._architecture.matrices, self._matrices, exponents, strict=True
        ):
            rounded = (matrix * 2.0**exponent).round()
            fitting = _fitting(name, rounded)
            rounded = rounded.clamp(-16, 16) if fitting is None else fitting  # a fit that came apart
            bits += float(_weight_bits(rounded))
            weights.append(rounded / 2.0**exponent)
            symbols.append(rounded.to(torch.int32).cpu().numpy())
            codings.append(matrix_coding(exponent, mean_index(symbols[-1])))
        bits += float(self._losses.bits(self._latents, weights))
        finite = bool(self._latents.isfinite().all()) and all(
            bool(m.isfinite().all()) for m in self._matrices
        )
        sizes = [height * width for height, width in self._architecture.level_shapes]
        flat = self._latents.nan_to_num().to(torch.int16).cpu()
        for part, shape in zip(torch.split(flat, sizes), self._architecture.level_shapes, strict=True):
            symbols.append(part.view(shape).numpy())
        context, _ = self._architecture.networks(symbols, codings)
        for level in symbols[len(codings) :]:
            relative = level_laws(context, level)[1]
            reach = int(np.abs(relative).max())
            finite = finite and reach <= MAX_REACH
            codings.append(level_coding(min(reach, MAX_REACH)))
        return Network(self._architecture, symbols, codings), bits if finite else math.nan


def _initial_matrices(
    architecture: LatentPyramid, mean_colour: torch.Tensor, rd_lambda: float, generator: torch.Generator
) -> list[torch.Tensor]:
    """Networks that begin near what they are to become.

    One unit of a latent of the finest level begins as a change of samples of about sqrt(6 λ), near its
    quantisation step in a good fit; coarser levels change more samples and begin half as strong each.
    """

    def uniform(rows: int, columns: int, variance: float) -> torch.Tensor:
        bound = math.sqrt(3 * variance / columns)
        drawn = torch.rand((rows, columns), generator=generator, device=generator.device) * 2 - 1
        return torch.cat([drawn * bound, torch.zeros((rows, 1), device=drawn.device)], dim=1)

    matrices = []
    for name, (rows, columns) in architecture.matrices.items():
        if name == "upsampling":
            matrix = torch.tensor(_CUBIC, device=generator.device).repeat(rows, 1)
        elif name.startswith("residual"):
            matrix = torch.zeros(rows, columns, device=generator.device)
        elif name == "synthesis0":
            matrix = uniform(rows, columns - 1, 100 * rd_lambda)
            matrix[:, :-1] *= 2.0 ** -torch.arange(columns - 1, device=matrix.device)
        elif name == "synthesis1":
            matrix = uniform(rows, columns - 1, 1.0)
            matrix[:, -1] = mean_colour
        else:
            matrix = uniform(rows, columns - 1, 0.1 if name == "context2" else 2.0)
        matrices.append(matrix.requires_grad_())
    return matrices


def mean_index(symbols: NDArray[np.int32]) -> int:
    """Index of the scale that codes a matrix: that of its mean, or of one that reaches its largest."""
    magnitudes = np.abs(symbols)
    index = int(np.searchsorted(THRESHOLDS, float(magnitudes.mean()) * (1 << SCALE_BITS), side="right"))
    while index < N_SCALES - 1 and largest_symbol(index) < magnitudes.max():
        index += 1
    return index


def _fitting(name: str, symbols: torch.Tensor) -> torch.Tensor | None:
    """The symbols, if the format has room for them."""
    magnitudes = symbols.abs()
    fits = float(magnitudes.max()) <= largest_symbol(N_SCALES - 1)
    return symbols if fits and float(magnitudes.sum(1).max()) <= largest_row_sum(name) else None


def _weight_bits(symbols: torch.Tensor) -> torch.Tensor:
    """Bits of a matrix under the laws that its rounded symbols lead to."""
    constant, slope = constant_and_slope(context_scales(symbols.detach().round()))
    return constant.sum() + (slope * symbols.abs()).sum()


def fit_cnn(
    pixels: NDArray[np.uint8],
    preset: str,
    *,
    rd_lambda: float,
    seed: int,
    device: str,
    report: Callable[[int, int, float, float], None],
) -> tuple[Network, float]:
    """Fit a latent pyramid to an image; arguments and result as those of `mlp_encoder.fit_mlp`."""
    architecture, settings = choose_pyramid(pixels), _SETTINGS[preset]
    network, bits = fit_pyramid(
        pixels,
        architecture,
        settings,
        rd_lambda=rd_lambda,
        seed=seed,
        device=device,
        report=lambda step, rate, psnr: report(step, settings.n_steps, rate, psnr),
    )
    if pixels.shape[0] * pixels.shape[1] < _SMALL_PIXELS and math.isfinite(bits):
        plain = one_colour_cnn(pixels, rd_lambda)
        if _cost(plain, 0.0, pixels, rd_lambda) < _cost(network, bits, pixels, rd_lambda):
            return plain, 0.0
    return network, bits


def _cost(network: Network, bits: float, pixels: NDArray[np.uint8], rd_lambda: float) -> float:
    """MSE + λ · bpp."""
    height, width, _ = pixels.shape
    decoded = render(network, width=width, height=height)
    distortion: float = mse(reference=pixels, decoded=decoded)
    cost: float = distortion + rd_lambda * bits / (height * width)
    return cost


def one_colour_cnn(pixels: NDArray[np.uint8], rd_lambda: float) -> Network:
    """The network of an image's mean colour, whatever λ: nothing but the output's constants."""
    height, width, channels = pixels.shape
    architecture = LatentPyramid(channels, width, height, 1, 2, 2, 0)
    matrices = [np.zeros(shape, dtype=np.int32) for shape in architecture.matrices.values()]
    matrices[-1][:, -1] = np.rint(pixels.mean((0, 1)) / 255 * 2**_COLOUR_EXPONENT)
    exponents = [MIN_EXPONENT] * (len(matrices) - 1) + [_COLOUR_EXPONENT]
    codings = [
        matrix_coding(exponent, mean_index(matrix))
        for matrix, exponent in zip(matrices, exponents, strict=True)
    ]
    latents = np.zeros((height, width), dtype=np.int16)
    return Network(architecture, [*matrices, latents], [*codings, level_coding(0)])


def choose_pyramid(pixels: NDArray[np.uint8]) -> LatentPyramid:
    """The network for an image: full size from 128 x 128 pixels on, less below, where weights are dear."""
    height, width, channels = pixels.shape
    n_levels = min(7, max(1, min(height, width).bit_length() - 1))
    large = height * width >= _LARGE_PIXELS
    context_width, synthesis_width = (16, 40) if large else (8, 16)
    return LatentPyramid(channels, width, height, n_levels, context_width, synthesis_width, 2 if large else 1)


def fit_pyramid(
    pixels: NDArray[np.uint8],
    architecture: LatentPyramid,
    settings: PyramidSettings,
    *,
    rd_lambda: float,
    seed: int,
    device: str,
    report: Report,
) -> tuple[Network, float]:
    """Fit a latent pyramid to an image.

    Args:
        pixels: uint8 [height, width, channels].
        architecture: Of the network.
        settings: Duration and rates.
        rd_lambda: λ of Eq. 5, for pixels in [0, 1] and bits per pixel.
        seed: Of the initial weights and the noise.
        device: "cpu" or "cuda".
        report: Called with (step, estimated bpp, PSNR in dB) every so many steps; what it raises
            ends the fit.

    Returns:
        The rounded network, and its bits; they are not finite if the fit diverged.
    """
    with _losses(architecture, device) as losses:

        def start(candidate: int) -> _Fit:
            generator = torch.Generator(device).manual_seed(seed + (candidate << 40))
            fit = _Fit(pixels, architecture, settings, losses, rd_lambda, generator, report)
            fit.together(range(settings.candidate_steps))
            return fit

        fit = min(map(start, range(settings.n_candidates)), key=_Fit.cost)
        fit.together(range(settings.candidate_steps, settings.n_together))
        fit.round_latents()
        exponents = fit.choose_exponents()
        fit.networks_alone(settings.n_together, exponents)
        return fit.finish(exponents)

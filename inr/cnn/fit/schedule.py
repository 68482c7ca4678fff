"""How a fit of family `cnn` goes on: its length, its rates, and the surrogate of rounding."""

import math
from dataclasses import dataclass

import torch

_NOISE_DEVIATION = 24**-0.5  # of the sum of two uniform variables of width a half
_LAST_RATE = 0.03  # share of the first rate that is left at the end


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
        check_steps: Steps between looks at the rounded state, in the last third before the tail.
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
    check_steps: int = 50

    @property
    def n_together(self) -> int:
        """Steps before the tail."""
        return round(self.n_steps * (1 - self.tail_fraction))

    def rate(self, progress: float) -> float:
        """Share of the rates, `progress` of the way to the tail: half a cosine."""
        return _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))

    def rate_of_tail(self, progress: float) -> float:
        """Share of the networks' rate, `progress` of the way through the tail."""
        return self.tail_rate * 0.5 * (1 + math.cos(math.pi * progress))


def soft_round(values: torch.Tensor, temperature: float) -> torch.Tensor:
    """Rounding that is smooth (arXiv 2006.09952, eq. 7): the identity when warm, round() when cold."""
    middle = values.floor() + 0.5
    return middle + torch.tanh((values - middle) / temperature) * (0.5 / math.tanh(0.5 / temperature))


class Surrogate:
    """Latents as the decoder might see them (arXiv 2312.02753, section 3.1).

    Every second step takes the noise of the one before it with the other sign, which evens it out.

    Args:
        settings: Widths and temperatures.
        n_latents: Number of latents.
        generator: Draws the noise.
    """

    def __init__(self, settings: PyramidSettings, n_latents: int, generator: torch.Generator) -> None:
        self._settings, self._generator = settings, generator
        self._noise = torch.zeros(n_latents, device=generator.device)

    def __call__(self, latents: torch.Tensor, index: int, progress: float) -> torch.Tensor:
        """Latents of step `index`, softly rounded with noise, `progress` of the way to rounding."""
        settings = self._settings
        temperature = settings.warmest + (settings.coldest - settings.warmest) * progress
        if index % 2:
            self._noise.neg_()
        else:  # half the sum of two uniform variables: as wide as rounding errors, rarely at their ends
            self._noise.uniform_(-0.25, 0.25, generator=self._generator)
            self._noise += torch.empty_like(self._noise).uniform_(-0.25, 0.25, generator=self._generator)
        width = settings.widest + (settings.narrowest - settings.widest) * progress
        noise = self._noise * (width / _NOISE_DEVIATION)
        return soft_round(soft_round(latents, temperature) + noise, temperature)

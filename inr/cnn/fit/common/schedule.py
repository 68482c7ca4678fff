"""How a fit of family `cnn` goes on: its length, its rates, its noise and temperature."""

import math
from dataclasses import dataclass

from inr.fit.steering import LAST

LATENT_BETAS = 0.8, 0.99  # of Adam on the latents
LATENT_EPSILON = 0.01  # of Adam on the latents, times λ a pixel, so that it means the same at every size
NETWORK_SHARES = {"filters": 0.1, "upsampling": 0.1}  # of the networks' rate, of matrices by name
_LAST_RATE = 0.01  # share of the first rate that is left at the end


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
        trial_share: Moves of single symbols that are tried after the last step, for each step.
        latent_trial_share: Trials of latents that move, one in each block, for each step.
        report_steps: Steps between progress reports.
        check_steps: Steps between looks at the rounded state, in the last third before the tail.
        skipped: Share of the steps before the tail that are left out, by a fit that goes on from another.
    """

    n_steps: int
    tail_fraction: float = 0.03
    latent_rate: float = 0.3
    network_rate: float = 1e-2
    tail_rate: float = 0.02
    warmest: float = 0.4
    coldest: float = 0.1
    widest: float = 0.204
    narrowest: float = 0.204
    trial_share: float = 0.2
    latent_trial_share: float = 0.08
    report_steps: int = 50
    check_steps: int = 50
    skipped: float = 0.0

    @property
    def first_step(self) -> int:
        """The first step that is taken; it is even, as noise wants it."""
        return round(self.skipped * self.n_together) // 2 * 2

    @property
    def n_together(self) -> int:
        """Steps before the tail."""
        return round(self.n_steps * (1 - self.tail_fraction))

    @property
    def n_trials(self) -> int:
        """Moves of single symbols that are tried after the last step, at most."""
        return round(self.n_steps * self.trial_share)

    @property
    def n_latent_trials(self) -> int:
        """Trials of latents that move after that, at most."""
        return round(self.n_steps * self.latent_trial_share)

    def is_check(self, index: int, *, steered: bool) -> bool:
        """Whether the rounded state is looked at after step `index`: late, and once λ stands still."""
        n_steps = self.n_together
        is_late = index / n_steps > 2 / 3 and (not steered or (index + 1) / self.n_steps > LAST)
        return is_late and (n_steps - index - 1) % self.check_steps == 0

    def rate(self, progress: float) -> float:
        """Share of the rates, `progress` of the way to the tail: half a cosine."""
        return _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))

    def rate_of_tail(self, progress: float) -> float:
        """Share of the networks' rate, `progress` of the way through the tail."""
        return self.tail_rate * 0.5 * (1 + math.cos(math.pi * progress))

    def temperature(self, progress: float) -> float:
        """Temperature of soft rounding, `progress` of the way to the tail."""
        return self.warmest + (self.coldest - self.warmest) * progress

    def width(self, progress: float) -> float:
        """Standard deviation of the latents' noise, `progress` of the way to the tail."""
        return self.widest + (self.narrowest - self.widest) * progress

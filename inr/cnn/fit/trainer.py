"""Eq. 5 for family `cnn`: fit a latent pyramid and its networks to one image.

The networks begin as those of the prior, and only their differences from it cost bits. A fit has four
stretches. First latents and networks are fitted together; soft rounding, which sharpens over time, and noise
take the place of the latents' rounding. Then the latents are rounded for good, and each matrix gets the step,
a power of two, that costs least. Third, the networks are fitted alone, with rounded weights in the loss
(straight-through). Towards the ends of the first and the third stretch the best rounded state is kept. Last,
single symbols of the networks and then single latents move where that lowers the cost (common/settling.py,
common/moving.py).
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.arithmetic import MAX_LATENT
from inr.cnn.fit.common.beginning import begun
from inr.cnn.fit.common.finish import payload_aim, rounded_network
from inr.cnn.fit.common.losses import Losses, Target
from inr.cnn.fit.common.moving import Measured
from inr.cnn.fit.common.noise import Noise
from inr.cnn.fit.common.schedule import LATENT_BETAS, LATENT_EPSILON, NETWORK_SHARES, PyramidSettings
from inr.cnn.fit.common.settling import Answer, Asked, advance, settle
from inr.cnn.fit.common.trimming import move_towards
from inr.cnn.fit.common.weights import cheapest_exponent, symbol_bits
from inr.cnn.fit.compiled.choice import losses_of
from inr.cnn.fit.soap import Soap
from inr.cnn.network import CnnNetwork
from inr.fit.process import kept_memory
from inr.fit.requests import FitReport, Fitted, GoesOn
from inr.fit.steering import Aim, Steering, is_look


class PyramidFit:
    """One fit on its way; arguments as those of `fit_pyramid`."""

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        architecture: LatentPyramid,
        settings: PyramidSettings,
        losses: Losses,
        steering: Steering,
        seed: int,
        goes_on: GoesOn,
        visible: NDArray[np.bool_] | None = None,
        begin: CnnNetwork | None = None,
    ) -> None:
        self._architecture, self._settings, self._losses = architecture, settings, losses
        self._goes_on = goes_on
        self._target = Target.of(pixels, visible)
        self._steering, self._is_steered = steering, steering.aim is not None
        self.latents, self.weights = begun(architecture, begin)
        self.latents.requires_grad_()
        self._noise = Noise(architecture.n_latents, seed)
        self._adam = torch.optim.Adam([self.latents], betas=LATENT_BETAS, fused=True)
        shares = [NETWORK_SHARES.get(name, 1.0) for name in architecture.matrices]
        self._soap = Soap(self.weights.matrices, rates=shares)
        self._best = math.inf
        self._kept: list[torch.Tensor] = []

    @property
    def _per_bit(self) -> float:
        return self._steering.rd_lambda / (self._architecture.width * self._architecture.height)

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
        for matrix in self.weights.matrices:
            matrix.grad = None
        bits = self._losses.bits(latents, matrices) + weight_bits
        distortion = self._losses.distortion(latents, matrices, self._target)
        cost = distortion + self._per_bit * bits
        torch.autograd.backward(cost)
        if not self.latents.requires_grad:  # the cost is that of the rounded state
            self._keep(float(cost.detach()), self.weights.matrices)
        self._soap.step(rate * self._settings.network_rate)
        if self.latents.requires_grad:
            group, epsilon = self._adam.param_groups[0], LATENT_EPSILON * self._per_bit
            group["lr"], group["eps"] = rate * self._settings.latent_rate, epsilon
            self._adam.step()
        if (index + 1) % self._settings.report_steps:
            return True
        return self._report(index + 1, float(bits.detach()), float(distortion.detach()))

    def _report(self, step: int, bits: float, distortion: float) -> bool:
        """Report where the fit stands; return whether it goes on."""
        estimated_bpp = bits / (self._architecture.width * self._architecture.height)
        psnr_db = -10 * math.log10(max(distortion, 1e-10))
        return self._goes_on(FitReport(step, self._settings.n_steps, estimated_bpp, psnr_db))

    def together(self) -> bool:
        """Fit latents and networks, the rate decaying along a cosine; return whether the fit goes on."""
        n_steps = self._settings.n_together
        for index in range(self._settings.first_step, n_steps):
            progress = index / n_steps
            noise = self._noise.draw(index) * self._settings.width(progress)
            latents = self._losses.soften(self.latents, noise, self._settings.temperature(progress))
            bits, rate = self.weights.assumed_bits(), self._settings.rate(progress)
            if not self._step(index, latents, self.weights.matrices, bits, rate):
                return False
            if self._is_steered and is_look(index, self._settings.n_steps):
                self._steering.look((index + 1) / self._settings.n_steps, *self._rounded())
            if self._settings.is_check(index, steered=self._is_steered):
                self._look()
        self._bring_back([self.latents, *self.weights.matrices])
        return True

    @torch.no_grad()
    def _rounded(self) -> tuple[float, float, float]:
        """Mean squared error, bits of latents, and of networks, of the state with its latents rounded."""
        latents, matrices = self.latents.round(), self.weights.matrices
        bits, of_networks = self._losses.bits(latents, matrices), self.weights.assumed_bits()
        return (
            float(self._losses.distortion(latents, matrices, self._target)),
            float(bits),
            float(of_networks),
        )

    def _look(self) -> None:
        """Keep the state if none before was better with its latents rounded."""
        distortion, bits, of_networks = self._rounded()
        self._keep(distortion + self._per_bit * (bits + of_networks), [self.latents, *self.weights.matrices])

    @torch.no_grad()
    def _keep(self, cost: float, tensors: Sequence[torch.Tensor]) -> None:
        if cost < self._best:
            self._best, self._kept = cost, [tensor.clone() for tensor in tensors]

    @torch.no_grad()
    def _bring_back(self, tensors: Sequence[torch.Tensor]) -> None:
        """Set tensors to the best of what was kept, if anything was."""
        for tensor, kept in zip(tensors, self._kept, strict=False):
            tensor.copy_(kept)
        self._best, self._kept = math.inf, []

    @torch.no_grad()
    def round_latents(self) -> None:
        """Round the latents for good."""
        self.latents.requires_grad_(False)
        self.latents.copy_(self.latents.round().clamp(-MAX_LATENT, MAX_LATENT))

    @torch.no_grad()
    def choose_exponents(self) -> list[int]:
        """The exponent of each matrix that costs least, the others left as they are."""
        mosts = [self._architecture.exponent(name) for name in self._architecture.matrices]
        return [cheapest_exponent(partial(self._cost, n), most) for n, most in enumerate(mosts)]

    def _cost(self, n: int, exponent: int) -> float:
        matrices = list(self.weights.matrices)
        symbols = self.weights.symbols(n, exponent).round()
        if not self.weights.fits(n, symbols, exponent):
            return math.inf
        matrices[n] = self.weights.with_symbols(n, symbols, exponent)
        bits = symbol_bits(symbols) if exponent else 0.0
        if n < len(CONTEXT_MATRICES):
            return self._per_bit * float(bits + self._losses.bits(self.latents, matrices))
        distortion = self._losses.distortion(self.latents, matrices, self._target)
        return float(distortion + self._per_bit * bits)

    def networks_alone(self, exponents: Sequence[int]) -> bool:
        """Fit the networks with rounded weights, each with its step; return whether the fit goes on."""
        first, n_steps = self._settings.n_together, self._settings.n_steps
        for index in range(first, n_steps):
            rate = self._settings.rate_of_tail((index - first) / (n_steps - first))
            matrices, bits = self.weights.rounded(exponents)
            if not self._step(index, self.latents, matrices, bits, rate):
                return False
        self._bring_back(self.weights.matrices)
        return True

    def settle_symbols(self, exponents: Sequence[int]) -> bool:
        """Move single symbols where that pays; return whether the fit goes on."""
        settling = settle(self.weights, exponents, self._per_bit, self._settings.n_trials)
        asked = next(settling, None)
        while asked is not None:
            answer = self._measure(asked)
            if asked.changed is None:
                bits = answer.bits + asked.own_bits
                if not self._report(self._settings.n_steps, bits, answer.distortion):
                    return False
            asked = advance(settling, answer)
        return True

    def _measure(self, asked: Asked) -> Answer:
        """What settling asks for: bits, distortion or both, with gradients."""
        if asked.changed is None:
            matrices = [matrix.detach().requires_grad_() for matrix in asked.matrices]
            bits = self._losses.bits(self.latents, matrices)
            distortion = self._losses.distortion(self.latents, matrices, self._target)
            gradients = torch.autograd.grad(distortion + self._per_bit * bits, matrices)
            return Answer(float(bits.detach()), float(distortion.detach()), gradients)
        with torch.no_grad():
            if asked.is_of_context:
                return Answer(float(self._losses.bits(self.latents, asked.matrices)), math.nan)
            return Answer(
                math.nan, float(self._losses.distortion(self.latents, asked.matrices, self._target))
            )

    def move_latents(self, exponents: Sequence[int]) -> bool:
        """Move single latents where that pays; return whether the fit goes on."""
        matrices, settings = [matrix.detach() for matrix in self.weights.matrices], self._settings
        own_bits = float(self.weights.rounded(exponents)[1].detach())
        per_bit = torch.tensor([self._per_bit])

        def measure(latents: torch.Tensor) -> Measured:
            errors = self._target.squared_errors(self._losses.image(latents[0], matrices))
            bits = self._losses.latent_bits(latents[0], matrices)
            return Measured(bits[None], errors.sum(0).flatten()[None] / errors.numel())

        def gradient(latents: torch.Tensor) -> torch.Tensor:
            leaf = latents[0].clone().requires_grad_()
            with torch.enable_grad():
                distortion = self._losses.distortion(leaf, matrices, self._target)
                cost = distortion + per_bit[0] * self._losses.bits(leaf, matrices)
            return torch.autograd.grad(cost, leaf)[0][None]

        for found in move_towards(
            self.latents[None], self._architecture, measure, gradient, per_bit=per_bit,
            steerings=[self._steering], own_bits=[own_bits], n_trials=settings.n_latent_trials,
        ):  # fmt: skip
            bits = float(found.bits.sum()) + own_bits
            if not self._report(settings.n_steps, bits, float(found.errors.sum())):
                return False
        return True

    def finish(self, exponents: Sequence[int]) -> Fitted:
        """The rounded network, and its bits; they are not finite if the fit came apart."""
        found = rounded_network(self._architecture, self.latents, self.weights, exponents, self._losses)
        return replace(found, rd_lambda=self._steering.rd_lambda)


def fit_pyramid(
    pixels: NDArray[np.uint8],
    architecture: LatentPyramid,
    settings: PyramidSettings,
    *,
    rd_lambda: float,
    seed: int,
    goes_on: GoesOn,
    visible: NDArray[np.bool_] | None = None,
    aim: Aim | None = None,
    begin: CnnNetwork | None = None,
    plain: bool = False,
) -> Fitted | None:
    """Fit a latent pyramid to an image, on a CPU.

    Args:
        pixels: uint8 [height, width, channels].
        architecture: The network's architecture.
        settings: Length and rates.
        rd_lambda: λ of Eq. 5, for pixels in [0, 1] and bits per pixel.
        seed: Seed of the noise.
        goes_on: Takes a report every so many steps; its answer decides whether the fit goes on.
        visible: See `FitRequest`.
        aim: See `FitRequest`.
        begin: See `FitRequest`; the architecture is then that of this network.
        plain: Do without the compiled loops.

    Returns:
        The rounded network, and its bits, which are not finite if the fit diverged; None if it was not to
        go on.
    """
    steering = Steering(rd_lambda, payload_aim(aim, architecture))
    with kept_memory(), losses_of(architecture, plain=plain) as losses:
        fit = PyramidFit(pixels, architecture, settings, losses, steering, seed, goes_on, visible, begin)
        if not fit.together():
            return None
        fit.round_latents()
        exponents = fit.choose_exponents()
        if not (fit.networks_alone(exponents) and fit.settle_symbols(exponents)):
            return None
        return fit.finish(exponents) if fit.move_latents(exponents) else None

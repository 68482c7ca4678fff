"""The end of fits on a card: single latents of one image after the other move where that pays.

What each latent and each pixel costs comes from plain operations of torch, recorded as one CUDA graph.
"""

from collections.abc import Callable, Sequence

import torch

from inr.cnn.fit.common.moving import Measured
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.common.trimming import move_towards
from inr.cnn.fit.common.weights import NetworkWeights
from inr.cnn.fit.fused.trainer import FusedFits


def move_together(
    fits: FusedFits,
    exponents: Sequence[Sequence[int]],
    weights: Sequence[NetworkWeights],
    on_report: Callable[[int], bool],
) -> bool:
    """Move latents of every image; see `common.moving.move_latents`.

    Args:
        fits: The fits, whose latents change.
        exponents: For each image, the exponent of each matrix, in wire order.
        weights: The rounded weights of each image, on the host.
        on_report: Takes the number of steps done in every round; its answer decides whether the fits go on.

    Returns:
        Whether the fits go on.
    """
    flat = torch.stack([torch.cat([matrix.detach().flatten() for matrix in its.matrices]) for its in weights])
    one = _OneImage(fits, flat.to(fits.weights.device))
    own_bits = [float(its.rounded(mine)[1].detach()) for its, mine in zip(weights, exponents, strict=True)]
    fits.gradients(one.weights)
    bits, mse = fits.bits + torch.tensor(own_bits, device=fits.bits.device), fits.mse.clone()
    for n, seed in enumerate(fits.seeds):
        one.take(n)
        rounds = move_towards(
            fits.latents[n], fits.architecture, one.measure, lambda _, per_bit: one.gradient(per_bit),
            steering=fits.lambdas.steerings[n], own_bits=own_bits[n],
            n_trials=fits.settings.n_latent_trials, seed=seed,
        )  # fmt: skip
        for found in rounds:
            bits[n], mse[n] = found.bits.sum() + own_bits[n], found.errors.sum()
            fits.bits.copy_(bits)
            fits.mse.copy_(mse)
            if not on_report(fits.settings.n_steps):
                return False
    return True


class _OneImage:
    """Measures one image of the fits at a time."""

    def __init__(self, fits: FusedFits, weights: torch.Tensor) -> None:
        self._fits, self.weights, self._n = fits, weights, 0
        self._losses = PlainLosses(fits.architecture)
        self._target = fits.target(0)
        self._latents, self._own = torch.zeros_like(fits.latents[0]), torch.zeros_like(weights[0])
        self._bits = torch.zeros_like(self._latents)
        self._errors = torch.zeros_like(self._target.samples[0].flatten())

    def take(self, n: int) -> None:
        """Measure image n from now on."""
        self._n, given = n, self._fits.target(n)
        self._own.copy_(self.weights[n])
        self._target.samples.copy_(given.samples)
        if self._target.shares is not None and given.shares is not None:
            self._target.shares.copy_(given.shares)

    def measure(self, latents: torch.Tensor) -> Measured:
        """What latents lead to."""
        self._latents.copy_(latents)
        self._fits.recorder.play("moves", self._evaluate)
        return Measured(self._bits.clone(), self._errors.clone())

    def gradient(self, per_bit: float) -> torch.Tensor:
        """Gradient at the latents that the fits have now, where a bit costs so much."""
        self._fits.lambdas.set_per_bit(self._n, per_bit)
        return self._fits.gradients(self.weights)[self._n]

    def _evaluate(self) -> None:
        matrices = self._fits.matrices(self._own)
        self._bits.copy_(self._losses.latent_bits(self._latents, matrices))
        errors = self._target.squared_errors(self._losses.image(self._latents, matrices))
        self._errors.copy_(errors.sum(0).flatten() / errors.numel())

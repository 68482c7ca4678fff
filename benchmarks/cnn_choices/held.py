"""Fits on a card that do without something."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.cnn_choices.choices import Choice
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.fused.trainer import FusedFits
from inr.cnn.prior import Prior


class HeldFits(FusedFits):
    """`FusedFits` without what a choice takes away.

    Args:
        choice: The choice.
        others: The arguments of `FusedFits`.
    """

    def __init__(self, choice: Choice, *others: Any, **named: Any) -> None:
        super().__init__(*others, **named)
        self._one_sided = choice.one_sided
        kept = masks(self.architecture, choice)
        self._kept = [kept[name].to(self._device) for name in self.architecture.matrices]
        self._kept_latents = kept["latents"].to(self._device)

    def _update_weights(
        self,
        of_context: Sequence[torch.Tensor],
        of_image: Sequence[torch.Tensor],
        of_weights: torch.Tensor,
        refresh: bool,
    ) -> None:
        n = len(of_context)
        held = [
            [matrix * kept for matrix, kept in zip(matrices, masks_of_them, strict=True)]
            for matrices, masks_of_them in ((of_context, self._kept[:n]), (of_image, self._kept[n:]))
        ]
        flat = torch.cat([kept.flatten() for kept in self._kept])
        super()._update_weights(held[0], held[1], of_weights * flat, refresh)
        torch.where(flat == 0, self.known, self.weights, out=self.weights)
        self.latents.mul_(self._kept_latents)

    def _distortion(self, samples: torch.Tensor) -> torch.Tensor:
        if self._one_sided:
            return super()._distortion(samples)
        error = samples - self._targets.float() / 255
        torch.mean(error.square(), (1, 2, 3), out=self.mse)
        return (error * (2 / samples[0].numel())).contiguous()


def masks(shape: LatentPyramid, choice: Choice) -> dict[str, torch.Tensor]:
    """Zeros where a choice does without, ones elsewhere: float32, of matrices and of latents, by name."""
    kept = {name: torch.ones(size) for name, size in shape.matrices.items()}
    kept["latents"] = torch.ones(shape.n_latents)
    for name, mask in kept.items():
        for take_away in choice.without:
            take_away(shape, name, mask)
    return kept


def prior_without(known: Prior, shape: LatentPyramid, choice: Choice) -> Prior:
    """A prior to begin with: what does nothing where a choice does without, and its number of neurons.

    Args:
        known: The prior as it is.
        shape: An architecture of that prior, with all of its levels and channels.
        choice: The choice.
    """
    kept = masks(shape, choice)
    matrices = {
        name: (matrix * kept[name].numpy()).astype(np.int32) for name, matrix in known.matrices.items()
    }
    alone = ~kept["filters"].bool().numpy().any(1)
    matrices["filters"][alone, 0] = 1 << known.exponents["filters"]  # a latent as it is
    before, after = known.synthesis_neurons, choice.synthesis_neurons or known.synthesis_neurons
    first, second = matrices["synthesis0"], matrices["synthesis1"]
    if after < before:  # the neurons that weigh most stay
        weight = np.abs(first[:before]).sum(1) * np.abs(second[:, :before]).sum(0)
        places = np.sort(np.argsort(-weight)[:after])
        matrices["synthesis0"] = np.concatenate([first[places], first[before:]])
        matrices["synthesis1"] = np.concatenate([second[:, places], second[:, before:]], axis=1)
    elif after > before:  # new ones begin as nothing
        draw, unit = np.random.default_rng(0), 2.0 ** known.exponents["synthesis0"]
        new = draw.normal(0, 0.25, (after - before, first.shape[1])) * unit
        matrices["synthesis0"] = np.insert(first, before, new.astype(np.int32), axis=0)
        matrices["synthesis1"] = np.insert(second, [before] * (after - before), 0, axis=1)
    return replace(known, matrices=matrices, synthesis_neurons=after)

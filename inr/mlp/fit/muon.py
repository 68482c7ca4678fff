"""Muon: momentum whose updates are made orthogonal (Jordan et al. 2024), for stacks of equal matrices.

torch.optim.Muon takes matrices one by one, and five small ones a step then cost as much as the
pass over the pixels' first layer does; stacked, a step is one batched product after another.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch


def orthogonalize(matrices: torch.Tensor) -> torch.Tensor:
    """Nearest semi-orthogonal matrices, [..., rows, columns], by Muon's quintic Newton-Schulz iteration."""
    x = matrices.reshape(-1, *matrices.shape[-2:])
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
    transposed = x.shape[-2] > x.shape[-1]
    x = x.mT if transposed else x
    for _ in range(5):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, polynomial, x, beta=3.4445)
    return (x.mT if transposed else x).view_as(matrices)


class MatrixOptimizer(Protocol):
    """An optimiser of the sine layers' matrices; benchmarks/fit_choices.py compares several."""

    def step(self, gradients: Sequence[torch.Tensor], rate: float) -> None:
        """Move each group against its gradients."""


class Muon:
    """Muon (Jordan 2024) with Nesterov momentum, over a stack of equal matrices per group.

    Args:
        groups: Views of the weights, each [..., rows, columns], updated in place.
        momentum: Share of the velocity that a step keeps.
    """

    def __init__(self, groups: Sequence[torch.Tensor], momentum: float = 0.95) -> None:
        self._groups = [(group, torch.zeros_like(group)) for group in groups]
        self._momentum = momentum

    def step(self, gradients: Sequence[torch.Tensor], rate: float) -> None:
        """Move each group against its gradients, by `rate` in spectral norm."""
        for (group, velocity), gradient in zip(self._groups, gradients, strict=True):
            velocity.lerp_(gradient, 1 - self._momentum)
            update = orthogonalize(gradient.lerp(velocity, self._momentum))
            rows, columns = group.shape[-2:]
            group.sub_(update, alpha=rate * math.sqrt(max(1.0, rows / columns)))

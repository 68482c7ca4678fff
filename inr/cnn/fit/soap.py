"""SOAP: Adam in the slowly turning eigenbasis of Shampoo's preconditioners (arXiv 2409.11321, algorithm 3).

For the few small matrices of family `cnn`, where the bases are worked out anew by an exact
eigendecomposition; second moments are carried over into the new basis.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

_FIRST_STEPS = 10  # in which bases are refreshed every time


@dataclass
class _State:
    momentum: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor
    left_basis: torch.Tensor
    right_basis: torch.Tensor
    second: torch.Tensor


class Soap:
    """An optimiser of matrices.

    Args:
        matrices: The matrices to change; their `grad` is read.
        rates: Each matrix's share of the rate of a step; all of it if not given.
        momentum_decay: Share of the momentum that a step keeps.
        decay: Share of second moments and preconditioners that a step keeps.
        refresh_steps: Steps between changes of basis.
        damping: Added to the root of second moments, as a share of the root of their mean.
    """

    def __init__(
        self,
        matrices: Sequence[torch.Tensor],
        *,
        rates: Sequence[float] | None = None,
        momentum_decay: float = 0.9,
        decay: float = 0.97,
        refresh_steps: int = 5,
        damping: float = 1e-2,
    ) -> None:
        self._matrices, self._refresh_steps = list(matrices), refresh_steps
        self._rates = rates or [1.0] * len(self._matrices)
        self._momentum_decay, self._decay = momentum_decay, decay
        self._damping, self._n_steps = damping, 0
        self._states: list[_State | None] = [None] * len(self._matrices)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Apply the gradients: each weight moves by about `rate`."""
        self._n_steps += 1
        refresh = self._n_steps % self._refresh_steps == 0 or self._n_steps < _FIRST_STEPS
        for n, matrix in enumerate(self._matrices):
            assert matrix.grad is not None
            gradient = matrix.grad.double()
            state = self._states[n]
            if state is None:
                state = self._states[n] = _first_state(gradient)
            else:
                self._turn(state, gradient, refresh=refresh)
            matrix -= (rate * self._rates[n] * self._update(state, gradient)).to(matrix.dtype)

    def _turn(self, state: _State, gradient: torch.Tensor, *, refresh: bool) -> None:
        state.left.lerp_(gradient @ gradient.T, 1 - self._decay)
        state.right.lerp_(gradient.T @ gradient, 1 - self._decay)
        if refresh:
            # A fit that came apart is named at its end: NaN must not raise here.
            left = torch.linalg.eigh(state.left.nan_to_num())[1]
            right = torch.linalg.eigh(state.right.nan_to_num())[1]
            turned = (left.T @ state.left_basis).square() @ state.second
            state.second = turned @ (state.right_basis.T @ right).square()
            state.left_basis, state.right_basis = left, right

    def _update(self, state: _State, gradient: torch.Tensor) -> torch.Tensor:
        state.momentum.lerp_(gradient, 1 - self._momentum_decay)
        in_basis = state.left_basis.T @ gradient @ state.right_basis
        state.second.lerp_(in_basis.square(), 1 - self._decay)
        correction = 1 - self._decay**self._n_steps
        second = state.second / correction
        scale = second.sqrt() + self._damping * second.mean().sqrt() + 1e-30
        momentum = state.momentum / (1 - self._momentum_decay**self._n_steps)
        turned = state.left_basis.T @ momentum @ state.right_basis / scale
        return state.left_basis @ turned @ state.right_basis.T


def _first_state(gradient: torch.Tensor) -> _State:
    left, right = gradient @ gradient.T, gradient.T @ gradient
    return _State(
        momentum=torch.zeros_like(gradient),
        left=left,
        right=right,
        left_basis=torch.linalg.eigh(left.nan_to_num())[1],
        right_basis=torch.linalg.eigh(right.nan_to_num())[1],
        second=torch.zeros_like(gradient),
    )

"""SOAP: Adam in the slowly turning eigenbasis of Shampoo's preconditioners (arXiv 2409.11321, algorithm 3).

For the few small matrices of family `cnn`, where the bases are worked out anew by an exact
eigendecomposition; second moments are carried over into the new basis. NumPy does the rest: for matrices
this small its calls take less time than torch's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_FIRST_STEPS = 10  # in which bases are refreshed every time


@dataclass
class _State:
    momentum: Doubles
    left: Doubles
    right: Doubles
    left_basis: Doubles
    right_basis: Doubles
    second: Doubles


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
    @np.errstate(all="ignore")  # a fit that came apart is named at its end
    def step(self, rate: float) -> None:
        """Apply the gradients: each weight moves by about `rate`."""
        self._n_steps += 1
        refresh = self._n_steps % self._refresh_steps == 0 or self._n_steps < _FIRST_STEPS
        for n, matrix in enumerate(self._matrices):
            assert matrix.grad is not None
            gradient = matrix.grad.numpy().astype(np.float64)
            state = self._states[n]
            if state is None:
                state = self._states[n] = _first_state(gradient)
            else:
                self._turn(state, gradient, refresh=refresh)
            update = rate * self._rates[n] * self._update(state, gradient)
            matrix -= torch.from_numpy(update.astype(np.float32))

    def _turn(self, state: _State, gradient: Doubles, *, refresh: bool) -> None:
        _move(state.left, gradient @ gradient.T, 1 - self._decay)
        _move(state.right, gradient.T @ gradient, 1 - self._decay)
        if refresh:
            left, right = _eigenvectors(state.left), _eigenvectors(state.right)
            turned = (left.T @ state.left_basis) ** 2 @ state.second
            state.second = turned @ (state.right_basis.T @ right) ** 2
            state.left_basis, state.right_basis = left, right

    def _update(self, state: _State, gradient: Doubles) -> Doubles:
        _move(state.momentum, gradient, 1 - self._momentum_decay)
        in_basis = state.left_basis.T @ gradient @ state.right_basis
        _move(state.second, in_basis**2, 1 - self._decay)
        second = state.second / (1 - self._decay**self._n_steps)
        scale = np.sqrt(second) + self._damping * math.sqrt(second.mean()) + 1e-30
        momentum = state.momentum / (1 - self._momentum_decay**self._n_steps)
        turned = state.left_basis.T @ momentum @ state.right_basis / scale
        update: Doubles = state.left_basis @ turned @ state.right_basis.T
        return update


def _move(average: Doubles, value: Doubles, share: float) -> None:
    """Move an average towards a value, in place."""
    average += share * (value - average)


def _eigenvectors(matrix: Doubles) -> Doubles:
    """Those of a symmetric matrix, in columns; NaN counts as zero."""
    found: Doubles = torch.linalg.eigh(torch.from_numpy(np.nan_to_num(matrix)))[1].numpy()
    return found


def _first_state(gradient: Doubles) -> _State:
    left, right = gradient @ gradient.T, gradient.T @ gradient
    return _State(
        momentum=np.zeros_like(gradient),
        left=left,
        right=right,
        left_basis=_eigenvectors(left),
        right_basis=_eigenvectors(right),
        second=np.zeros_like(gradient),
    )

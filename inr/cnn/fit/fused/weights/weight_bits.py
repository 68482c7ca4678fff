"""Bits of the weights of many fits at once on a graphics card: the twin of inr/cnn/fit/common/weights.py."""

import math
from collections.abc import Sequence
from itertools import accumulate

import torch

from inr.cnn.fit.fused.weights.weight_bits_kernels import weight_bits_kernel

_BLOCK = 16  # columns of the kernel come in blocks of as many


class WeightBits:
    """Bits of all matrices' differences from the prior, and their gradient, in one launch.

    Args:
        shapes: Rows and columns of each matrix; a set lies flat in that order, row by row.
        batch: Number of sets.
        device: The device of all tensors.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], batch: int, device: torch.device | str) -> None:
        self._batch = batch
        sizes = list(map(math.prod, shapes))
        places = accumulate(sizes, initial=0)
        table = [[place, *shape] for place, shape in zip(places, shapes, strict=False)]
        self._table = torch.tensor(table, dtype=torch.int32, device=device)
        self._total = sum(sizes)
        self._room = [1 << (max(side) - 1).bit_length() for side in zip(*shapes, strict=True)]

    def __call__(
        self, weights: torch.Tensor, prior: torch.Tensor, units: torch.Tensor, *, rounded: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Bits, their gradient, and the weights that are coded.

        Args:
            weights: float32 [batch, weights].
            prior: float32 [weights].
            units: Symbols to one, float32 [matrices] or [batch, matrices]: 2**exponent, or 0 for matrices
                that are not coded and cost nothing.
            rounded: Take bits, and their gradient, at rounded symbols.

        Returns:
            Bits of each set, float32 [batch]; their gradient with respect to the weights, float32
            [batch, weights]; and the weights that rounded symbols stand for, float32 [batch, weights], or the
            same weights if not rounded.
        """
        assert weights.is_contiguous()
        bits = torch.empty(self._batch, len(self._table), device=weights.device)
        gradients = torch.empty_like(weights)
        coded = torch.empty_like(weights) if rounded else weights
        weight_bits_kernel[(len(self._table), self._batch)](
            weights,
            prior,
            units.contiguous(),
            self._table,
            bits,
            gradients,
            coded,
            self._total,
            len(self._table),
            len(self._table) if units.ndim == 2 else 0,
            ROWS=max(2, self._room[0]),
            COLUMNS=max(_BLOCK, self._room[1]),
            ROUNDED=rounded,
            num_warps=8,
        )
        return bits.sum(1), gradients, coded

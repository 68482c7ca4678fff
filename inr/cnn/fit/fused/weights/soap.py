"""SOAP of the matrices of many fits at once on a graphics card: the twin of inr/cnn/fit/soap.py.

In float32, with bases that follow the eigenvectors by orthogonal iteration instead of being worked out
exactly; fits end as well as with exact ones. Momentum is kept in the bases, which comes to the same.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from inr.cnn.fit.fused.weights.soap_kernels import soap_kernel

_FIRST_STEPS = 10  # before which bases are refreshed every time
# Rows and columns that a kernel has room for, and its warps.
_SIZES = ((16, 32, 2), (32, 32, 2), (16, 64, 4), (32, 64, 4), (32, 128, 8), (64, 64, 8), (64, 128, 8))


@dataclass(frozen=True)
class _Part:
    """Columns of a matrix with preconditioners of their own, turned so that rows are not more than columns.

    Attributes:
        matrix: Number of the matrix.
        place: Place of the first weight among all.
        rows, columns: Numbers of them.
        row_stride, column_stride: Weights from one to the next.
    """

    matrix: int
    place: int
    rows: int
    columns: int
    row_stride: int
    column_stride: int

    @property
    def size(self) -> tuple[int, int, int]:
        """The first of the kernels' sizes that has room."""
        return next(size for size in _SIZES if self.rows <= size[0] and self.columns <= size[1])


class FusedSoap:
    """An optimiser of a batch of sets of matrices, without a word from the host.

    Args:
        shapes: Rows and columns of each matrix, the smaller up to 64 and the larger up to 128; a set lies
            flat in that order, row by row.
        batch: Number of sets.
        device: The device of all tensors.
        rates: Each matrix's share of the rate of a step; all of it if not given.
        momentum_decay: Share of the momentum that a step keeps.
        decay: Share of second moments and preconditioners that a step keeps.
        refresh_steps: Steps between changes of basis.
        damping: Added to the root of second moments, as a share of the root of their mean.
        splits: For the number of a matrix, the ranges (start, stop) of columns that are treated as matrices
            of their own, which together are all columns.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, int]],
        batch: int,
        device: torch.device | str,
        *,
        rates: Sequence[float] | None = None,
        momentum_decay: float = 0.9,
        decay: float = 0.97,
        refresh_steps: int = 5,
        damping: float = 1e-2,
        splits: Mapping[int, Sequence[tuple[int, int]]] | None = None,
    ) -> None:
        self._batch, self._refresh_steps = batch, refresh_steps
        self._decays = momentum_decay, decay, damping
        parts = _parts(shapes, splits or {})
        shares = [1.0 if rates is None else rates[part.matrix] for part in parts]
        self._shares = torch.tensor(shares, dtype=torch.float32, device=device)
        self._tables = _tables(parts, device)
        self._total = sum(map(math.prod, shapes))
        self._momenta = torch.zeros(batch, self._total, device=device)
        self._seconds = torch.zeros_like(self._momenta)
        self._work = [torch.empty_like(self._momenta) for _ in range(2)]
        self._steps = torch.zeros(batch, len(parts), dtype=torch.int32, device=device)
        sides = [part.rows for part in parts], [part.columns for part in parts]
        first_bases = [torch.cat([torch.eye(n).flatten() for n in side]).to(device) for side in sides]
        self._bases = [basis.repeat(batch, 1) for basis in first_bases]
        self._moments = [torch.zeros_like(bases) for bases in self._bases]
        self._turns = [torch.empty_like(bases) for bases in self._bases]

    def refreshes(self, index: int) -> bool:
        """True if bases are to be renewed in step `index`, from 0: in the first ones, then now and then."""
        return (index + 1) % self._refresh_steps == 0 or index + 1 < _FIRST_STEPS

    def step(self, weights: torch.Tensor, gradients: torch.Tensor, rate: torch.Tensor, refresh: bool) -> None:
        """Apply gradients: each weight moves by about the rate.

        Args:
            weights: float32 [batch, weights], which are changed.
            gradients: float32 [batch, weights].
            rate: The rate, a float32 scalar.
            refresh: Renew the bases; they have to be in the first step.
        """
        assert weights.is_contiguous()
        assert gradients.is_contiguous()
        for (n_rows, n_columns, warps), table in self._tables.items():
            soap_kernel[(len(table), self._batch)](
                weights,
                gradients,
                self._momenta,
                self._seconds,
                *self._work,
                *self._moments,
                *self._bases,
                *self._turns,
                self._steps,
                rate,
                self._shares,
                table,
                self._total,
                *(bases.shape[1] for bases in self._bases),
                self._steps.shape[1],
                *self._decays,
                ROWS=n_rows,
                COLUMNS=n_columns,
                REFRESH=refresh,
                num_warps=warps,
            )


def _parts(shapes: Sequence[tuple[int, int]], splits: Mapping[int, Sequence[tuple[int, int]]]) -> list[_Part]:
    parts, place = [], 0
    for n, (rows, columns) in enumerate(shapes):
        for start, stop in splits.get(n, [(0, columns)]):
            part = _Part(n, place + start, rows, stop - start, columns, 1)
            if part.rows > part.columns:
                part = _Part(n, place + start, part.columns, rows, 1, columns)
            parts.append(part)
        place += rows * columns
    return parts


def _tables(parts: Sequence[_Part], device: torch.device | str) -> dict[tuple[int, int, int], torch.Tensor]:
    """The kernel's tables, int32 [parts, 8], by size."""
    rows: dict[tuple[int, int, int], list[list[int]]] = {}
    left, right = 0, 0
    for n, part in enumerate(parts):
        numbers = [n, part.place, part.rows, part.columns, part.row_stride, part.column_stride, left, right]
        rows.setdefault(part.size, []).append(numbers)
        left, right = left + part.rows**2, right + part.columns**2
    # The largest first, which take longest.
    return {
        size: torch.tensor(rows[size], dtype=torch.int32, device=device)
        for size in reversed(_SIZES)
        if size in rows
    }

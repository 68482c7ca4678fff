"""Arrays as the compiled loops take them, and matrices on their way to these loops and back."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_APART = 256  # floats, more than a loop takes at a time
_LINE = 64  # bytes of a line of the cache


def zeros(*shape: int) -> Floats:
    """An array of float32 zeros; see `empty`."""
    return _apart(np.zeros(_n_around(shape), dtype=np.float32), shape)


def empty(*shape: int) -> Floats:
    """An array of float32 for loops to write to: it begins with a line of the cache, well behind all others.

    A compiled loop takes several values at a time where it writes well behind what it reads, and else one by
    one, with other rounding. Without that distance a fit would depend on what memory it happens to get.
    """
    return _apart(np.empty(_n_around(shape), dtype=np.float32), shape)


def _n_around(shape: tuple[int, ...]) -> int:
    return _APART + math.prod(shape) + _LINE // 4


def _apart(around: Floats, shape: tuple[int, ...]) -> Floats:
    first = _APART + -around.ctypes.data % _LINE // 4
    return around[first : first + math.prod(shape)].reshape(shape)


def up_to(n: int, multiple: int) -> int:
    """The least multiple that is not below n."""
    return -(-n // multiple) * multiple


def padded(matrix: Floats, rows: int = 4, columns: int = 4) -> Floats:
    """A matrix with zeros behind, up to multiples of so many rows and columns."""
    n_rows, n_columns = matrix.shape
    found = zeros(up_to(n_rows, rows), up_to(n_columns, columns))
    found[:n_rows, :n_columns] = matrix
    return found


def split(matrix: torch.Tensor, rows: int = 1, columns: int = 1) -> tuple[Floats, Floats]:
    """Weights and constants of a matrix, padded with zeros to multiples of `rows` and `columns`."""
    both: Floats = matrix.detach().numpy()
    weight = padded(both[:, :-1], rows, columns)
    constants = zeros(len(weight))
    constants[: len(both)] = both[:, -1]
    return weight, constants


def joined(weight: Floats, constants: Floats, like: torch.Tensor) -> torch.Tensor:
    """The gradient of a matrix from those of its padded weights and constants."""
    rows, columns = like.shape
    return torch.from_numpy(np.concatenate([weight[:rows, : columns - 1], constants[:rows, None]], axis=1))


def released(ctx: Any) -> Any:
    """What a function of torch's kept for its gradients, and now keeps no longer.

    A context lives as long as the graph does, and what a large image leaves there would add up.
    """
    kept = ctx.kept
    del ctx.kept
    return kept


def applied(function: type[torch.autograd.Function], *given: Any) -> torch.Tensor:
    """What a function of torch's makes of what it is given."""
    made: torch.Tensor = function.apply(*given)  # type: ignore[no-untyped-call]  # torch gives it no types
    return made

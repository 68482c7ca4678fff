"""Numba, as this package uses it."""

from collections.abc import Callable
from typing import Any

import numba


def compiled(*, fastmath: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile on first use, free of the interpreter's lock; keep the machine code on disk where that can be.

    Each function becomes a part of every one that calls it. Otherwise there are two copies of it, its own and
    the caller's, whose sums may be in another order, and which of them runs depends on what this process has
    compiled itself and what it found on disk: the first fit on a machine then gave other bytes than the next.

    Args:
        fastmath: True if sums may be reordered and divisions by zero may go unnoticed.
    """

    def wrap(function: Callable[..., Any]) -> Any:
        def compile_(cache: bool) -> Any:
            return numba.njit(
                nogil=True, fastmath=fastmath, error_model="numpy", forceinline=True, cache=cache
            )(function)

        try:
            return compile_(cache=True)
        except RuntimeError:  # neither the package's folder nor a cache folder is writable
            return compile_(cache=False)

    return wrap

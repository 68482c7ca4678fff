"""Numba, as this package uses it."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(*, fastmath: bool = False) -> Callable[[Function], Function]:
    """Compile on first use, free of the interpreter's lock; keep the machine code on disk where that can be.

    Args:
        fastmath: Whether sums may be reordered and divisions by zero go unnoticed.
    """

    def wrap(function: Function) -> Function:
        def compile_(cache: bool) -> Any:
            return numba.njit(nogil=True, fastmath=fastmath, error_model="numpy", cache=cache)(function)

        try:
            return cast("Function", compile_(cache=True))
        except RuntimeError:  # neither the package's folder nor a cache folder is writable
            return cast("Function", compile_(cache=False))

    return wrap

"""Numba, as this package uses it."""

import hashlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import CodeType
from typing import Any

import numba
import numpy as np
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

_VALUES = int, float, str, tuple, np.generic  # that machine code has in it


def compiled(*, fastmath: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile on first use, free of the interpreter's lock; keep the machine code on disk where that can be.

    Each function becomes a part of every one that calls it. Otherwise there are two copies of it, its own and
    the caller's, whose sums may be in another order, and which of them runs depends on what this process has
    compiled itself and what it found on disk: the first fit on a machine then gave other bytes than the next.

    Args:
        fastmath: True if sums may be reordered and divisions by zero may go unnoticed.
    """
    options: dict[str, Any] = {
        "nogil": True,
        "fastmath": fastmath,
        "error_model": "numpy",
        "forceinline": True,
    }

    def wrap(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(function)
        with suppress(RuntimeError):  # neither the package's folder nor a cache folder is writable
            dispatcher._cache = _Cache(function, str(options))
        return dispatcher

    return wrap


class _Cache(FunctionCache):
    """Machine code on disk, known by all that it is made of.

    Numba's own looks at one source file alone, and so would go on with the functions and constants that this
    file took from another one before that was changed. A file that is damaged, or cannot be written, counts
    as none: the function is compiled.
    """

    def __init__(self, function: Callable[..., Any], options: str) -> None:
        super().__init__(function)
        self._function, self._options = function, options

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The machine code for a signature, None where there is none."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever is wrong with the file
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the machine code for a signature, if that can be."""
        with suppress(OSError):
            try:
                super().save_overload(sig, data)
            except OSError:
                raise
            except Exception:  # an index that is damaged: begin another one
                self.flush()
                super().save_overload(sig, data)

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        digest = hashlib.sha256(self._options.encode())
        for part in _parts(self._function):
            digest.update(part.encode())
        return (*super()._index_key(sig, codegen), digest.hexdigest())


def _parts(function: Callable[..., Any]) -> Iterator[str]:
    """All that a function's machine code follows from: code and constants, its own and of those it calls."""
    yield from _code_parts(function.__code__)
    outside = inspect.getclosurevars(function)
    for name, value in sorted([*outside.globals.items(), *outside.nonlocals.items()]):
        if isinstance(value, Dispatcher):
            yield name
            yield from _parts(value.py_func)
        elif isinstance(value, np.ndarray):
            yield f"{name} {value.dtype} {value.shape} {value.tobytes().hex()}"
        elif isinstance(value, _VALUES):
            yield f"{name} {type(value).__name__} {value!r}"


def _code_parts(code: CodeType) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _code_parts(value)
        else:
            yield repr(value)

"""Coverage, sent away where it has nothing to see: on Python 3.11 it halves the speed of all that runs."""

import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def untraced(function: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
    """Call a function while nothing is traced."""
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        return function(*given, **named)
    finally:
        sys.settrace(trace)

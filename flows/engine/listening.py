"""Let a display learn how far a flow in the same process is, without being a parameter of the flow.

Parameters of a flow are JSON and go to Prefect's server; a progress bar does neither.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tasks.errors import Summary

Listener = Callable[[Summary], None]


def _nobody(summary: Summary) -> None:
    """The listener of a run that nobody listens to."""


_listener: ContextVar[Listener] = ContextVar("listener", default=_nobody)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """While the body runs, have the flows that it calls pass their summaries to `listener` as they go."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def current_listener() -> Listener:
    """The listener of flows that are called here; where there is none, one that does nothing."""
    return _listener.get()


def duration(hours: float) -> str:
    """A length of time for people, in seconds, minutes or hours."""
    for unit, limit in ((3600.0, "s"), (60.0, "min")):
        if hours * unit < 120:
            return f"{hours * unit:.0f} {limit}"
    return f"{hours:.1f} h"

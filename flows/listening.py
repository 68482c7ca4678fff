"""How a display learns what a flow in the same process is doing, without being its parameter.

Parameters of a flow are JSON and go to Prefect's server; a progress bar does neither.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.audit import AuditSummary
    from tasks.report import RunSummary
    from tasks.restore import RestoreSummary

Listener = Callable[[Any], None]  # of a run's summary, whatever the flow

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` called with the run's summary, after every row, by flows called inside."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(summary: "RunSummary | RestoreSummary | AuditSummary") -> None:
    """Pass the summary on to whoever listens."""
    if (listener := _listener.get()) is not None:
        listener(summary)

"""How a display learns what a flow in the same process is doing, without being its parameter.

Parameters of a flow are JSON and go to Prefect's server; a progress bar does neither.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.report.summary import RunSummary
    from tasks.steps.audit import AuditSummary
    from tasks.steps.restore import RestoreSummary

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


@dataclass(frozen=True)
class Counted:
    """How far a whole is, of which a part is being done."""

    n_planned: int
    n_done: int
    n_failed: int


@contextmanager
def relaying(whole: "RunSummary", also: Callable[[Any], None]) -> Iterator[Callable[[], None]]:
    """Have what flows called inside tell of a part told as what it makes of the whole.

    Args:
        whole: What is done already, without the part.
        also: Told too.

    Yields:
        What tells of the whole, once a part is counted in it.
    """
    outer = _listener.get()

    def told(counted: Any) -> None:
        also(counted)
        if outer is not None:
            outer(counted)

    def of_part(part: Any) -> None:
        told(Counted(whole.n_planned, whole.n_done + part.n_done, whole.n_failed + part.n_failed))

    with listening(of_part):
        yield lambda: told(whole)


def tell(summary: "RunSummary | RestoreSummary | AuditSummary") -> None:
    """Pass the summary on to whoever listens."""
    if (listener := _listener.get()) is not None:
        listener(summary)

"""Leave in Prefect a progress bar, a page and a table of a run. Each is bounded."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import NamedTuple, cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.runtime import flow_run

from tasks.errors import Summary
from tasks.report.markdown import markdown_cell
from tasks.report.summary import RunSummary, reason, table_row

SECONDS_BETWEEN_UPDATES = 5.0
SECONDS_FOR_THE_LAST = 10.0
MAX_ROWS = 200

_is_shown: ContextVar[bool] = ContextVar("is_shown", default=False)


class _State(NamedTuple):
    """The state of a progress bar."""

    percent: float
    text: str


class _Bar:
    """A progress artifact, and the state that it is to show next."""

    def __init__(self) -> None:
        self.key = f"{flow_run.flow_name}-progress"
        self._changed = threading.Condition()
        self._next: _State | None = None
        self._is_over = False
        self._may_write_at = time.monotonic()

    def show(self, summary: Summary) -> None:
        """Have a state shown, in place of one that waits."""
        with self._changed:
            self._next = _State(_percent(summary), _describe(summary))
            self._changed.notify()

    def end(self) -> None:
        """Have what waits shown at once; nothing follows."""
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def write(self) -> None:
        """Write states as they come, one at a time, until the end; what cannot be written is left out."""
        made: UUID | None = None
        while (state := self._taken()) is not None:
            try:
                if made is None:
                    created = create_progress_artifact(state.percent, self.key, state.text)
                    made = cast("UUID", created)  # a coroutine only where an event loop runs
                else:
                    update_progress_artifact(made, state.percent, state.text)
            except Exception as error:  # of Prefect's client, which has tried it several times
                get_run_logger().debug("progress could not be shown: %s", error)

    def _taken(self) -> _State | None:
        """The next state, once one may be written; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._next)
            self._changed.wait_for(lambda: self._is_over, self._may_write_at - time.monotonic())
            self._may_write_at = time.monotonic() + SECONDS_BETWEEN_UPDATES
            state, self._next = self._next, None
            return state


@contextmanager
def progress() -> Iterator[Callable[[Summary], None]]:
    """Show in Prefect how far a run is, while the body works; the run waits for no answer of the server.

    States are written one at a time, at most every `SECONDS_BETWEEN_UPDATES`, and the last one at the end.
    A server that does not answer is not waited for longer than `SECONDS_FOR_THE_LAST` even then. A run inside
    of another one in this process, as a batch is, has no artifact of its own: the outer one shows the same.

    Yields:
        A function that shows a summary.
    """
    if _is_shown.get():
        yield lambda summary: None
        return
    bar, token = _Bar(), _is_shown.set(True)
    context = copy_context()  # the artifact is one of this run
    writer = threading.Thread(target=context.run, args=(bar.write,), name=bar.key, daemon=True)
    writer.start()
    try:
        yield bar.show
    finally:
        _is_shown.reset(token)
        bar.end()
        writer.join(SECONDS_FOR_THE_LAST)


def _percent(summary: Summary) -> float:
    return 100.0 * min(1.0, summary.n_done / summary.n_planned) if summary.n_planned else 100.0


def _describe(summary: Summary) -> str:
    failed = f", {summary.n_failed} failed" if summary.n_failed else ""
    return f"{summary.n_done} of {summary.n_planned} done{failed}"


@dataclass(frozen=True)
class Table:
    """Rows that a run leaves for people.

    Attributes:
        name: Ends the artifact's key.
        rows: Some of the rows or all of them, each from column to cell; of these `MAX_ROWS` are shown.
        n_rows: Number of rows in all.
    """

    name: str
    rows: Sequence[Mapping[str, str]]
    n_rows: int


def failures(name: str, found: Sequence[tuple[str, str]], n_failed: int) -> Table:
    """The table of items that failed: what each is, under the column `name`, and the reason."""
    return Table("failures", [{name: item, "reason": reason} for item, reason in found], n_failed)


def images(summary: RunSummary) -> Table:
    """The table of a run's images, failures first."""
    rows = [{**table_row(record), "reason": reason(record)} for record in summary.records()[:MAX_ROWS]]
    return Table("images", rows, summary.n_done)


def publish_page(headline: str, page: str, name: str = "summary") -> None:
    """Leave a page in Markdown about what a run did; `name` ends the artifact's key."""
    create_markdown_artifact(key=f"{flow_run.flow_name}-{name}", markdown=page, description=headline)


def publish_table(table: Table) -> None:
    """Leave the first `MAX_ROWS` rows of a table, if there are any."""
    if not table.rows:
        return
    # Prefect's pages take cells for Markdown, and names of files come from outside.
    shown = [{column: markdown_cell(cell) for column, cell in row.items()} for row in table.rows[:MAX_ROWS]]
    n_rows = f"{table.n_rows} rows"
    described = n_rows if len(shown) == table.n_rows else f"the first {len(shown)} of {n_rows}"
    create_table_artifact(key=f"{flow_run.flow_name}-{table.name}", table=shown, description=described)

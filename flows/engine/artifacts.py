"""Leave in Prefect a progress bar, a page and a table of a run. Each is bounded."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

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

SECONDS_BETWEEN_UPDATES = 2.0
MAX_ROWS = 200


class ProgressArtifact:
    """A progress artifact that is updated often enough to watch, seldom enough to cost nothing."""

    def __init__(self, summary: Summary) -> None:
        """Create the artifact."""
        self._updated = time.perf_counter()
        key, progress = f"{flow_run.flow_name}-progress", _percent(summary)
        created = create_progress_artifact(progress=progress, key=key, description=_describe(summary))
        self._id = cast("UUID", created)  # a coroutine only where an event loop runs

    def update(self, summary: Summary) -> None:
        """Show how far a run is: at its end, and before at most every `SECONDS_BETWEEN_UPDATES`."""
        ended = summary.n_done >= summary.n_planned
        if ended or time.perf_counter() - self._updated >= SECONDS_BETWEEN_UPDATES:
            self._updated = time.perf_counter()
            update_progress_artifact(self._id, progress=_percent(summary), description=_describe(summary))


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

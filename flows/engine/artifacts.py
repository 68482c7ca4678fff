"""What a run leaves in Prefect: how far it is, a page of what it did, and a table. Each is bounded."""

import time
from collections.abc import Mapping, Sequence
from typing import Protocol, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.runtime import flow_run

from tasks.report.summary import RunSummary, markdown_cell, reason, table_row

SECONDS_BETWEEN_UPDATES = 2.0
MAX_ROWS = 200


class Counts(Protocol):
    """How far a run is."""

    @property
    def n_planned(self) -> int:
        """How much there is to do."""

    @property
    def n_done(self) -> int:
        """How much of it is over."""

    @property
    def n_failed(self) -> int:
        """How much of that failed."""


class ProgressArtifact:
    """A progress artifact that is updated often enough to watch, seldom enough to cost nothing."""

    def __init__(self, summary: Counts) -> None:
        """Create the artifact."""
        self._updated = time.perf_counter()
        key, progress = f"{flow_run.flow_name}-progress", _percent(summary)
        created = create_progress_artifact(progress=progress, key=key, description=_told(summary))
        self._id = cast("UUID", created)  # a coroutine only where an event loop runs

    def update(self, summary: Counts) -> None:
        """Show how far a run is."""
        ended = summary.n_done >= summary.n_planned
        if ended or time.perf_counter() - self._updated >= SECONDS_BETWEEN_UPDATES:
            self._updated = time.perf_counter()
            update_progress_artifact(self._id, progress=_percent(summary), description=_told(summary))


def _percent(summary: Counts) -> float:
    return 100.0 * min(1.0, summary.n_done / summary.n_planned) if summary.n_planned else 100.0


def _told(summary: Counts) -> str:
    failed = f", {summary.n_failed} failed" if summary.n_failed else ""
    return f"{summary.n_done} of {summary.n_planned} done{failed}"


def publish_page(headline: str, page: str) -> None:
    """Leave what a run did, in Markdown."""
    create_markdown_artifact(key=f"{flow_run.flow_name}-summary", markdown=page, description=headline)


def publish_table(name: str, rows: Sequence[Mapping[str, str]], n_rows: int) -> None:
    """Leave the first `MAX_ROWS` rows of `n_rows` as a table, if there are any."""
    if not rows:
        return
    # Prefect's pages take cells for Markdown, and names of files come from outside.
    shown = [{column: markdown_cell(cell) for column, cell in row.items()} for row in rows[:MAX_ROWS]]
    told = f"{n_rows} rows" if len(shown) == n_rows else f"the first {len(shown)} of {n_rows} rows"
    create_table_artifact(key=f"{flow_run.flow_name}-{name}", table=shown, description=told)


def publish_images(summary: RunSummary) -> None:
    """Leave the table of images, failures first."""
    rows = [{**table_row(record), "reason": reason(record)} for record in summary.records()[:MAX_ROWS]]
    publish_table("images", rows, summary.n_done)

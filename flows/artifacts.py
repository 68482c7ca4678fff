"""What a run leaves in Prefect: a progress bar, the table of images, a summary in Markdown."""

import time
from typing import cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.listening import Counted
from tasks.report import RunSummary, markdown, reason, table_row

SECONDS_BETWEEN_UPDATES = 2.0


class ProgressArtifact:
    """A progress artifact that is updated often enough to watch, seldom enough to cost nothing."""

    def __init__(self, n_planned: int) -> None:
        """Create the artifact, at 0 %."""
        self._n_planned = n_planned
        self._updated = time.perf_counter()
        created = create_progress_artifact(
            progress=0.0, key="archive-progress", description=f"{n_planned} images"
        )
        self._id = cast("UUID", created)  # a coroutine only where an event loop runs

    def update(self, summary: RunSummary | Counted) -> None:
        """Show how far a run is."""
        ended = summary.n_done >= self._n_planned
        if ended or time.perf_counter() - self._updated >= SECONDS_BETWEEN_UPDATES:
            self._updated = time.perf_counter()
            update_progress_artifact(self._id, progress=100.0 * summary.n_done / max(1, self._n_planned))


def publish(summary: RunSummary) -> None:
    """Leave the table, failures first, and the summary."""
    rows = [{**table_row(record), "reason": reason(record)} for record in summary.records()]
    headline = summary.headline()
    create_table_artifact(key="archive-images", table=rows, description=headline)
    create_markdown_artifact(key="archive-summary", markdown=markdown(summary), description=headline)

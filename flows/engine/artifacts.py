"""Leave in Prefect a progress bar, a page and a table of a run. Each is bounded."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import asdict, dataclass
from typing import NamedTuple, cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType
from prefect.client.schemas.sorting import ArtifactSort
from prefect.runtime import flow_run

from flows.engine.listening import duration
from tasks.errors import Summary
from tasks.report.markdown import markdown_cell
from tasks.report.summary import RunSummary, missed_target, reason, table_row
from tasks.wording import counted

SECONDS_BETWEEN_UPDATES = 5.0
SECONDS_FOR_THE_LAST = 10.0
MAX_ROWS = 200

_is_shown: ContextVar[bool] = ContextVar("is_shown", default=False)


@dataclass(frozen=True)
class Figures:
    """How far a run is, as numbers: the totals of its summary that other runs count.

    Attributes:
        n_planned: Items of the run.
        n_done: Items that are over.
        n_failed: Items that failed.
        fit_seconds: Time in fits, added up over all workers.
    """

    n_planned: int
    n_done: int
    n_failed: int
    fit_seconds: float = 0.0

    @classmethod
    def of(cls, summary: Summary) -> "Figures":
        """The figures of a summary."""
        fit_seconds = summary.fit_seconds if isinstance(summary, RunSummary) else 0.0
        return cls(summary.n_planned, summary.n_done, summary.n_failed, fit_seconds)

    @classmethod
    def read(cls, told: Mapping[str, str]) -> "Figures":
        """The figures that `told` has written."""
        n_planned, n_done, n_failed = (int(told[name]) for name in ("n_planned", "n_done", "n_failed"))
        return cls(n_planned, n_done, n_failed, float(told["fit_seconds"]))

    def told(self) -> dict[str, str]:
        """The figures as texts by their names, for Prefect's server."""
        return {name: str(value) for name, value in asdict(self).items()}

    @property
    def percent(self) -> float:
        """The part of the items that is over, 0 to 100."""
        return 100.0 * min(1.0, self.n_done / self.n_planned) if self.n_planned else 100.0

    def describe(self, seconds: float) -> str:
        """How much is done, how fast it goes, how long it still takes at that, and what fits have taken.

        What failed, such as files that are no photographs, cost next to nothing and says nothing of the rate.

        Args:
            seconds: Time from the beginning to the end of the last item.
        """
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        text = f"{self.n_done} of {self.n_planned} done{failed}"
        if (n_good := self.n_done - self.n_failed) and self.n_done < self.n_planned and seconds > 0:
            an_hour = 3600 * n_good / seconds
            rate = f"{an_hour / 60:.1f} a minute" if an_hour >= 120 else f"{an_hour:.1f} an hour"
            text += f"; {rate}, about {duration((self.n_planned - self.n_done) / an_hour)} left"
        fits = f"; fits took {duration(self.fit_seconds / 3600)} over all workers" if self.fit_seconds else ""
        return text + fits


class _State(NamedTuple):
    """The state of a progress bar."""

    figures: Figures
    text: str


class _Bar:
    """A progress artifact, and the state that it is to show next."""

    def __init__(self) -> None:
        self.key = f"{flow_run.flow_name}-progress"
        self._changed = threading.Condition()
        self._next: _State | None = None
        self._is_over = False
        self._may_write_at = self._began = time.monotonic()
        self._last: Figures | None = None

    def show(self, summary: Summary) -> None:
        """Have a state shown, in place of one that waits; where nothing has changed, nothing is written."""
        figures = Figures.of(summary)
        with self._changed:
            if figures == self._last:
                return
            self._last = figures
            self._next = _State(figures, figures.describe(time.monotonic() - self._began))
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
                    created = create_progress_artifact(state.figures.percent, self.key, state.text)
                    made = cast("UUID", created)  # a coroutine only where an event loop runs
                else:
                    _update(made, state)
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


def _update(artifact: UUID, state: _State) -> None:
    """Show a state, with its figures beside it for the parent of this run, see `figures_of`."""
    figures = state.figures
    update = ArtifactUpdate(data=figures.percent, description=state.text, metadata_=figures.told())
    with get_client(sync_client=True) as client:
        client.update_artifact(artifact, update)


def figures_of(runs: Collection[UUID]) -> dict[UUID, Figures]:
    """How far some runs are, on whatever hosts; those that have not shown it are left out."""
    wanted = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=list(runs)), type=ArtifactFilterType(any_=["progress"])
    )
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.UPDATED_DESC)
    shown: dict[UUID, Figures] = {}
    for artifact in found:  # the last attempt of a run first
        if artifact.flow_run_id is not None and (told := artifact.metadata_):
            shown.setdefault(artifact.flow_run_id, Figures.read(told))
    return shown


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
    rows = [
        {**table_row(record), "reason": reason(record) or missed_target(record)}
        for record in summary.records()[:MAX_ROWS]
    ]
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
    n_rows = counted(table.n_rows, "row")
    described = n_rows if len(shown) == table.n_rows else f"the first {len(shown)} of {n_rows}"
    create_table_artifact(key=f"{flow_run.flow_name}-{table.name}", table=shown, description=described)

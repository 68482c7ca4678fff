"""One run of a flow, whichever it is: its clock and its options, how far it is, and how it ends."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from prefect.runtime import flow_run
from prefect.states import Failed

from flows.engine.artifacts import ProgressArtifact, Table, publish_page, publish_table
from flows.engine.cores import n_threads, n_workers
from flows.engine.listening import Listener, current_listener
from flows.engine.workers import Step, outcomes, task_runner
from tasks.errors import ImagesFailed, Summary
from tasks.settings import RunOptions, load_settings

Item = TypeVar("Item")


class TimedSummary(Summary, Protocol):
    """A summary that also says how long its run took, in seconds."""

    wall_seconds: float


@dataclass(frozen=True)
class Run:
    """A run of a flow, from its first line on; see `begin`.

    Attributes:
        run_id: Names the run in Prefect, in rows and in reports.
        options: The way of working, as the run was given it; nothing replaces values of it.
        started: `time.perf_counter` when the run began.
    """

    run_id: str
    options: RunOptions
    started: float

    @property
    def n_workers(self) -> int:
        """Items in flight at once in this process: what the options leave open is decided here."""
        return n_workers(self.options)

    @property
    def n_threads(self) -> int:
        """Threads of each worker."""
        return n_threads(self.options)

    @contextmanager
    def watched(self, summary: TimedSummary) -> Iterator[Listener]:
        """Show how far the run is while the body works; afterwards the summary has the time that it took.

        Yields:
            A function that shows a summary to the listener and in Prefect.
        """
        progress, listener = ProgressArtifact(summary), current_listener()

        def show(now: Summary) -> None:
            progress.update(now)
            listener(now)

        listener(summary)
        yield show
        summary.wall_seconds = time.perf_counter() - self.started

    def each(
        self,
        items: Iterable[Item],
        step: Callable[[Item], Step],
        count: Callable[[Item, Any], None],
        summary: TimedSummary,
    ) -> None:
        """Have a task done for every item, and show how far the run is.

        Args:
            items: Taken one by one, when there is room.
            step: Gives the task of an item.
            count: Counts an item in the summary, with its result or the `Exception` that ended it.
            summary: Totals of the run.
        """
        groups = ([item] for item in items)
        with self.watched(summary) as show, task_runner(self.options) as engine:
            for item, result in outcomes(engine, self.n_workers, groups, lambda group: step(group[0])):
                count(item, result)
                show(summary)


def begin(options: RunOptions | None = None, *, run_id: str | None = None) -> Run:
    """Begin a run: the first line of a flow.

    Args:
        options: The way of working; the settings of the environment if not given.
        run_id: Name of the run, where the flow is a part of another one; Prefect's if not given.

    Raises:
        ConfigError: A setting of the environment is out of its range.
    """
    started = time.perf_counter()
    return Run(
        run_id or str(flow_run.id or uuid.uuid4()),
        load_settings().options() if options is None else options,
        started,
    )


def ended(summary: Summary, page: str | None = None, table: Table | None = None) -> Any:
    """End a run: the last line of a flow.

    Args:
        summary: Totals of the run.
        page: Markdown about the run, to be left in Prefect if given.
        table: Rows to be left in Prefect if given.

    Returns:
        What the flow returns: the summary, or a failed state that raises `ImagesFailed` with it.
    """
    headline = summary.headline()
    if page is not None:
        publish_page(headline, page)
    if table is not None:
        publish_table(table)
    if summary.n_failed:
        return Failed(message=headline, data=ImagesFailed(headline, summary))
    return summary


@contextmanager
def in_parts(size: int, write: Callable[[list[Item]], object]) -> Iterator[Callable[[Item], None]]:
    """Write rows in parts while the body adds them, and what is left at its end, unless an error ends it.

    Args:
        size: Rows of a part.
        write: Writes a part, which is never empty.

    Yields:
        A function that adds a row.
    """
    part: list[Item] = []

    def add(row: Item) -> None:
        nonlocal part
        part.append(row)
        if len(part) == size:
            full, part = part, []
            write(full)

    yield add
    if part:
        write(part)

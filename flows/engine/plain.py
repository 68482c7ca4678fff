"""A run without Prefect: its clock and its options, its threads, and how far it is.

`flows.engine.runs` adds Prefect to it. What runs on one machine in a moment needs none: no server is started
for it, and nothing of Prefect is imported.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from flows.engine.cores import n_threads, n_workers
from flows.engine.interrupts import HandedBack, is_told
from flows.engine.listening import Listener, current_listener
from flows.engine.workers import Engine, Step, outcomes, switching_often
from tasks.errors import Summary
from tasks.settings import RunOptions

Item = TypeVar("Item")


class TimedSummary(Summary, Protocol):
    """A summary that also says how long its run took, in seconds."""

    wall_seconds: float


@dataclass(frozen=True)
class PlainRun:
    """A run from its first line on.

    Attributes:
        run_id: Names the run in rows and in reports.
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
            A function that shows a summary to the listener.
        """
        listener = current_listener()
        listener(summary)
        yield listener
        summary.wall_seconds = time.perf_counter() - self.started

    def engine(self) -> AbstractContextManager[Engine]:
        """What the steps of the run go to, started."""
        return _threads(self.n_workers)

    def each(
        self,
        items: Iterable[Item],
        step: Callable[[Item], Step],
        count: Callable[[Item, Any], None],
        summary: TimedSummary,
    ) -> None:
        """Have a step done for every item, and show how far the run is.

        Args:
            items: Taken one by one, when there is room.
            step: Gives the step of an item.
            count: Counts an item in the summary, with its result or the `Exception` that ended it.
            summary: Totals of the run.

        Raises:
            HandedBack: The worker of this process stops, and some items are left; those begun are counted.
        """
        is_cut = False

        def groups() -> Iterator[list[Item]]:
            nonlocal is_cut
            for item in items:
                if is_told():
                    is_cut = True
                    return
                yield [item]

        with self.watched(summary) as show, self.engine() as engine:
            for item, result in outcomes(engine, self.n_workers, groups(), lambda group: step(group[0])):
                count(item, result)
                show(summary)
        if is_cut:
            raise HandedBack


def begin_plainly(options: RunOptions) -> PlainRun:
    """Begin a run that Prefect knows nothing of."""
    return PlainRun(str(uuid.uuid4()), options, time.perf_counter())


class _Threads:
    """Threads as an engine."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def submit(self, task: Callable[..., Any], parameters: dict[str, Any]) -> "Future[Any]":
        """Begin a step."""
        return self._pool.submit(task, **parameters)


@contextmanager
def _threads(size: int) -> Iterator[Engine]:
    with switching_often():
        pool = ThreadPoolExecutor(size)
        is_waited_for = False
        try:
            yield _Threads(pool)
            is_waited_for = True
        finally:
            pool.shutdown(wait=is_waited_for, cancel_futures=True)  # a signal, or an error, waits for nobody


@contextmanager
def in_parts(size: int, write: Callable[[list[Item]], object]) -> Iterator[Callable[[Item], None]]:
    """Write rows in parts while the body adds them, and what is left at its end, unless an error ends it.

    A signal that ends the process is no error: what was finished before is written.

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

    try:
        yield add
    except BaseException as error:
        if part and not isinstance(error, Exception):
            write(part)
        raise
    if part:
        write(part)

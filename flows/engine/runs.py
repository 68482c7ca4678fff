"""One run of a flow, whichever it is: its clock and its options, how far it is, and how it ends."""

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from prefect import get_run_logger
from prefect.exceptions import MissingContextError
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.engine.artifacts import Table, progress, publish_page, publish_table
from flows.engine.listening import Listener
from flows.engine.plain import PlainRun, TimedSummary
from flows.engine.workers import Engine, task_runner
from tasks.errors import ImagesFailed, Summary
from tasks.settings import RunOptions, load_settings


class Run(PlainRun):
    """A run of a flow, from its first line on; see `begin`. Its id is Prefect's."""

    @contextmanager
    def watched(self, summary: TimedSummary) -> Iterator[Listener]:
        """Show how far the run is while the body works; afterwards the summary has the time that it took.

        Yields:
            A function that shows a summary to the listener and in Prefect.
        """
        with progress() as show_in_prefect, super().watched(summary) as listener:
            show_in_prefect(summary)

            def show(now: Summary) -> None:
                show_in_prefect(now)
                listener(now)

            yield show

    def engine(self) -> AbstractContextManager[Engine]:
        """What the tasks of the run go to, started."""
        return task_runner(self.options)


def begin(options: RunOptions | None = None, *, run_id: str | None = None) -> Run:
    """Begin a run: the first line of a flow.

    Args:
        options: The way of working; the settings of this host stand for all that they do not say.
        run_id: Name of the run, where the flow is a part of another one; Prefect's if not given.

    Raises:
        ConfigError: A setting of the environment is out of its range.
    """
    started = time.perf_counter()
    _show_lines_from_below()
    said = {} if options is None else options.said()
    return Run(run_id or str(flow_run.id or uuid.uuid4()), load_settings(**said).options(), started)


class _LinesFromBelow(logging.Handler):
    """Passes what the store says, that it is asked again, or the codec, of its card, to the run's log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a line, if a run asked."""
        with suppress(MissingContextError):
            get_run_logger().log(record.levelno, record.getMessage())


def _show_lines_from_below() -> None:
    for log in map(logging.getLogger, ("tasks.store", "inr")):
        if not any(isinstance(handler, _LinesFromBelow) for handler in log.handlers):
            log.addHandler(_LinesFromBelow())
        log.propagate = False  # the log of the run has a console of its own


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

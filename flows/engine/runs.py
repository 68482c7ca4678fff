"""One run of a flow, whichever it is: its clock and its options, how far it is, and how it ends."""

import logging
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import is_dataclass
from typing import Any

from prefect import Flow, State, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas import FlowRun
from prefect.context import FlowRunContext
from prefect.exceptions import MissingContextError
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.engine.artifacts import Table, progress, publish_page, publish_table
from flows.engine.listening import Listener
from flows.engine.plain import PlainRun, TimedSummary
from flows.engine.workers import Engine, task_runner
from inr.errors import InrError
from tasks.errors import ImagesFailed, Summary
from tasks.settings import RunOptions, load_settings

BAD = "CompletedWithFailures"  # the state of a run in which only originals failed, by their own fault


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
    _log_expected_errors_in_a_line()
    _draw_what_depends_on_records()
    _keep_what_it_ends_with()
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


class _InALine(logging.Filter):
    """Takes the traceback off an error that has a name of ours: its message says all, and it is no bug.

    It leaves out the line that calls such an error, which was told before, unexpected; and Prefect's lines of
    our own hook, which only puts right what Prefect has lost.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is to be logged."""
        if record.exc_info and isinstance(record.exc_info[1], InrError):
            record.exc_info = record.exc_text = None
            return "unexpected exception" not in record.getMessage()
        return as_it_ended.__name__ not in record.getMessage()


def _log_expected_errors_in_a_line() -> None:
    for log in map(logging.getLogger, ("prefect.flow_runs", "prefect.task_runs")):
        if not any(isinstance(found, _InALine) for found in log.filters):
            log.addFilter(_InALine())


class _Records(dict[int, tuple[Any, ...]]):
    """What Prefect knows of the results of a run, to draw which task depends on which: records alone.

    It looks for what a task returned, and for the parts of that, among all that later tasks are given. A
    record is of one image. Texts and members of enums are shared by all, and the place in memory of a list
    is soon another one's.
    """

    def __setitem__(self, place: int, known: tuple[Any, ...]) -> None:
        """Remember a result, if it is a record; Prefect has a weak reference to it as the last part."""
        if (reference := known[-1]) is not None and is_dataclass(reference()):
            super().__setitem__(place, known)


def _draw_what_depends_on_records() -> None:
    if (context := FlowRunContext.get()) is not None:
        context.run_results = _Records()


_endings = dict[uuid.UUID, State[Any]]()  # by the id of a run that is about to end


def as_it_ended(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of every flow: let its last state carry what the run ended with.

    Where the server's answer was late, Prefect's client asks once more. It is told then that the run has made
    this transition before, and goes on with the server's state, which carries nothing.
    """
    ending = _endings.pop(flow_run.id, None)
    if ending is not None and ending.type == state.type:
        state.data = ending.data


def _keep_what_it_ends_with() -> None:
    if (context := FlowRunContext.get()) is not None and context.flow is not None:
        for hooks in (context.flow.on_completion_hooks, context.flow.on_failure_hooks):
            if as_it_ended not in hooks:
                hooks.append(as_it_ended)


def tag(tags: Iterable[str]) -> None:
    """Add tags to this run, by which Prefect's lists are filtered; those that it has stay."""
    if flow_run.id is None:
        return
    with get_client(sync_client=True) as client:
        client.update_flow_run(uuid.UUID(str(flow_run.id)), tags=sorted({*flow_run.tags, *tags}))


def ended(summary: Summary, page: str | None = None, table: Table | None = None) -> Any:
    """End a run: the last line of a flow.

    Args:
        summary: Totals of the run.
        page: Markdown about the run, to be left in Prefect if given.
        table: Rows to be left in Prefect if given.

    Returns:
        What the flow returns: the summary; or a state, which raises `ImagesFailed` with it where something
        failed that is not an original's own fault, and else is a completed one under the name `BAD`.
    """
    headline = summary.headline()
    if page is not None:
        publish_page(headline, page)
    if table is not None:
        publish_table(table)
    if not summary.n_failed:
        return summary
    state: State[Any] = (
        Failed(message=headline, data=ImagesFailed(headline, summary))
        if summary.n_failed > summary.n_bad
        else Completed(name=BAD, message=headline, data=summary)
    )
    if flow_run.id is not None:
        _endings[uuid.UUID(str(flow_run.id))] = state
    return state

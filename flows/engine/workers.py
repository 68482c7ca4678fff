"""Bounded fan-out: the engine that the tasks of a flow go to, and the one loop over them.

Prefect is imported where its engines are used: runs without it have the loop too.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from flows.engine.cores import n_workers
from inr.errors import ConfigError
from tasks.settings import MAX_WORKERS, RunOptions

Item = TypeVar("Item")

SWITCH_SECONDS = 1e-4


class Handle(Protocol):
    """A step that an engine has taken: a future of Python's or of Prefect's."""

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        """Have a function called with this once the step is over."""

    def result(self) -> Any:
        """Wait for the result, or raise what ended the step."""


class Engine(Protocol):
    """What steps go to: Prefect's task runners, or plain threads."""

    def submit(self, task: Any, parameters: dict[str, Any]) -> Handle:
        """Begin a step."""


class Step(NamedTuple):
    """A step to submit.

    Attributes:
        task: A task of Prefect's, or a plain function where the engine is plain threads.
        parameters: Its parameters, by name.
        is_for_group: True if it returns a list with a result or an exception for each item of a group,
            in their order; else it is for one item, and returns the item's result.
    """

    task: Callable[..., Any]
    parameters: dict[str, Any]
    is_for_group: bool = False


@contextmanager
def task_runner(options: RunOptions) -> Iterator[Engine]:
    """Prefect's engine that a run's tasks go to, started, with room for `n_workers` at a time.

    Raises:
        ConfigError: The extra of the engine is not installed.
    """
    from prefect.task_runners import ThreadPoolTaskRunner

    with switching_often():
        if options.runner == "threads":
            threads = cast("AbstractContextManager[Engine]", ThreadPoolTaskRunner(max_workers=MAX_WORKERS))
            with threads as engine:
                yield engine
            return
        try:
            made = _dask(options)
        except ImportError as error:
            raise ConfigError("runner: dask is not installed: pip install 'inr-archive[dask]'") from error
        with _server_for_children(), made as engine:
            yield engine


@contextmanager
def switching_often() -> Iterator[None]:
    """While the body runs, let Python's threads take turns every `SWITCH_SECONDS`.

    Fits are thousands of short operations, each of which takes the interpreter's lock again. At Python's
    own 5 ms each may wait so long for whatever else runs Python: Prefect's threads made fits 9 % slower.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _dask(options: RunOptions) -> AbstractContextManager[Engine]:
    import dask
    from prefect_dask.task_runners import DaskTaskRunner

    if options.runner_address:
        return cast("AbstractContextManager[Engine]", DaskTaskRunner(address=options.runner_address))
    # Dask has its workers give freed memory back at once, and glibc then asks the kernel anew for each array
    # of a step: fits of 192x192 took 43 % longer.
    variables = dask.config.get("distributed.nanny.pre-spawn-environ")
    kept = {name: value for name, value in variables.items() if name != "MALLOC_TRIM_THRESHOLD_"}
    dask.config.set({"distributed.nanny.pre-spawn-environ": kept})
    cluster = {"n_workers": n_workers(options), "threads_per_worker": 1, "dashboard_address": None}
    return cast("AbstractContextManager[Engine]", DaskTaskRunner(cluster_kwargs=cluster))


@contextmanager
def _server_for_children() -> Iterator[None]:
    """Processes started inside report to the server of this run; else each would start one of its own."""
    from prefect.client.orchestration import get_client

    before = os.environ.get("PREFECT_API_URL")
    with get_client(sync_client=True) as client:
        os.environ["PREFECT_API_URL"] = str(client.api_url)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PREFECT_API_URL"]
        else:
            os.environ["PREFECT_API_URL"] = before


def _nothing_follows(item: Any, result: Any) -> None:
    """The step after a result that is the last one."""


def outcomes(
    engine: Engine,
    size: int,
    groups: Iterable[Sequence[Item]],
    first: Callable[[Sequence[Item]], Step],
    then: Callable[[Item, Any], Step | None] = _nothing_follows,
) -> Iterator[tuple[Item, Any]]:
    """Run `first` for every group of items, then whatever `then` asks for each item alone.

    Args:
        engine: Takes the tasks.
        size: Tasks in flight at once, at most.
        groups: Taken one by one, when there is room.
        first: Gives the step of a group; a group of one may have a step for one item.
        then: Gives the step for one item that follows on a result of the item, if any.

    Yields:
        Each item with its last result, or the `Exception` that ended it, in order of completion.
    """
    running: dict[Handle, tuple[Step, Sequence[Item]]] = {}
    ended: SimpleQueue[Handle] = SimpleQueue()
    following: deque[tuple[Step, Sequence[Item]]] = deque()
    waiting = iter(groups)
    while True:
        while len(running) < size and (work := _next(following, waiting, first)) is not None:
            future = engine.submit(work[0].task, work[0].parameters)
            running[future] = work
            future.add_done_callback(ended.put)
        if not running:
            return
        future = ended.get()
        for item, result in _results(future, *running.pop(future)):
            step = None if isinstance(result, Exception) else then(item, result)
            if step is None:
                yield item, result
            else:
                following.append((step, [item]))


def _next(
    following: deque[tuple[Step, Sequence[Item]]],
    waiting: Iterator[Sequence[Item]],
    first: Callable[[Sequence[Item]], Step],
) -> tuple[Step, Sequence[Item]] | None:
    """The next task and its items: what was begun goes first."""
    if following:
        return following.popleft()
    group = next(waiting, None)
    return None if group is None else (first(group), group)


def _results(future: Handle, step: Step, items: Sequence[Item]) -> list[tuple[Item, Any]]:
    """The result of each item; whatever ended the task is the result of all, and stops no other (law 4)."""
    try:
        found = future.result()
        return list(zip(items, found if step.is_for_group else [found], strict=True))
    except Exception as error:  # of one task; the run counts it as the result of its items
        return [(item, error) for item in items]

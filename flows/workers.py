"""Bounded fan-out: how many tasks a flow has in flight, on which engine, and a window over them."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, cast

import torch
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from inr.errors import ConfigError
from tasks.settings import MAX_WORKERS, RunOptions

Result = TypeVar("Result")
Context = TypeVar("Context")

# Fits are thousands of short operations, each of which takes the interpreter's lock again. At Python's
# own 5 ms each may wait so long for whatever else runs Python: Prefect's threads made fits 9 % slower.
sys.setswitchinterval(1e-4)

# A bound that is never reached: flows submit through a `Window`, no more than the workers of a run.
TASK_RUNNER: Any = ThreadPoolTaskRunner(max_workers=MAX_WORKERS)


@contextmanager
def task_runner(options: RunOptions) -> Iterator[TaskRunner[Any]]:
    """The engine that a run's tasks go to, started; `options.workers` is how many at a time.

    Raises:
        ConfigError: The extra of the engine is not installed.
    """
    if options.runner == "threads":
        with cast("TaskRunner[Any]", ThreadPoolTaskRunner(max_workers=MAX_WORKERS)) as engine:
            yield engine
        return
    try:
        made = _dask(options) if options.runner == "dask" else _ray(options)
    except ImportError as error:
        extra = f"pip install 'inr-archive[{options.runner}]'"
        raise ConfigError(f"runner: {options.runner} is not installed: {extra}") from error
    with _server_for_children(), made as engine:
        yield engine


def _dask(options: RunOptions) -> TaskRunner[Any]:
    from prefect_dask.task_runners import DaskTaskRunner

    if options.runner_address:
        return cast("TaskRunner[Any]", DaskTaskRunner(address=options.runner_address))
    cluster = {"n_workers": options.workers, "threads_per_worker": 1, "dashboard_address": None}
    return cast("TaskRunner[Any]", DaskTaskRunner(cluster_kwargs=cluster))


def _ray(options: RunOptions) -> TaskRunner[Any]:
    from prefect_ray.task_runners import RayTaskRunner

    if options.runner_address:
        return cast("TaskRunner[Any]", RayTaskRunner(address=options.runner_address))
    started = {"num_cpus": options.workers, "include_dashboard": False}
    return cast("TaskRunner[Any]", RayTaskRunner(init_kwargs=started))


@contextmanager
def _server_for_children() -> Iterator[None]:
    """Processes started inside report to the server of this run; else each would start one of its own."""
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


def n_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


def n_workers(options: RunOptions) -> int:
    """Images in flight: as told; else one per core, or one alone on a GPU."""
    if options.workers:
        return options.workers
    on_gpu = options.device == "cuda" or (options.device == "auto" and torch.cuda.is_available())
    return 1 if on_gpu else min(n_cores(), MAX_WORKERS)


def n_threads(workers: int) -> int:
    """Threads of each worker, so that the cores are shared out."""
    return max(1, n_cores() // workers)


@dataclass
class Window(Generic[Result, Context]):
    """Tasks in flight, each with what the flow knows about it.

    Attributes:
        size: Most tasks at a time.
    """

    size: int
    _running: dict[PrefectFuture[Result], Context] = field(default_factory=dict)
    _ended: SimpleQueue[PrefectFuture[Result]] = field(default_factory=SimpleQueue)

    def has_room(self) -> bool:
        """Whether one more may be submitted."""
        return len(self._running) < self.size

    def is_empty(self) -> bool:
        """Whether nothing is in flight."""
        return not self._running

    def follow(self, future: PrefectFuture[Result], context: Context) -> None:
        """Take a submitted task."""
        self._running[future] = context
        future.add_done_callback(self._ended.put)

    def next_ended(self) -> tuple[PrefectFuture[Result], Context]:
        """Wait for any task to end."""
        future = self._ended.get()
        return future, self._running.pop(future)


def outcomes(
    submit: Callable[[Context], PrefectFuture[Result]], items: Iterable[Context], size: int
) -> Iterator[tuple[Context, Result | Exception]]:
    """Submit a task per item, at most `size` at a time; each item with what came of it, as they end."""
    window: Window[Result, Context] = Window(size)
    waiting = iter(items)
    while True:
        while window.has_room() and (item := next(waiting, None)) is not None:
            window.follow(submit(item), item)
        if window.is_empty():
            return
        future, item = window.next_ended()
        try:
            outcome: Result | Exception = future.result()
        except Exception as error:  # whatever ended the task, it stops no other
            outcome = error
        yield item, outcome

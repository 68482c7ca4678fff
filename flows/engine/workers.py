"""Bounded fan-out: how many tasks a flow has in flight, on which engine, and the one loop over them."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypeVar, cast

import torch
from prefect import Task
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from inr.errors import ConfigError
from tasks.settings import MAX_WORKERS, RunOptions

Item = TypeVar("Item")
Step = tuple[Task[..., Any], dict[str, Any]]  # a task, and its parameters

# Fits are thousands of short operations, each of which takes the interpreter's lock again. At Python's
# own 5 ms each may wait so long for whatever else runs Python: Prefect's threads made fits 9 % slower.
sys.setswitchinterval(1e-4)


@contextmanager
def task_runner(options: RunOptions) -> Iterator[TaskRunner[Any]]:
    """The engine that a run's tasks go to, started, with room for `n_workers` at a time.

    Raises:
        ConfigError: The extra of the engine is not installed.
    """
    if options.runner == "threads":
        with cast("TaskRunner[Any]", ThreadPoolTaskRunner(max_workers=MAX_WORKERS)) as engine:
            yield engine
        return
    try:
        made = _dask(options)
    except ImportError as error:
        raise ConfigError("runner: dask is not installed: pip install 'inr-archive[dask]'") from error
    with _server_for_children(), made as engine:
        yield engine


def _dask(options: RunOptions) -> TaskRunner[Any]:
    import dask
    from prefect_dask.task_runners import DaskTaskRunner

    if options.runner_address:
        return cast("TaskRunner[Any]", DaskTaskRunner(address=options.runner_address))
    # Dask has its workers give freed memory back at once, and glibc then asks the kernel anew for each array
    # of a step: fits of 192x192 took 43 % longer.
    variables = dask.config.get("distributed.nanny.pre-spawn-environ")
    kept = {name: value for name, value in variables.items() if name != "MALLOC_TRIM_THRESHOLD_"}
    dask.config.set({"distributed.nanny.pre-spawn-environ": kept})
    cluster = {"n_workers": n_workers(options), "threads_per_worker": 1, "dashboard_address": None}
    return cast("TaskRunner[Any]", DaskTaskRunner(cluster_kwargs=cluster))


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


def outcomes(
    engine: TaskRunner[Any],
    size: int,
    items: Iterable[Item],
    first: Callable[[Item], Step],
    then: Callable[[Item, Any], Step | None] = lambda item, outcome: None,
) -> Iterator[tuple[Item, Any]]:
    """Have a task done for every item, and those that follow on it; what came of each, as they end.

    Args:
        engine: What tasks are submitted to.
        size: How many at a time, at most.
        items: Taken one by one, when there is room.
        first: The task of an item.
        then: The task that follows on one with that outcome, if any.

    Yields:
        The item, and what its last task returned, or the `Exception` that ended one.
    """
    running: dict[PrefectFuture[Any], Item] = {}
    ended: SimpleQueue[PrefectFuture[Any]] = SimpleQueue()
    waiting = iter(items)

    def submit(item: Item, step: Step) -> None:
        future = engine.submit(*step)
        running[future] = item
        future.add_done_callback(ended.put)

    while True:
        while len(running) < size and (item := next(waiting, None)) is not None:
            submit(item, first(item))
        if not running:
            return
        future = ended.get()
        item = running.pop(future)
        outcome = _outcome(future)
        step = None if isinstance(outcome, Exception) else then(item, outcome)
        if step is None:
            yield item, outcome
        else:
            submit(item, step)


def _outcome(future: PrefectFuture[Any]) -> Any:
    """What a task returned, or whatever ended it: it stops no other (law 4)."""
    try:
        return future.result()
    except Exception as error:
        return error

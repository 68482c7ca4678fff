"""Bounded fan-out: how many tasks a flow has in flight, and a window over them."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import torch
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.settings import MAX_WORKERS, RunOptions

Result = TypeVar("Result")
Context = TypeVar("Context")

# Fits are thousands of short operations, each of which takes the interpreter's lock again. At Python's
# own 5 ms each may wait so long for whatever else runs Python: Prefect's threads made fits 9 % slower.
sys.setswitchinterval(1e-4)

# A bound that is never reached: flows submit through a `Window`, no more than the workers of a run.
TASK_RUNNER: Any = ThreadPoolTaskRunner(max_workers=MAX_WORKERS)


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

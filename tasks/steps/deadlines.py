"""The clock beside fits: how long each took, its deadline, and a way to stop a run.

A fit runs inside a thread and cannot be interrupted from outside. Every so many steps it shows its progress
to a `FitWatch`, which answers with what to drop: each with the error that ends it, while the others go on.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from inr import DeadlineExceeded, InrError, Progress
from tasks.errors import RunCancelled

Reported = TypeVar("Reported")

_cancelled: set[str] = set()
_lock = threading.Lock()


def cancel(run_id: str) -> None:
    """Make every fit of a run in this process stop at its next report."""
    with _lock:
        _cancelled.add(run_id)


def go_on(run_id: str) -> None:
    """Have the fits of a run go on that begin from now on: a run that is tried again keeps its id."""
    with _lock:
        _cancelled.discard(run_id)


def heed(run_id: str) -> None:
    """Do nothing while a run goes on.

    Raises:
        RunCancelled: It was cancelled.
    """
    if run_id in _cancelled:
        raise RunCancelled("the run was stopped before a fit began")


@dataclass
class FitWatch:
    """Pass an instance as ``on_progress`` of `inr.encode_many`, or its `alone` as that of `inr.encode`.

    Time counts for the images that report at its end: one after the other, or a group, whose images share it.

    Attributes:
        run_id: The run that the fits belong to; `cancel` names it.
        deadline_seconds: Longest time of one image's fits, of a group its share; no limit if None.
        report: Called with each report, for a display or a log.
        fit_seconds: Number of the image → time of its fits so far.
        busy_seconds: Time from `started` to the last report.
        started: `time.perf_counter` at construction.
    """

    run_id: str = ""
    deadline_seconds: float | None = None
    report: Callable[[Mapping[int, Progress]], None] | None = None
    fit_seconds: dict[int, float] = field(default_factory=dict)
    busy_seconds: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def __call__(self, progress: Mapping[int, Progress]) -> dict[int, InrError]:
        """Take a report; returns the images to drop, each with the error that ends it."""
        if self.report is not None:
            self.report(progress)
        busy_seconds = time.perf_counter() - self.started
        elapsed, self.busy_seconds = busy_seconds - self.busy_seconds, busy_seconds
        for number in progress:
            self.fit_seconds[number] = self.fit_seconds.get(number, 0.0) + elapsed / len(progress)
        ends = {number: self._end(number, where) for number, where in progress.items()}
        return {number: error for number, error in ends.items() if error is not None}

    def alone(self, progress: Progress) -> InrError | None:
        """Take a report of the only image; returns the error that ends it, if any."""
        return self({0: progress}).get(0)

    def _end(self, number: int, progress: Progress) -> InrError | None:
        where = f"at step {progress.step} of {progress.n_steps}"
        if self.run_id in _cancelled:
            return RunCancelled(f"the run was stopped {where}")
        most, found = self.deadline_seconds, self.fit_seconds[number]
        if most is None or found <= most:
            return None
        expected = f"expected at most {most:g} s, found {found:.1f} s"
        return DeadlineExceeded(f"{expected} {where}, attempt {progress.attempt}")


def at_most_every(seconds: float, report: Callable[[Reported], None]) -> Callable[[Reported], None]:
    """Thin out reports: pass one on only if `seconds` went by since the last one passed on."""
    last = time.perf_counter()

    def passed_on(progress: Reported) -> None:
        nonlocal last
        if time.perf_counter() - last >= seconds:
            last = time.perf_counter()
            report(progress)

    return passed_on

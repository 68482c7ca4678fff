"""The clock beside a fit: how long it took, its history, its deadline, and a way to stop it.

A fit runs inside a thread and cannot be interrupted from outside. It calls `FitWatch` every so many
steps, and what `FitWatch` raises ends it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from inr import DeadlineExceeded, Progress
from tasks.errors import RunCancelled

_cancelled: set[str] = set()
_lock = threading.Lock()


def cancel(run_id: str) -> None:
    """Make every fit of a run in this process stop at its next report."""
    with _lock:
        _cancelled.add(run_id)


@dataclass
class FitWatch:
    """Pass an instance as ``on_progress``.

    Attributes:
        run_id: The run that the fit belongs to; `cancel` names it.
        deadline_seconds: Longest time from construction; no limit if None.
        report: Called with each report, for a display or a log.
        history: Every report so far.
        fit_seconds: Time from construction to the last report.
    """

    run_id: str = ""
    deadline_seconds: float | None = None
    report: Callable[[Progress], None] | None = None
    history: list[Progress] = field(default_factory=list)
    fit_seconds: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def __call__(self, progress: Progress) -> None:
        """Take a report.

        Raises:
            DeadlineExceeded: The time is up.
            RunCancelled: The run was cancelled.
        """
        self.fit_seconds = time.perf_counter() - self.started
        self.history.append(progress)
        if self.run_id in _cancelled:
            raise RunCancelled(f"the run was stopped at step {progress.step} of {progress.n_steps}")
        if self.deadline_seconds is not None and self.fit_seconds > self.deadline_seconds:
            raise DeadlineExceeded(
                f"expected at most {self.deadline_seconds:g} s, found {self.fit_seconds:.1f} s "
                f"at step {progress.step} of {progress.n_steps}, attempt {progress.attempt}"
            )
        if self.report is not None:
            self.report(progress)


def at_most_every(seconds: float, report: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Thin out reports: pass one on only if `seconds` went by since the last one passed on."""
    last = time.perf_counter()

    def passed_on(progress: Progress) -> None:
        nonlocal last
        if time.perf_counter() - last >= seconds:
            last = time.perf_counter()
            report(progress)

    return passed_on

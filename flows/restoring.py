"""A restoration: every image that is selected is written, and counted.

The flow ``restore`` does it with Prefect's tasks; a command on one machine does it with plain functions.
"""

from collections.abc import Callable, Sequence
from typing import Any

from flows.engine.plain import PlainRun
from flows.engine.workers import Step
from tasks.plan.restoring import Restoring
from tasks.steps.restore import Format, RestoreJob, RestoreSummary, restore_image


def restore_all(
    run: PlainRun,
    wanted: Sequence[Restoring],
    format_: Format,
    summary: RestoreSummary,
    restore: Callable[..., Any] = restore_image,
) -> None:
    """Restore images.

    Args:
        run: The run that does it.
        wanted: The images.
        format_: Format of the files.
        summary: Counts every image; names store and target.
        restore: Restores an image: `restore_image`, or a task that calls it.
    """
    job = RestoreJob(summary.store, summary.target, format_, run.n_threads)

    def step(item: Restoring) -> Step:
        return Step(restore, {"wanted": item, "job": job})

    def count(item: Restoring, result: Any) -> None:
        failed = isinstance(result, Exception)
        summary.fail(item.path, result) if failed else summary.add(result)

    run.each(wanted, step, count, summary)

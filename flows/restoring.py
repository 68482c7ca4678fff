"""A restoration: every image that is selected is written, and counted.

The flow ``restore`` does it with Prefect's tasks; a command on one machine does it with plain functions.
"""

from collections.abc import Callable, Sequence
from typing import Any

from flows.engine.plain import PlainRun
from flows.engine.workers import Step
from tasks.catalogue.records import Archived
from tasks.steps.restore import Format, RestoreJob, RestoreSummary, restore_image


def restore_all(
    run: PlainRun,
    records: Sequence[Archived],
    format_: Format,
    summary: RestoreSummary,
    restore: Callable[..., Any] = restore_image,
) -> None:
    """Restore images.

    Args:
        run: The run that does it.
        records: The images.
        format_: Format of the files.
        summary: Counts every image; names store and target.
        restore: Restores an image: `restore_image`, or a task that calls it.
    """
    job = RestoreJob(summary.store, summary.target, format_, run.n_threads)

    def step(record: Archived) -> Step:
        return Step(restore, {"record": record, "job": job})

    def count(record: Archived, result: Any) -> None:
        failed = isinstance(result, Exception)
        summary.fail(record.path, result) if failed else summary.add(result)

    run.each(records, step, count, summary)

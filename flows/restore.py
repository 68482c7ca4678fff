"""The flow ``restore``: archived images back to files, each compared with its row on the way."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.engine.artifacts import ProgressArtifact, publish_page, publish_table
from flows.engine.listening import tell
from flows.engine.workers import Step, n_threads, n_workers, outcomes, task_runner
from tasks.catalogue.records import Archived
from tasks.errors import ImagesFailed
from tasks.report.summary import markdown_list
from tasks.settings import RunOptions, load_settings
from tasks.steps.restore import Format, Restored, RestoreJob, RestoreSummary, select
from tasks.steps.restore import restore as restore_task
from tasks.store.locations import open_store


def run_name() -> str:
    """What a run restores, for Prefect's lists."""
    given = flow_run.parameters
    return f"restore {given['store']} into {given['target']}, where {given.get('where') or 'true'}"


@flow(name="restore", flow_run_name=run_name)
def restore(
    store: str, target: str, where: str = "true", format: Format = "png", options: RunOptions | None = None
) -> Any:  # RestoreSummary, or a failed state; Prefect unwraps the state before the caller sees it
    """Write archived images into a folder as lossless files, with ICC profile and EXIF.

    Args:
        store: Folder of the archive, as a path or ``file:`` URI, or ``s3://bucket/prefix``.
        target: Folder to write into; made if it does not exist. Files that are there are never replaced.
        where: Which images, as a condition in SQL on the columns of ``images``.
        format: Of the files.
        options: How to work; the settings of the environment if not given.

    Returns:
        The `RestoreSummary`, where every image was restored.

    Raises:
        ImagesFailed: Some were not; carries the summary.
        ConfigError, CatalogueError, StorageError: Predicate, store or target cannot be used.
    """
    started = time.perf_counter()
    options = options or load_settings().options()
    source = open_store(store)
    records = select(source, where)
    get_run_logger().info("%d images selected", len(records))
    summary = RestoreSummary(str(flow_run.id or uuid.uuid4()), source.url, target, len(records))
    _restore_all(records, summary, format, options)
    summary.wall_seconds = time.perf_counter() - started
    _publish(summary)
    if summary.n_failed:
        return Failed(message=summary.headline(), data=ImagesFailed(summary.headline(), summary))
    return summary


def _restore_all(
    records: Sequence[Archived], summary: RestoreSummary, format_: Format, options: RunOptions
) -> None:
    """Restore everything that is selected, and tell the summary as it goes."""
    progress = ProgressArtifact(summary)
    tell(summary)
    size = n_workers(options)
    job = RestoreJob(summary.store, summary.target, format_, n_threads(size))

    def step(record: Archived) -> Step:
        return restore_task, {"record": record, "job": job}

    with task_runner(options) as engine:
        for record, outcome in outcomes(engine, size, records, step):
            if isinstance(outcome, Restored):
                summary.add(outcome)
            else:
                summary.fail(record.path, outcome)
            progress.update(summary)
            tell(summary)


def _publish(summary: RestoreSummary) -> None:
    told = {
        "store": summary.store,
        "target": summary.target,
        "run": f"{summary.run_id}, {summary.wall_seconds:.1f} s",
        "images": f"{summary.n_restored} of {summary.n_planned}, {summary.n_failed} failed",
        "files": f"{summary.n_written} written, {summary.n_present} were there, {summary.n_bytes} bytes",
    }
    publish_page(summary.headline(), "\n".join(markdown_list(told)))
    rows = [{"image": path, "reason": reason} for path, reason in summary.failures]
    publish_table("failures", rows, summary.n_failed)

"""The flow ``restore``: archived images back to files, each compared with its row on the way."""

import time
import uuid
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.listening import tell
from flows.workers import TASK_RUNNER, n_threads, n_workers, outcomes
from tasks.errors import ImagesFailed
from tasks.restore import Format, Restored, RestoreJob, RestoreSummary, select
from tasks.restore import restore as restore_task
from tasks.settings import RunOptions, load_settings
from tasks.storage import open_store


def run_name() -> str:
    """What a run restores, for Prefect's lists."""
    given = flow_run.parameters
    return f"restore {given['store']} into {given['target']}, where {given.get('where') or 'true'}"


@flow(name="restore", flow_run_name=run_name, task_runner=TASK_RUNNER)
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
    workers = n_workers(options)
    job = RestoreJob(source.url, target, format, n_threads(workers))
    summary = RestoreSummary(str(flow_run.id or uuid.uuid4()), source.url, target, len(records))
    tell(summary)
    for record, outcome in outcomes(lambda record: restore_task.submit(record, job), records, workers):
        if isinstance(outcome, Restored):
            summary.add(outcome)
        else:
            summary.fail(record.source_path, outcome)
        tell(summary)
    summary.wall_seconds = time.perf_counter() - started
    rows = [{"image": path, "reason": reason} for path, reason in summary.failures]
    create_table_artifact(key="restore-failures", table=rows, description=summary.headline())
    if summary.n_failed:
        return Failed(message=summary.headline(), data=ImagesFailed(summary.headline(), summary))
    return summary

"""The flow ``archive``: plan, compress and verify each image, record in batches, report.

Whatever ends an image ends as its row; the run's final state tells if there were failures.
"""

import time
import uuid
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.artifacts import publish
from flows.images import archive_all, unreadable_rows
from flows.workers import TASK_RUNNER, n_threads, n_workers
from inr import CodecConfig
from tasks.compress import ArchiveJob
from tasks.contract import Contract
from tasks.errors import ImagesFailed
from tasks.plan import Plan, make_plan
from tasks.record import archive_digest, described
from tasks.report import RunSummary, store_report
from tasks.settings import RunOptions, load_settings
from tasks.storage import open_store


def run_name() -> str:
    """What a run archives, for Prefect's lists."""
    given = flow_run.parameters
    config = given.get("config") or CodecConfig()
    return f"archive {given['source']} into {given['store']}, {described(config, given.get('contract'))}"


@flow(name="archive", flow_run_name=run_name, task_runner=TASK_RUNNER)
def archive(
    source: str,
    store: str,
    config: CodecConfig | None = None,
    options: RunOptions | None = None,
    contract: Contract | None = None,
) -> Any:  # RunSummary, or a failed state; Prefect unwraps the state before the caller sees it
    """Archive every image of a source that is not in the store under this config yet.

    Args:
        source: Folder or file, as a path or ``file:`` URI, or ``s3://bucket/prefix``.
        store: Folder of the archive, as a path or ``file:`` URI, made if it does not exist; or
            ``s3://bucket/prefix``, in a bucket that exists.
        config: How to encode; the defaults of `CodecConfig` if not given.
        options: How to work; the settings of the environment if not given.
        contract: What every image must reach, if anything.

    Returns:
        The `RunSummary`, where every image was archived.

    Raises:
        ImagesFailed: Some images are rows with status ``failed``; carries the summary.
        ConfigError, CatalogueError, StorageError: Source or store cannot be used.
    """
    started = time.perf_counter()
    config, options = config or CodecConfig(), options or load_settings().options()
    target = open_store(store)
    target.clean()
    plan = make_plan(source, target, archive_digest(config, contract), max_file_bytes=options.max_file_bytes)
    get_run_logger().info(plan.describe())
    job = new_job(target.url, config, options, contract)
    summary = new_summary(source, job, plan)
    archive_all(((image, job) for image in plan.images), unreadable_rows(plan, job), summary, job.options)
    summary.wall_seconds = time.perf_counter() - started
    store_report(target, summary)
    publish(summary)
    if summary.n_failed:
        return Failed(message=summary.headline(), data=ImagesFailed(summary.headline(), summary))
    return summary


def new_job(
    store: str,
    config: CodecConfig,
    options: RunOptions,
    contract: Contract | None = None,
    run_id: str | None = None,
) -> ArchiveJob:
    """What the images of this run have in common; cores are shared out among the workers."""
    workers = n_workers(options)
    return ArchiveJob(
        run_id=run_id or str(flow_run.id or uuid.uuid4()),
        store=store,
        config=config,
        options=options.model_copy(update={"workers": workers}),
        n_threads=n_threads(workers),
        contract=contract,
    )


def new_summary(source: str, job: ArchiveJob, plan: Plan) -> RunSummary:
    """The summary of a run that has done nothing yet."""
    return RunSummary(
        run_id=job.run_id,
        source=source,
        store=job.store,
        config=described(job.config, job.contract),
        plan=plan.describe(),
        n_planned=plan.n_to_do,
        n_before=plan.n_archived,
    )

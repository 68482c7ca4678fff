"""The flow ``verify``: an audit of a store. Reads what is stored, records what it found, repairs nothing."""

import time
import uuid
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.listening import tell
from flows.workers import TASK_RUNNER, n_threads, n_workers, outcomes
from tasks.audit import (
    AuditJob,
    AuditSummary,
    audit,
    orphan_row,
    plan_audit,
    record_audits,
    unavailable_row,
)
from tasks.errors import ImagesFailed
from tasks.record import UNAVAILABLE, AuditRow
from tasks.settings import RunOptions, load_settings
from tasks.storage import open_store


def run_name() -> str:
    """What a run audits, for Prefect's lists."""
    given = flow_run.parameters
    chosen = f", {given['sample']} at random" if given.get("sample") is not None else ""
    days = f", unread for {given['unread_days']:g} days" if given.get("unread_days") is not None else ""
    return f"verify {given['store']}{days}{chosen}"


@flow(name="verify", flow_run_name=run_name, task_runner=TASK_RUNNER)
def verify(
    store: str,
    sample: int | None = None,
    unread_days: float | None = None,
    options: RunOptions | None = None,
) -> Any:  # AuditSummary, or a failed state; Prefect unwraps the state before the caller sees it
    """Read and decode stored bitstreams anew and compare them with their records; find what has none.

    Args:
        store: Folder of the archive, as a path or ``file:`` URI, or ``s3://bucket/prefix``.
        sample: So many bitstreams at random; all if not given.
        unread_days: Only what was not verified or audited for so many days.
        options: How to work; the settings of the environment if not given.

    Returns:
        The `AuditSummary`, where every bitstream read is intact.

    Raises:
        ImagesFailed: Some are damaged, missing or could not be read; carries the summary.
        ConfigError, CatalogueError, StorageError: The store cannot be used.
    """
    started = time.perf_counter()
    options = options or load_settings().options()
    target = open_store(store)
    plan = plan_audit(target, sample=sample, unread_days=unread_days)
    get_run_logger().info("%d bitstreams to read, %d orphans", len(plan.records), len(plan.orphans))
    run_id = str(flow_run.id or uuid.uuid4())
    summary = AuditSummary(run_id, target.url, len(plan.records), plan.n_archived)
    workers = n_workers(options)
    job = AuditJob(run_id, target.url, n_threads(workers))
    tell(summary)
    batch = [orphan_row(run_id, key) for key in plan.orphans]
    for row in batch:
        summary.add(row)
    for record, outcome in outcomes(lambda record: audit.submit(record, job), plan.records, workers):
        # that an object could not be had says nothing about it
        row = outcome if isinstance(outcome, AuditRow) else unavailable_row(run_id, record, outcome)
        summary.add(row)
        if row.status != UNAVAILABLE:
            batch.append(row)
        if len(batch) >= options.batch_images:
            record_audits(target.url, batch, len(batch))
            batch = []
        tell(summary)
    if batch:
        record_audits(target.url, batch, len(batch))
    summary.wall_seconds = time.perf_counter() - started
    table = [{"status": row.status, "key": row.key, "reason": row.error_message} for row in summary.findings]
    create_table_artifact(key="verify-findings", table=table, description=summary.headline())
    if summary.n_failed:
        return Failed(message=summary.headline(), data=ImagesFailed(summary.headline(), summary))
    return summary

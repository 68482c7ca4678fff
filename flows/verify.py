"""The flow ``verify``: an audit of a store. Reads what is stored, records what it found, repairs nothing."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.engine.artifacts import ProgressArtifact, publish_page, publish_table
from flows.engine.listening import tell
from flows.engine.workers import Step, n_threads, n_workers, outcomes, task_runner
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.records import Archived
from tasks.errors import ImagesFailed
from tasks.report.summary import markdown_list
from tasks.settings import RunOptions, load_settings
from tasks.steps.audit import (
    AuditJob,
    AuditPlan,
    AuditSummary,
    audit,
    orphan_row,
    plan_audit,
    record_audits,
    unavailable_row,
)
from tasks.store.locations import open_store


def run_name() -> str:
    """What a run audits, for Prefect's lists."""
    given = flow_run.parameters
    chosen = f", {given['sample']} at random" if given.get("sample") is not None else ""
    days = f", unread for {given['unread_days']:g} days" if given.get("unread_days") is not None else ""
    return f"verify {given['store']}{days}{chosen}"


@flow(name="verify", flow_run_name=run_name)
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
    _audit_all(plan, summary, options)
    summary.wall_seconds = time.perf_counter() - started
    _publish(summary)
    if summary.n_failed:
        return Failed(message=summary.headline(), data=ImagesFailed(summary.headline(), summary))
    return summary


def _audit_all(plan: AuditPlan, summary: AuditSummary, options: RunOptions) -> None:
    """Read everything that is planned, record what was found in parts, and tell the summary as it goes."""
    progress = ProgressArtifact(summary)
    tell(summary)
    batch: list[AuditRow] = []
    for row in _rows(plan, summary, options):
        summary.add(row)
        if row.status != AuditStatus.UNAVAILABLE:  # that an object could not be had says nothing about it
            batch.append(row)
        if len(batch) >= options.batch_images:
            record_audits(summary.store, batch, len(batch))
            batch = []
        progress.update(summary)
        tell(summary)
    if batch:
        record_audits(summary.store, batch, len(batch))


def _rows(plan: AuditPlan, summary: AuditSummary, options: RunOptions) -> Iterator[AuditRow]:
    for key in plan.orphans:
        yield orphan_row(summary.run_id, key)
    size = n_workers(options)
    job = AuditJob(summary.run_id, summary.store, n_threads(size))

    def step(record: Archived) -> Step:
        return audit, {"record": record, "job": job}

    with task_runner(options) as engine:
        for record, outcome in outcomes(engine, size, plan.records, step):
            failed = isinstance(outcome, Exception)
            yield unavailable_row(summary.run_id, record, outcome) if failed else outcome


def _publish(summary: AuditSummary) -> None:
    told = {
        "store": summary.store,
        "run": f"{summary.run_id}, {summary.wall_seconds:.1f} s",
        "bitstreams to read": summary.n_planned,
        **{status.value: count for status, count in summary.counts.items()},
        "archived images": summary.n_archived,
    }
    publish_page(summary.headline(), "\n".join(markdown_list(told)))
    found = [
        {"status": row.status, "key": row.key, "reason": row.error_message or ""} for row in summary.findings
    ]
    publish_table("findings", found, sum(summary.counts.values()) - summary.counts.get(AuditStatus.INTACT, 0))

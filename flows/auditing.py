"""An audit: everything that is planned is read, and in parts it is recorded what was found.

The flow ``verify`` does it with Prefect's tasks; a command on one machine does it with plain functions.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from flows.engine.plain import PlainRun, in_parts
from flows.engine.workers import Step
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.records import Archived
from tasks.steps.audit import (
    AuditJob,
    AuditPlan,
    AuditSummary,
    Finding,
    audit_object,
    orphan_row,
    record_audits,
    unavailable_row,
)


def audit_all(
    run: PlainRun,
    plan: AuditPlan,
    summary: AuditSummary,
    audit: Callable[..., Any] = audit_object,
    record: Callable[[str, Sequence[AuditRow]], None] = record_audits,
    told: Callable[[Finding], object] = lambda finding: None,
) -> None:
    """Audit what is planned.

    Args:
        run: The run that does it.
        plan: The objects to read, and those without a record.
        summary: Counts every object; names the store.
        audit: Reads an object: `audit_object`, or a task that calls it; what gives None is not counted.
        record: Writes a part of the findings: `record_audits`, or what has a task call it.
        told: Called with everything that is not intact, as it is found.

    Raises:
        StorageError: The findings cannot be written.
        HandedBack: The worker of this process stops; what was read by then is recorded.
    """
    job = AuditJob(run.run_id, summary.store, run.n_threads, plan.planned_at)

    def step(record: Archived) -> Step:
        return Step(audit, {"record": record, "job": job})

    def found(finding: Finding) -> None:
        summary.add(finding)
        if finding.row.status != AuditStatus.INTACT:
            told(finding)
        if finding.row.status != AuditStatus.UNAVAILABLE:  # that it could not be had says nothing about it
            keep(finding.row)

    def count(record: Archived, result: Any) -> None:
        if result is None:
            summary.leave_out()
            return
        failed = isinstance(result, Exception)
        row = unavailable_row(run.run_id, record, result) if failed else result
        found(Finding(row, record.path))

    with in_parts(run.options.batch_images, partial(record, summary.store)) as keep:
        for key in plan.orphans:
            found(Finding(orphan_row(run.run_id, key)))
        run.each(plan.records, step, count, summary)

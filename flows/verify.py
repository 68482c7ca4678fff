"""The flow ``verify``: an audit of a store. Reads what is stored, records what it found, repairs nothing."""

import logging
import re
from collections.abc import Sequence
from typing import Any

from prefect import flow, get_run_logger
from prefect.events import emit_event
from prefect.runtime import flow_run

from flows.auditing import audit_all
from flows.engine.artifacts import Table
from flows.engine.interrupts import handing_back
from flows.engine.runs import Run, begin, ended, tag
from flows.engine.tasks import audit, record_audits
from tasks.catalogue.audits import LOST, AuditRow, AuditStatus
from tasks.catalogue.lookup import open_archive
from tasks.report.markdown import markdown_list
from tasks.settings import RunOptions
from tasks.steps.audit import AuditSummary, Finding, plan_audit
from tasks.store.objects import ObjectStore
from tasks.wording import counted

DAMAGE = "inr.audit.damage"  # the event of an audit that finds a bitstream damaged or missing
DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
ORDER = sorted(AuditStatus, key=lambda status: (status == AuditStatus.ORPHAN, status not in LOST))
TO_DO = "The next archive over the originals makes anew what is damaged or missing."


def run_name() -> str:
    """The name of a run in Prefect's lists: what it audits."""
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
        options: The way of working; what they do not say, the settings of the environment do.

    The first bitstream that is found damaged or missing is the event `DAMAGE` in Prefect.

    Returns:
        The `AuditSummary`, where every bitstream read is intact.

    Raises:
        ImagesFailed: Some are damaged, missing or could not be read; carries the summary.
        ConfigError, CatalogueError, StorageError: The store cannot be used.
    """
    run, target = begin(options), open_archive(store)
    with handing_back():
        summary = _audited(run, target, sample, unread_days)
    return ended(summary, _page(summary), _findings(summary))


def _audited(run: Run, target: ObjectStore, sample: int | None, unread_days: float | None) -> AuditSummary:
    plan = plan_audit(target, sample=sample, unread_days=unread_days)
    get_run_logger().info(
        "%s to read, %s", counted(len(plan.records), "bitstream"), counted(len(plan.orphans), "orphan")
    )
    summary = AuditSummary(run.run_id, target.url, len(plan.records), plan.n_archived)
    tag([f"store:{target.url}"])
    audit_all(run, plan, summary, audit, _record, _Alarm(target.url).tell)
    return summary


class _Alarm:
    """Names in the log what an audit finds, and emits an event for the first loss, for automations.

    One event of an audit is enough to wake somebody; its page names the rest.
    """

    def __init__(self, store: str) -> None:
        self._store, self._has_rung = store, False

    def tell(self, finding: Finding) -> None:
        """Name a finding."""
        is_lost = finding.row.status in LOST
        get_run_logger().log(logging.ERROR if is_lost else logging.WARNING, "%s", finding.describe())
        if is_lost and not self._has_rung:
            self._has_rung = True
            store = {"prefect.resource.id": f"inr.store.{self._store}", "prefect.resource.name": self._store}
            emit_event(DAMAGE, store, payload={"finding": finding.describe(), "key": finding.row.key})


def _record(store: str, rows: Sequence[AuditRow]) -> None:
    record_audits(store, rows, len(rows))


def _page(summary: AuditSummary) -> str:
    facts = {
        "store": summary.store,
        "run": f"{summary.run_id}, {summary.wall_seconds:.1f} s",
        "bitstreams to read": summary.n_planned,
        **{status.value: n for status in ORDER if (n := summary.counts.get(status, 0))},
        "archived images": summary.n_archived,
    }
    to_do = ["", TO_DO] if summary.n_failed > summary.counts.get(AuditStatus.UNAVAILABLE, 0) else []
    return "\n".join([*markdown_list(facts), *to_do])


def _findings(summary: AuditSummary) -> Table:
    """What is lost first; digests are cut, so that a page is wide enough for the keys beside them."""
    rows = [
        {
            "status": found.row.status.value,
            "image": found.path,
            "reason": re.sub(DIGEST, r"\1…", found.reason),
            "key": found.row.key,
        }
        for found in sorted(summary.findings, key=lambda found: ORDER.index(found.row.status))
    ]
    n_found = sum(summary.counts.values()) - summary.counts.get(AuditStatus.INTACT, 0)
    return Table("findings", rows, n_found)

"""An audit without Prefect finds and records the same as the flow."""

from flows.auditing import audit_all
from flows.engine.plain import begin_plainly
from tasks.catalogue import parts
from tasks.steps.audit import AuditSummary, Finding, plan_audit
from tasks.store.folder import LocalStore
from tasks.upkeep.prune import plan_prune, prune
from tests.flows.conftest import GOOD, OPTIONS, Archived
from tests.flows.test_restore import stored


def test_what_was_given_up_meanwhile_is_neither_counted_nor_recorded(archived: Archived):
    store = LocalStore(archived.store)
    rows = stored(archived)
    run, plan = begin_plainly(OPTIONS), plan_audit(store)
    summary = AuditSummary(run.run_id, store.url, len(plan.records), plan.n_archived)
    prune(store, plan_prune(store, drop=[rows["grey.png"]["archive_digest"]], even_last=True))
    audit_all(run, plan, summary)
    assert (summary.n_planned, summary.n_done, summary.n_failed, summary.counts) == (0, 0, 0, {})
    assert len(parts.read_audits(store)) == 0


def test_every_object_is_read_and_what_is_found_is_recorded(archived: Archived):
    store = LocalStore(archived.store)
    gone = stored(archived)["grey.png"]["key"]
    store.delete(gone)
    run, plan = begin_plainly(OPTIONS), plan_audit(store)
    summary = AuditSummary(run.run_id, store.url, len(plan.records), plan.n_archived)
    told: list[Finding] = []
    audit_all(run, plan, summary, told=told.append)
    assert [(finding.row.status, finding.path) for finding in told] == [("missing", "grey.png")]
    assert summary.findings == told
    assert summary.counts == {"intact": len(GOOD) - 1, "missing": 1}
    rows = parts.read_audits(store).to_pylist()
    assert {row["key"] for row in rows if row["status"] == "missing"} == {gone}
    assert len(rows) == len(GOOD)
    assert {row["run_id"] for row in rows} == {run.run_id}

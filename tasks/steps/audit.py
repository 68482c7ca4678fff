"""Is what is stored still what was archived? Reads everything, repairs nothing.

Each archived bitstream is read and decoded anew, and compared with its record: digest, container,
symbols, pixels. Objects without a record are named too. What was found is rows of ``audits``; an
image whose bitstream is damaged or missing counts as not archived from then on, so the next
``archive`` over its original makes it again.
"""

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import torch
from prefect import task

from tasks.catalogue import lookup, parts
from tasks.catalogue.records import (
    ARCHIVED,
    DAMAGED,
    INTACT,
    LOST,
    MISSING,
    ORPHAN,
    UNAVAILABLE,
    AuditRow,
    CatalogueRecord,
    now,
)
from tasks.errors import ChecksumFailed, ObjectMissing, StorageUnavailable, VerificationMismatch
from tasks.plan import claims
from tasks.steps import commit
from tasks.steps.verify import read_intact
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore

KEPT_FINDINGS = 500


@dataclass(frozen=True)
class AuditJob:
    """What all objects of a run have in common."""

    run_id: str
    store: str
    n_threads: int


@dataclass(frozen=True)
class AuditPlan:
    """What to read, and the objects that no record and no running archive knows.

    Attributes:
        records: Whose bitstreams to read, those longest unread first.
        orphans: Keys.
        n_archived: All archived images of the store.
    """

    records: tuple[CatalogueRecord, ...]
    orphans: tuple[str, ...]
    n_archived: int


@dataclass
class AuditSummary:
    """What a run of ``verify`` found so far.

    Attributes:
        run_id: Names the run.
        store: What it read.
        n_planned: Bitstreams to read.
        n_archived: All archived images of the store.
        counts: Rows by status.
        findings: The first `KEPT_FINDINGS` rows that are not ``intact``.
        wall_seconds: Time of the run.
    """

    run_id: str
    store: str
    n_planned: int = 0
    n_archived: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[AuditRow] = field(default_factory=list)
    wall_seconds: float = 0.0

    def add(self, row: AuditRow) -> None:
        """Count a row."""
        self.counts[row.status] = self.counts.get(row.status, 0) + 1
        if row.status != INTACT and len(self.findings) < KEPT_FINDINGS:
            self.findings.append(row)

    @property
    def n_done(self) -> int:
        """Bitstreams so far."""
        return sum(count for status, count in self.counts.items() if status != ORPHAN)

    @property
    def n_failed(self) -> int:
        """Bitstreams damaged, missing, or not to be had."""
        return self.n_done - self.counts.get(INTACT, 0)

    def headline(self) -> str:
        """One line: what was found."""
        found = ", ".join(
            f"{count} {status}" for status, count in sorted(self.counts.items()) if status != INTACT
        )
        intact = f"{self.counts.get(INTACT, 0)} of {self.n_planned} bitstreams intact"
        return f"{intact}{f', {found}' if found else ''}; {self.n_archived} in the archive"


def plan_audit(
    store: ObjectStore, *, sample: int | None = None, unread_days: float | None = None
) -> AuditPlan:
    """What to read.

    Args:
        store: The archive.
        sample: So many at random, if given.
        unread_days: Only what was not verified or audited for so many days, if given.

    Raises:
        CatalogueError, StorageError: The store cannot be read.
    """
    # In this order: an archive that runs meanwhile claims, stores, records, and only then drops its claim.
    stored = [found.key for found in store.objects("bitstreams")]
    in_flight = claims.claimed_keys(store)
    rows = lookup.latest(parts.read_images(store).to_pylist())
    records = [lookup.record_of(row) for row in rows if row["status"] == ARCHIVED]
    known = {record.key for record in records}
    orphans = tuple(key for key in stored if key not in known and key not in in_flight)
    audits = lookup.last_audits(store)
    read_at = {
        record.key: max(record.recorded_at, audits[record.key].checked_at)
        if record.key in audits and audits[record.key].status not in LOST
        else record.recorded_at
        for record in records
    }
    if unread_days is not None:
        before = now() - timedelta(days=unread_days)
        records = [record for record in records if read_at[record.key] < before]
    if sample is not None:
        records = random.sample(records, min(sample, len(records)))
    records.sort(key=lambda record: read_at[record.key])
    return AuditPlan(tuple(records), orphans, len(known))


def orphan_row(run_id: str, key: str) -> AuditRow:
    """The row of an object that nothing knows."""
    return AuditRow(run_id=run_id, checked_at=now(), key=key, status=ORPHAN)


def unavailable_row(run_id: str, record: CatalogueRecord, error: BaseException) -> AuditRow:
    """What a summary shows of a bitstream that could not be read. It is no finding, and not recorded."""
    return _row(run_id, record, UNAVAILABLE, error)


def _row(run_id: str, record: CatalogueRecord, status: str, error: BaseException | None = None) -> AuditRow:
    return AuditRow(
        run_id=run_id,
        checked_at=now(),
        key=record.key or "",
        image_digest=record.image_digest,
        archive_digest=record.archive_digest,
        status=status,
        error_type=None if error is None else type(error).__name__,
        error_message=None if error is None else str(error)[:2000],
    )


@task(task_run_name="audit {record.source_path}")
def audit(record: CatalogueRecord, job: AuditJob) -> AuditRow:
    """Prefect's view of `audit_object`."""
    return audit_object(record, job)


def audit_object(record: CatalogueRecord, job: AuditJob) -> AuditRow:
    """Read and decode the stored bitstream of a record, and compare.

    Raises:
        StorageUnavailable: The store does not answer; that says nothing about the object.
        StorageError: The store refuses.
    """
    store = open_store(job.store)
    torch.set_num_threads(job.n_threads)
    try:
        _, decode_seconds = read_intact(store, record)
    except (VerificationMismatch, ChecksumFailed) as error:
        status = MISSING if isinstance(error.__cause__, ObjectMissing) else DAMAGED
        return _row(job.run_id, record, status, error)
    row = _row(job.run_id, record, INTACT)
    return dataclasses.replace(row, n_bytes=record.n_bytes, decode_seconds=decode_seconds)


@task(
    task_run_name="record {n_rows} audits",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=lambda _task, _run, state: isinstance(state.data, StorageUnavailable),
)
def record_audits(store_url: str, rows: Sequence[AuditRow], n_rows: int) -> None:
    """Commit a batch of rows."""
    commit.append_audits(open_store(store_url), rows)

"""Audits: compare what is stored with the records. An audit reads everything and repairs nothing.

Each archived bitstream is read and decoded anew, and compared with its record: digest, container,
symbols, pixels. Objects without a record are named too. The findings are rows of ``audits``; an
image whose bitstream is damaged or missing counts as not archived from then on, so the next
``archive`` over its original makes it again.
"""

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tasks.catalogue import lookup
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.columns import Row
from tasks.catalogue.keys import FOLDER
from tasks.catalogue.parts import read_images
from tasks.catalogue.records import MAX_MESSAGE, Archived, Status, now
from tasks.catalogue.rows import archived_of
from tasks.errors import ChecksumFailed, ObjectMissing, VerificationMismatch
from tasks.plan import claims
from tasks.plan.batches import KEPT_DAYS
from tasks.steps import commit
from tasks.steps.threads import use_threads
from tasks.steps.verify import read_intact
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore
from tasks.wording import counted

KEPT_FINDINGS = 500
CLOCKS_DIFFER = timedelta(hours=1)  # at most, between hosts, as a rule


@dataclass(frozen=True)
class AuditJob:
    """What all objects of an audit have in common: the run, the store, the threads, the time of the plan."""

    run_id: str
    store: str
    n_threads: int
    planned_at: datetime


@dataclass(frozen=True)
class AuditPlan:
    """The objects to read, and those that no record and no running archive knows.

    Attributes:
        records: Images whose objects to read, those longest unread first.
        orphans: Keys of objects that no record and no running archive knows.
        n_archived: All archived images of the store.
        planned_at: Time before the catalogue was read.
    """

    records: tuple[Archived, ...]
    orphans: tuple[str, ...]
    n_archived: int
    planned_at: datetime


@dataclass(frozen=True)
class Finding:
    """A finding, as people are told of it: by the name of a photograph.

    Attributes:
        row: The finding as it is recorded.
        path: Path of the original in its source, printable; empty for an orphan, whose image is unknown.
    """

    row: AuditRow
    path: str = ""

    @property
    def reason(self) -> str:
        """The reason without the key, which is long and stands beside it."""
        if self.row.status == AuditStatus.ORPHAN:
            return "no record names it"
        if self.row.status == AuditStatus.MISSING:
            return "the store has no such object"
        return self.row.reason.removeprefix(f"{self.row.key}: ").replace(self.row.key, "it")

    def describe(self) -> str:
        """One line: what was found of which file, why, and the key of its object."""
        if not self.path:
            return f"{self.row.status}: {self.row.key}"
        return f"{self.row.status}: {self.path}: {self.reason} ({self.row.key})"


@dataclass
class AuditSummary:
    """The findings of a run of ``verify`` so far.

    Attributes:
        run_id: Names the run.
        store: URL of the archive.
        n_planned: Bitstreams to read.
        n_archived: All archived images of the store.
        counts: Rows by status.
        findings: The first `KEPT_FINDINGS` findings that are not ``intact``.
        wall_seconds: Time of the run.
    """

    run_id: str
    store: str
    n_planned: int = 0
    n_archived: int = 0
    counts: dict[AuditStatus, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    wall_seconds: float = 0.0

    def add(self, found: Finding) -> None:
        """Count a finding."""
        status = found.row.status
        self.counts[status] = self.counts.get(status, 0) + 1
        if status != AuditStatus.INTACT and len(self.findings) < KEPT_FINDINGS:
            self.findings.append(found)

    def leave_out(self) -> None:
        """Count a bitstream no more that was planned: meanwhile it was given up, or a run makes it anew."""
        self.n_planned -= 1

    @property
    def n_done(self) -> int:
        """Number of bitstreams so far."""
        return sum(count for status, count in self.counts.items() if status != AuditStatus.ORPHAN)

    @property
    def n_failed(self) -> int:
        """Number of bitstreams that are damaged, missing or unavailable."""
        return self.n_done - self.counts.get(AuditStatus.INTACT, 0)

    @property
    def n_bad(self) -> int:
        """None: what is in an archive was no bad original."""
        return 0

    def headline(self) -> str:
        """One line that says what was found."""
        others = sorted((status, n) for status, n in self.counts.items() if status != AuditStatus.INTACT)
        found = "".join(f", {n} {status}" for status, n in others)
        n_intact = self.counts.get(AuditStatus.INTACT, 0)
        intact = f"{n_intact} of {counted(self.n_planned, 'bitstream')} intact"
        return f"{intact}{found}; {self.n_archived} in the archive"


def plan_audit(
    store: ObjectStore, *, sample: int | None = None, unread_days: float | None = None
) -> AuditPlan:
    """Choose the objects to read.

    Args:
        store: The archive.
        sample: Number of objects, chosen at random; all if not given.
        unread_days: Choose only objects that were not read for so many days, and those that the last audit of
            them found lost, if given.

    Raises:
        CatalogueError, StorageError: The store cannot be read.
    """
    # In this order: an archive that runs meanwhile claims, stores, records, and only then drops its claim.
    planned_at, stored = now(), [found.key for found in store.objects(FOLDER)]
    in_flight = claims.claimed_keys(store)
    found, audits = read_images(store).to_pylist(), lookup.last_audits(store)
    # Also of an image that was found lost and failed then: its file may be back, and counts if it is.
    rows = lookup.latest([row for row in found if row["status"] != Status.FAILED], audits)
    known = {row["key"] for row in rows}
    orphans = tuple(key for key in stored if key not in known and key not in in_flight)
    read_at = {row["key"]: _read_at(row, audits.get(row["key"])) for row in rows}
    if unread_days is not None:
        before = now() - timedelta(days=unread_days)
        rows = [row for row in rows if read_at[row["key"]] < before]
    if sample is not None:
        rows = random.sample(rows, min(sample, len(rows)))
    rows.sort(key=lambda row: read_at[row["key"]])
    return AuditPlan(tuple(archived_of(row) for row in rows), orphans, len(known), planned_at)


def _read_at(row: Row, audit: AuditRow | None) -> datetime:
    """The time at which an object was last read and found intact; what is lost is to be read again first."""
    verified_at: datetime = row["verified_at"]
    if lookup.is_lost(audit, verified_at):
        return datetime.min.replace(tzinfo=UTC)
    return verified_at if audit is None else max(verified_at, audit.checked_at)


def orphan_row(run_id: str, key: str) -> AuditRow:
    """The row of an object that nothing knows."""
    return AuditRow(run_id=run_id, checked_at=now(), key=key, status=AuditStatus.ORPHAN)


def unavailable_row(run_id: str, record: Archived, error: BaseException) -> AuditRow:
    """The row of an object that could not be read, for a summary. It is no finding, and not recorded."""
    return _row(run_id, record, AuditStatus.UNAVAILABLE, error)


def _row(run_id: str, record: Archived, status: AuditStatus, error: BaseException | None = None) -> AuditRow:
    return AuditRow(
        run_id=run_id,
        checked_at=now(),
        key=record.stored.file.key,
        image_digest=record.origin.image.digest,
        archive_digest=record.origin.setting.archive_digest,
        status=status,
        error_type=None if error is None else type(error).__name__,
        error_message=None if error is None else str(error)[:MAX_MESSAGE],
    )


def audit_object(record: Archived, job: AuditJob) -> AuditRow | None:
    """Read and decode the stored object of an image, and compare.

    What differs from a record that is out of date is no finding: archives and prunes go on meanwhile. It is
    compared with the record of now; where there is none any more, or not yet, the result is None.

    Raises:
        StorageUnavailable: The store does not answer; that says nothing about the object.
        StorageError: The store refuses.
    """
    use_threads(job.n_threads)
    store = open_store(job.store)
    try:
        _, decode_seconds = read_intact(store, record.stored)
    except (VerificationMismatch, ChecksumFailed) as error:
        today = lookup.renewed(store, record, job.planned_at - CLOCKS_DIFFER)
        if today is None or _is_made_anew(store, today):
            return None
        if today != record:
            return audit_object(today, job)
        is_missing = isinstance(error.__cause__, ObjectMissing)
        return _row(job.run_id, record, AuditStatus.MISSING if is_missing else AuditStatus.DAMAGED, error)
    row = _row(job.run_id, record, AuditStatus.INTACT)
    return dataclasses.replace(row, n_bytes=record.stored.file.n_bytes, decode_seconds=decode_seconds)


def _is_made_anew(store: ObjectStore, record: Archived) -> bool:
    """True if a run that is not over has stored an image anew, and its row is still to come."""
    names = (record.origin.image.digest, record.origin.setting.archive_digest)
    claim = claims.claimed(store, *names)
    if claim is None or claim.stored.file.bitstream_digest == record.stored.file.bitstream_digest:
        return False
    return claims.is_needed(store, *names, now() - timedelta(days=KEPT_DAYS))


def record_audits(store_url: str, rows: Sequence[AuditRow]) -> None:
    """Commit a batch of rows."""
    commit.append_audits(open_store(store_url), rows)

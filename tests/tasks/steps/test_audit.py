import dataclasses
import os
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

import inr
from tasks.catalogue import lookup
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.records import Archived, now
from tasks.errors import ChecksumFailed, StorageUnavailable
from tasks.plan import claims
from tasks.plan.claims import Claim
from tasks.plan.planning import archived_in
from tasks.plan.restoring import plan_restore
from tasks.steps.audit import AuditJob, AuditSummary, Finding, audit_object, orphan_row, plan_audit
from tasks.steps.commit import append, append_audits, record_batch, rename
from tasks.steps.storing import store_claimed
from tasks.store.folder import LocalStore
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore, StoredObject
from tasks.upkeep.prune import plan_prune, prune
from tests.inr.conftest import VECTORS
from tests.s3_server import Access, proxy_before
from tests.tasks.disks import spoil
from tests.tasks.rows import ARCHIVE, archived, changed, failed

BITSTREAM, OTHER = ((VECTORS / name).read_bytes() for name in ("rgb.inr", "grey.inr"))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def image_of(name: str = "a.png", data: bytes = BITSTREAM) -> Archived:
    """A record of a golden file."""
    decoded = inr.decode(data)
    return archived(name, data, symbols_digest=decoded.symbols_digest, pixels_digest=decoded.pixels_digest)


def record_in(store: ObjectStore, name: str = "a.png", data: bytes = BITSTREAM) -> Archived:
    """A record of a golden file, whose bytes are in the store."""
    record = image_of(name, data)
    store.put(record.stored.file.key, data)
    append(store, [record])
    return record


def found_of(store: ObjectStore, record: Archived) -> AuditRow | None:
    return audit_object(record, AuditJob("run", store.url, 1, now()))


def audited(store: ObjectStore, record: Archived) -> AuditRow:
    found = found_of(store, record)
    assert found is not None
    return found


def test_what_is_as_it_was_is_intact(store: LocalStore):
    row = audited(store, record_in(store))
    assert (row.status, row.error_type, row.n_bytes) == ("intact", None, len(BITSTREAM))


@pytest.mark.parametrize("position", [0, 20, len(BITSTREAM) // 2, len(BITSTREAM) - 1])
def test_a_flipped_bit_is_damage(store: LocalStore, position: int):
    record = record_in(store)
    damaged = bytearray(BITSTREAM)
    damaged[position] ^= 4
    store.path(record.stored.file.key).write_bytes(damaged)
    row = audited(store, record)
    assert (row.status, row.error_type) == ("damaged", "VerificationMismatch")
    assert "SHA-256" in (row.error_message or "")
    assert store.path(record.stored.file.key).read_bytes() == damaged  # nothing is repaired in silence


def test_a_bad_sector_is_damage_and_the_next_archive_makes_the_file_anew(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    record = record_in(store)
    spoil(monkeypatch, store.path(record.stored.file.key))
    row = audited(store, record)
    assert (row.status, row.error_type) == ("damaged", "ChecksumFailed")
    with pytest.raises(ChecksumFailed):  # it counts as archived until the audit is recorded
        store_claimed(store, Claim(record.stored, ()), BITSTREAM)
    append_audits(store, [row])
    assert archived_in(store, ARCHIVE) == set()
    assert store_claimed(store, Claim(record.stored, ()), BITSTREAM) == record.stored
    assert audited(store, record).status == "intact"


@pytest.mark.parametrize("digest", ["symbols_digest", "pixels_digest"])
def test_a_bitstream_that_decodes_to_something_else_is_damage(store: LocalStore, digest: str):
    record = changed(record_in(store), **{digest: "0" * 64})
    assert audited(store, record).status == "damaged"


def test_a_lost_object_is_missing(store: LocalStore):
    record = record_in(store)
    store.delete(record.stored.file.key)
    assert audited(store, record).status == "missing"


def test_a_file_that_was_made_anew_is_compared_with_its_new_record(store: LocalStore):
    """It was gone as the audit was planned, and an archive was over its original meanwhile."""
    before = record_in(store)
    store.delete(before.stored.file.key)
    after = record_in(store, data=OTHER)
    assert after.stored.file.key == before.stored.file.key
    row = audited(store, before)
    assert (row.status, row.n_bytes) == ("intact", len(OTHER))
    store.path(after.stored.file.key).write_bytes(OTHER[:-1])
    assert audited(store, before).status == "damaged"
    rename(store, ARCHIVE, [dataclasses.replace(after.origin.image, path="b.png")])
    assert audited(store, before).status == "damaged"  # by a row under another name, too


def test_a_file_whose_row_is_still_to_come_is_no_finding_of_its_former_record(store: LocalStore):
    """A run has verified it, and its row waits for its part; one that was killed days ago writes none."""
    before, after = record_in(store), image_of(data=OTHER)
    store.delete(before.stored.file.key)
    claims.write_claim(store, claims.Claim(after.stored, ()))
    assert audited(store, before).status == "missing"  # it is not stored yet
    store.put(after.stored.file.key, OTHER)
    assert found_of(store, before) is None
    for found in store.objects(claims.FOLDER):
        os.utime(store.path(found.key), (time.time() - 8 * 86_400.0,) * 2)
    assert audited(store, before).status == "damaged"


def test_a_file_that_was_given_up_meanwhile_is_no_finding(store: LocalStore):
    record = record_in(store)
    prune(store, plan_prune(store, drop=[ARCHIVE], even_last=True))
    assert store.objects("bitstreams") == []
    assert found_of(store, record) is None
    record_batch(store.url, [failed("a.png")])
    assert found_of(store, record) is None


def test_a_failure_meanwhile_says_nothing_of_a_file(store: LocalStore):
    record = record_in(store)
    record_batch(store.url, [failed("a.png")])
    assert audited(store, record).status == "intact"
    store.delete(record.stored.file.key)
    assert audited(store, record).status == "missing"


def test_a_store_that_does_not_answer_is_no_finding(s3_access: Access, s3_server):
    store = open_store(f"s3://archive/{uuid.uuid4().hex}")
    record = record_in(store)
    with proxy_before(s3_server) as proxy:
        s3_access.through(proxy.endpoint)
        assert audited(store, record).status == "intact"
        proxy.busy = 1000
        s3_access.through(proxy.endpoint)
        with pytest.raises(StorageUnavailable):
            audited(store, record)


def test_objects_that_nothing_knows_are_orphans(store: LocalStore):
    record = record_in(store)
    for key in ("bitstreams/ff/stray.inr", f"bitstreams/ff/{'f' * 64}/{ARCHIVE}.inr"):
        store.put(key, b"x")
    in_flight = f"{'e' * 64}/{ARCHIVE}"
    store.put(f"bitstreams/ee/{in_flight}.inr", b"x")
    store.put(f"{claims.FOLDER}/{in_flight}/claim.json", b"{}")
    plan = plan_audit(store)
    assert plan.records == (record,)
    assert plan.orphans == (f"bitstreams/ff/{'f' * 64}/{ARCHIVE}.inr", "bitstreams/ff/stray.inr")


def test_an_image_recorded_while_the_audit_is_planned_is_no_orphan(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    in_flight = archived("a.png", BITSTREAM)
    claim = f"{claims.FOLDER}/{in_flight.origin.image.digest}/{ARCHIVE}/claim.json"
    store.put(in_flight.stored.file.key, BITSTREAM)
    store.put(claim, b"{}")
    listed = LocalStore.objects

    def commits_after_the_first_listing(self: LocalStore, prefix: str) -> list[StoredObject]:
        found = listed(self, prefix)
        if prefix == "bitstreams":
            append(self, [in_flight])
            self.delete(claim)
        return found

    monkeypatch.setattr(LocalStore, "objects", commits_after_the_first_listing)
    plan = plan_audit(store)
    assert (plan.records, plan.orphans) == ((in_flight,), ())


def test_what_is_lost_or_unread_for_long_comes_first_and_what_was_read_lately_can_be_left_out(
    store: LocalStore,
):
    records = [record_in(store, name) for name in ("a.png", "b.png", "c.png")]
    row = audited(store, records[0])
    append_audits(store, [dataclasses.replace(row, checked_at=now() + timedelta(hours=1))])
    lost = dataclasses.replace(audited(store, records[2]), status=AuditStatus.MISSING)
    append_audits(store, [dataclasses.replace(lost, checked_at=now() + timedelta(hours=2))])
    assert [record.path for record in plan_audit(store).records] == ["c.png", "b.png", "a.png"]
    assert [record.path for record in plan_audit(store, unread_days=1).records] == ["c.png"]  # still lost
    assert len(plan_audit(store, unread_days=0).records) == 2  # one was read in the future
    assert len(plan_audit(store, sample=2).records) == 2
    assert len(plan_audit(store, sample=9).records) == 3
    assert plan_audit(store, sample=1).n_archived == 3


def test_a_file_that_is_back_after_a_failure_is_read_and_counts_again(store: LocalStore):
    """Its disk was away as it was audited, and while it was tried anew."""
    record = record_in(store)
    path = store.path(record.stored.file.key)
    away = path.rename(path.with_name("away"))
    append_audits(store, [audited(store, record)])
    record_batch(store.url, [failed("a.png")])
    away.rename(path)
    assert plan_restore(store, "true", ".png") == []
    plan = plan_audit(store, unread_days=30)
    assert (plan.records, plan.orphans, plan.n_archived) == ((record,), (), 1)
    append_audits(store, [audited(store, record)])
    assert len(plan_restore(store, "true", ".png")) == 1
    record_batch(store.url, [failed("a.png")])  # it counts whatever fails later
    assert lookup.find(store, record.origin.image.digest, ARCHIVE) == record


def test_what_was_given_up_is_not_read(store: LocalStore):
    record = record_in(store)
    append_audits(store, [dataclasses.replace(audited(store, record), status=AuditStatus.MISSING)])
    record_batch(store.url, [failed("a.png")])
    prune(store, plan_prune(store, drop=[ARCHIVE], even_last=True))
    store.put(record.stored.file.key, BITSTREAM)
    plan = plan_audit(store)
    assert (plan.records, plan.orphans) == ((), (record.stored.file.key,))


def test_what_an_audit_finds_lost_is_archived_no_more_until_it_is_again(store: LocalStore):
    record = record_in(store)
    digest = record.origin.image.digest
    for status, counts in (("intact", True), ("damaged", False), ("intact", True), ("missing", False)):
        row = dataclasses.replace(audited(store, record), status=AuditStatus(status), checked_at=now())
        append_audits(store, [row])
        assert (digest in lookup.known(store, ARCHIVE).archived) == counts
    append(store, [changed(record, recorded_at=now(), verified_at=now())])
    assert digest in lookup.known(store, ARCHIVE).archived


def test_audits_come_back_as_they_were_written(store: LocalStore):
    row = audited(store, record_in(store))
    append_audits(store, [row])
    assert lookup.last_audits(store) == {row.key: row}


def test_the_headline_counts_what_was_found():
    summary = AuditSummary("run", "store", n_planned=3, n_archived=5)
    for status in ("intact", "damaged", "orphan"):
        summary.add(Finding(AuditRow(run_id="run", checked_at=now(), key="k", status=AuditStatus(status))))
    assert (summary.n_done, summary.n_failed) == (2, 1)
    assert summary.headline() == "1 of 3 bitstreams intact, 1 damaged, 1 orphan; 5 in the archive"


@pytest.mark.parametrize(
    ("message", "reason"),
    [("k.inr: one bit", "one bit"), ("read k.inr: gone", "read it: gone"), ("no answer", "no answer")],
)
def test_a_finding_names_the_photograph_before_its_key(message: str, reason: str):
    row = AuditRow(
        run_id="run", checked_at=now(), key="k.inr", status=AuditStatus.DAMAGED, error_message=message
    )
    assert Finding(row, "2019/a.jpg").describe() == f"damaged: 2019/a.jpg: {reason} (k.inr)"


def test_what_is_no_object_of_a_store_is_no_orphan(store: LocalStore):
    store.put("bitstreams/readme.txt", b"not ours")
    for name in (b"caf\xe9.txt", b".DS_Store", b"a copy.inr"):
        (store.root / "bitstreams" / os.fsdecode(name)).touch()
    assert plan_audit(store).orphans == ("bitstreams/readme.txt",)


def test_an_orphan_has_only_a_key():
    assert Finding(orphan_row("run", "k")).describe() == "orphan: k"

"""An image becomes archived by its row, which follows the history of its fits."""

import dataclasses
import math
from datetime import timedelta
from pathlib import Path

import pytest

from inr import Progress
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.lookup import find, last_audits
from tasks.catalogue.parts import HISTORY_SCHEMA, IMAGES, read_history, read_images
from tasks.catalogue.records import Failed, now
from tasks.catalogue.rows import row_of
from tasks.plan.claims import Claim, read_claim, write_claim
from tasks.steps import commit
from tasks.steps.commit import append, append_audits, record_batch, rename
from tasks.steps.compact import compact_day, plan_compaction
from tasks.store.folder import LocalStore
from tests.tasks.rows import ARCHIVE, archived, digest, failed, listed, planned, stored_of

POINT = Progress(attempt=1, step=100, n_steps=200, rd_lambda=0.002, estimated_bpp=0.5, psnr_db=30.0)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def test_an_archived_image_comes_back_as_it_was_written(store: LocalStore):
    image = archived(also_at=("b.png",), psnr_db=math.inf)
    append(store, [image])
    assert find(store, digest("a.png"), ARCHIVE) == image
    assert find(store, digest("other"), ARCHIVE) is None


def test_every_ending_is_a_row(store: LocalStore):
    later = Failed.of(stored_of(planned("c")), ValueError("verification"))
    append(store, [archived(), failed("b"), later, Failed.of(listed("d"), OSError("unreadable"))])
    rows = {row["source_path"]: row for row in read_images(store).to_pylist()}
    assert [rows[name]["status"] for name in ("a.png", "b", "c", "d")] == ["archived", *["failed"] * 3]
    assert (rows["b"]["key"], rows["c"]["key"]) == (None, stored_of(planned("c")).file.key)
    assert rows["d"]["image_digest"] is None


def test_the_history_is_taken_from_the_claim(store: LocalStore):
    write_claim(store, Claim(archived().stored, (POINT, dataclasses.replace(POINT, step=200))))
    append(store, [archived(), archived("without claim"), failed("b")])
    rows = read_history(store).to_pylist()
    assert [row["step"] for row in rows] == [100, 200]
    assert rows[0]["image_digest"] == digest("a.png")
    assert read_history(store).schema.names == HISTORY_SCHEMA.names


def test_a_batch_of_failures_has_no_history(store: LocalStore):
    append(store, [failed("a"), failed("b")])
    assert store.objects("catalogue/history") == []
    assert len(store.objects(IMAGES)) == 1


def test_claims_of_what_is_archived_go_and_those_of_failures_stay(store: LocalStore):
    done, again = archived("a"), stored_of(planned("b"))
    for stored in (done.stored, again):
        write_claim(store, Claim(stored, (POINT,)))
    record_batch(store.url, [done, Failed.of(again, ValueError("no"))])
    assert read_claim(store, digest("a"), ARCHIVE, done.stored.file.bitstream_digest) is None
    assert read_claim(store, digest("b"), ARCHIVE, again.file.bitstream_digest) is not None
    assert len(read_history(store)) == 1


@pytest.mark.parametrize("is_compacted", [True, False])
def test_a_row_counts_after_those_that_are_there_as_it_is_committed(store: LocalStore, is_compacted: bool):
    """One was written while it waited for its part; two are from a host whose clock is an hour ahead."""
    image, ahead = archived("a", b"new"), now() + timedelta(hours=1)
    unread = Failed.of(listed("d"), OSError("no"))
    record_batch(store.url, [failed("a")])
    append(store, [archived("b", recorded_at=ahead), dataclasses.replace(unread, recorded_at=ahead)])
    for day in plan_compaction(store)[0] if is_compacted else ():
        compact_day(store, day)
    other = archived("c")
    for new in ([image, archived("b", b"new"), other, unread], [failed("b"), unread]):
        record_batch(store.url, new)
    rows = sorted(read_images(store).to_pylist(), key=lambda row: row["recorded_at"])
    assert [row["status"] for row in rows if row["source_path"] == "a"] == ["failed", "archived"]
    assert [row["status"] for row in rows if row["source_path"] == "b"] == ["archived", "archived", "failed"]
    for name in ("b", "d"):
        times = [row["recorded_at"] for row in rows if row["source_path"] == name]
        assert times == [ahead + n * timedelta(microseconds=1) for n in range(3)]
    found = find(store, digest("b"), ARCHIVE)
    assert found is not None
    assert found.stored.file.bitstream_digest == archived("b", b"new").stored.file.bitstream_digest
    [row] = [row for row in rows if row["source_path"] == "c"]
    assert other.recorded_at < row["recorded_at"] <= now()


def test_a_row_under_other_names_says_all_else_as_it_was(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(commit, "ROWS_OF_PART", 1)
    ahead = now() + timedelta(hours=1)  # by the clock of the host that wrote the row
    records = [archived("a", recorded_at=ahead), archived("b"), archived("gone"), archived("lost")]
    append(store, records)
    for record in records:
        if record.path != "gone":
            store.put(record.stored.file.key, b"bitstream")
    key, at = records[3].stored.file.key, now()
    append_audits(store, [AuditRow(run_id="run", checked_at=at, key=key, status=AuditStatus.DAMAGED)])
    n_parts = len(store.objects(IMAGES))
    rename(store, ARCHIVE, ())
    assert len(store.objects(IMAGES)) == n_parts
    images = [
        dataclasses.replace(each.origin.image, path=f"new/{each.path}", also_at=("c",)) for each in records
    ]
    rename(store, ARCHIVE, images)
    for record, image in zip(records[:2], images[:2], strict=True):
        found = find(store, image.digest, ARCHIVE)
        assert found is not None
        assert found.recorded_at > record.recorded_at
        assert found.origin.image == image
        assert row_of(found) == {
            **row_of(record),
            **{"source_path": image.path, "also_at": ["c"], "recorded_at": found.recorded_at},
        }
    assert len(read_images(store)) == 6  # nothing is said of files that are not there, or lost
    assert len(store.objects(IMAGES)) == n_parts + 2


def test_audits_come_back_as_they_were_written(store: LocalStore):
    intact = AuditRow(run_id="run", checked_at=now(), key="a", status=AuditStatus.INTACT, n_bytes=9)
    orphan = AuditRow(run_id="run", checked_at=now(), key="b", status=AuditStatus.ORPHAN)
    append_audits(store, [intact, orphan])
    assert last_audits(store) == {"a": intact, "b": orphan}

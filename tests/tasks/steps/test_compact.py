"""Compaction: no row is lost or doubled, whoever reads, writes, compacts or is killed meanwhile."""

import math
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from inr import Progress
from tasks.catalogue import parts
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.parts import (
    AUDITS,
    HISTORY,
    IMAGES,
    list_parts,
    new_part_name,
    write_compacted,
    write_rows,
)
from tasks.catalogue.query import query
from tasks.catalogue.records import now
from tasks.catalogue.rows import row_of
from tasks.catalogue.undisturbed import READS
from tasks.errors import CatalogueError, ChecksumFailed
from tasks.plan.claims import Claim, write_claim
from tasks.steps import compact
from tasks.steps.commit import append, append_audits
from tasks.steps.compact import Compacted, CompactSummary, Day, compact_day, plan_compaction
from tasks.store.folder import LocalStore
from tasks.store.objects import ObjectStore, StoredObject
from tests.tasks.disks import spoil
from tests.tasks.rows import archived, digest

POINT = Progress(attempt=1, step=100, n_steps=200, rd_lambda=0.002, estimated_bpp=math.nan, psnr_db=30.0)


IN_A_FOLDER = pytest.mark.parametrize("store", ["folder"], indirect=True)


def paths(store: ObjectStore) -> list[str]:
    return parts.read_images(store, ("source_path",))["source_path"].to_pylist()


def on(date: str) -> str:
    return f"{date}{new_part_name()[8:]}"


def write(store: ObjectStore, name: str, date: str = "20260101") -> str:
    """A part with one row, as if written on a day; returns its key."""
    part = on(date)
    write_rows(store, IMAGES, part, [row_of(archived(name))])
    return f"{IMAGES}/{part}"


def compact_all(store: ObjectStore) -> list[Compacted]:
    return [compact_day(store, day) for day in plan_compaction(store)[0]]


DAY = Day(IMAGES, "20260101")


def test_every_table_keeps_its_rows_in_one_part(store: ObjectStore):
    for name in "abc":
        record = archived(name)
        write_claim(store, Claim(record.stored, (POINT,)))
        append(store, [record])
        append_audits(store, [AuditRow(run_id="run", checked_at=now(), key=name, status=AuditStatus.ORPHAN)])
    before = {table: query(store, f"select * from {table}").rows for table in ("all_images", "audits")}
    assert [done.n_parts for done in compact_all(store)] == [3, 3, 3]
    for table in (IMAGES, HISTORY, AUDITS):
        [key] = list_parts(store, table)
        assert parts.is_compacted(key)
    for table, rows in before.items():
        assert query(store, f"select * from {table}").rows == rows
    history = parts.read_history(store).to_pylist()
    assert {row["image_digest"] for row in history} == {digest(name) for name in "abc"}
    assert all(math.isnan(row["estimated_bpp"]) for row in history)
    assert plan_compaction(store) == ([], [])


@IN_A_FOLDER
def test_each_day_becomes_a_part_and_a_day_of_one_part_stays(store: LocalStore):
    for name, date in (("a", "20260101"), ("b", "20260102"), ("c", "20260101"), ("d", "20260103")):
        write(store, name, date)
    append_audits(store, [AuditRow(run_id="run", checked_at=now(), key="k", status=AuditStatus.ORPHAN)])
    assert plan_compaction(store) == ([DAY], [])
    assert compact_all(store) == [Compacted(n_parts=2, n_rows=2, n_removed=2)]
    assert sorted(paths(store)) == ["a", "b", "c", "d"]
    assert len(list_parts(store, IMAGES)) == 3


@IN_A_FOLDER
def test_what_comes_later_to_a_day_joins_its_part(store: LocalStore):
    for n in range(3):
        write(store, f"first {n}")
        write(store, f"second {n}")
        compact_all(store)
        assert [key.rpartition("/")[2] for key in list_parts(store, IMAGES)] == [
            f"20260101Z-{n + 1:06}.parquet"
        ]
    assert len(set(paths(store))) == len(paths(store)) == 6


@IN_A_FOLDER
def test_parts_of_other_names_are_read_and_left_alone(store: LocalStore):
    write_rows(store, IMAGES, "by hand.parquet".replace(" ", "-"), [row_of(archived("a"))])
    write_rows(store, IMAGES, "20260101.parquet", [row_of(archived("b"))])
    assert plan_compaction(store) == ([], [])
    assert sorted(paths(store)) == ["a", "b"]


@IN_A_FOLDER
def test_a_day_too_large_for_memory_stays_as_it_is(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    write(store, "a")
    write(store, "b")
    size = sum(found.n_bytes for found in store.objects(IMAGES))
    monkeypatch.setattr(compact, "MAX_DAY_BYTES", size - 1)
    assert plan_compaction(store) == ([], [DAY])
    monkeypatch.setattr(compact, "MAX_DAY_BYTES", size)
    assert plan_compaction(store) == ([DAY], [])


class Killed(BaseException):
    """No `Exception`: nothing may catch it, as nothing can catch a SIGKILL."""


class DyingStore(LocalStore):
    """Ends its process, as it were, before or after the n-th change."""

    def __init__(self, root: Path, lives: float) -> None:
        super().__init__(root)
        self.lives = lives

    def _spend(self) -> None:
        self.lives -= 0.5
        if self.lives < 0:
            raise Killed

    def put(self, key: str, data: bytes) -> bool:
        self._spend()
        created = super().put(key, data)
        self._spend()
        return created

    def delete(self, key: str) -> None:
        self._spend()
        super().delete(key)
        self._spend()


@pytest.mark.parametrize("lives", [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5])
@IN_A_FOLDER
def test_killed_anywhere_it_leaves_the_same_rows_and_is_finished_by_the_next(store: LocalStore, lives: float):
    names = ["a", "b", "c"]
    for name in names:
        write(store, name)
    with pytest.raises(Killed):
        compact_day(DyingStore(store.root, lives), DAY)
    assert sorted(paths(store)) == names
    assert query(store, "select count(*) from all_images").rows == [(3,)]
    write(store, "d")
    compact_all(store)
    assert sorted(paths(store)) == [*names, "d"]
    assert len(list_parts(store, IMAGES)) == 1
    assert [path.name for path in (store.root / IMAGES).iterdir() if path.suffix == ".tmp"] == []


def test_readers_and_writers_at_once_lose_and_double_nothing(store: ObjectStore):
    """An archive that appends, a compaction after every other part, and a reader of it all."""
    written: list[str] = []
    failures: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            before, found = list(written), paths(store)
            if len(found) != len(set(found)) or not set(before) <= set(found):
                failures.append(f"written {before}, found {found}")

    def append_rows() -> None:
        for n in range(40):
            write(store, f"{n:02}")
            written.append(f"{n:02}")
        done.set()

    def compact_often() -> None:
        while not done.is_set():
            compact_all(store)

    run_together(read, read, append_rows, compact_often, compact_often)
    assert failures == []
    compact_all(store)
    assert sorted(paths(store)) == written
    assert len(list_parts(store, IMAGES)) == 1


def run_together(*works: Callable[[], None]) -> None:
    ended: list[BaseException] = []

    def watched(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            ended.append(error)
            raise

    threads = [threading.Thread(target=watched, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == []


class TornStore(LocalStore):
    """A compaction comes in the middle of its first listing: neither the old nor the new part is seen."""

    torn = False

    def objects(self, prefix: str) -> list[StoredObject]:
        before = super().objects(prefix)
        if self.torn or prefix != IMAGES:
            return before
        self.torn = True
        compact_day(LocalStore(self.root), DAY)
        after = {found.key for found in super().objects(prefix)}
        return [found for found in before if found.key in after]


@IN_A_FOLDER
def test_a_listing_that_misses_a_part_and_its_replacement_is_repeated(store: LocalStore):
    write(store, "a")
    write(store, "b")
    write(store, "c", "20260102")
    torn = TornStore(store.root)
    assert sorted(paths(torn)) == ["a", "b", "c"]
    assert torn.torn


class VanishingStore(LocalStore):
    """A compaction comes between its listing and its first read."""

    reads = 0

    def get(self, key: str, *, max_bytes: int) -> bytes:
        self.reads += 1
        if self.reads == 1:
            compact_day(LocalStore(self.root), DAY)
        return super().get(key, max_bytes=max_bytes)


@pytest.mark.parametrize("read", [paths, lambda store: query(store, "select * from all_images").rows])
@IN_A_FOLDER
def test_a_part_that_goes_before_it_is_read_is_looked_for_again(
    store: LocalStore, read: Callable[[ObjectStore], list[object]]
):
    write(store, "a")
    write(store, "b")
    assert len(read(VanishingStore(store.root))) == 2


class BusyStore(LocalStore):
    """A compaction does the day of each part just before it is read; and parts that are read are noted."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []

    def get(self, key: str, *, max_bytes: int) -> bytes:
        others = LocalStore(self.root)
        for day in plan_compaction(others)[0]:
            if f"/{day.date}" in key:
                compact_day(others, day)
        data = super().get(key, max_bytes=max_bytes)
        self.read.append(key)
        return data


@pytest.mark.parametrize(
    "read",
    [
        paths,
        lambda store: query(store, "select source_path from all_images").rows,
        lambda store: parts.contents(store, IMAGES, lambda: list_parts(store, IMAGES)).rows.to_pylist(),
    ],
)
@IN_A_FOLDER
def test_a_compaction_of_many_days_stops_no_reader_and_each_part_is_read_once(
    store: LocalStore, read: Callable[[ObjectStore], list[object]]
):
    n_days = 2 * READS
    for n in range(n_days):
        for name in "ab":
            write(store, f"{n} {name}", f"202601{n + 1:02}")
    busy = BusyStore(store.root)
    assert len(read(busy)) == 2 * n_days
    assert busy.read == sorted(list_parts(store, IMAGES), reverse=True)
    assert len(busy.read) == n_days


@IN_A_FOLDER
def test_a_part_that_is_read_by_then_is_not_read_again(store: LocalStore):
    """It is of a day of its own, and is read before a compaction removes the others."""
    alone = write(store, "alone", "20260102")
    for name in "ab":
        write(store, name)
    busy = BusyStore(store.root)
    assert sorted(paths(busy)) == ["a", "alone", "b"]
    assert busy.read == [alone, f"{IMAGES}/20260101Z-000001.parquet"]


@IN_A_FOLDER
def test_of_two_compactions_one_creates_the_part(store: LocalStore):
    for name in "abcdef":
        write(store, name)
    done: list[Compacted] = []
    run_together(*[lambda: done.append(compact_day(store, DAY))] * 4)
    assert sum(one.n_parts > 0 for one in done) == 1
    assert sum(one.n_removed for one in done) >= 6
    assert sorted(paths(store)) == list("abcdef")


@IN_A_FOLDER
def test_a_compaction_that_slept_through_two_others_changes_nothing(store: LocalStore):
    """It creates the name of the first one again, which the second one has replaced and removed."""
    old = [write(store, "a"), write(store, "b")]
    stale = parts.contents(store, IMAGES, lambda: sorted(old))
    compact_all(store)
    late = write(store, "c")
    compact_all(store)
    names = {key.rpartition("/")[2] for key in (*old, late)}
    assert write_compacted(store, IMAGES, "20260101Z-000001.parquet", stale.rows, names)
    assert sorted(paths(store)) == ["a", "b", "c"]
    assert compact_all(store) == [Compacted(0, 0, n_removed=1)]
    assert sorted(paths(store)) == ["a", "b", "c"]


@IN_A_FOLDER
def test_a_damaged_part_stops_its_day_and_removes_nothing(store: LocalStore):
    key = write(store, "a")
    write(store, "b")
    store.path(key).write_bytes(b"junk")
    with pytest.raises(CatalogueError, match="not a readable part"):
        compact_day(store, DAY)
    assert len(list_parts(store, IMAGES)) == 2


@pytest.mark.parametrize("names", [b"{", b"[1]", b'{"a": 1}'])
@IN_A_FOLDER
def test_a_compacted_part_that_does_not_name_what_it_replaces_is_refused(store: LocalStore, names: bytes):
    key = write(store, "a")
    rows = parts.contents(store, IMAGES, lambda: [key]).rows
    metadata = {**parts.IMAGES_SCHEMA.metadata, b"inr.replaces": names}
    part = parts._parquet(rows.replace_schema_metadata(metadata))
    store.put(f"{IMAGES}/20260101Z-000001.parquet", part)
    with pytest.raises(CatalogueError, match=r"20260101Z-000001"):
        paths(store)


@IN_A_FOLDER
def test_what_does_not_read_back_is_removed_and_replaces_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    write(store, "a")
    write(store, "b")
    rows = parts.contents(store, IMAGES, lambda: list_parts(store, IMAGES)).rows
    monkeypatch.setattr(parts, "_parquet", lambda table: PARQUET(table.slice(1)))
    with pytest.raises(CatalogueError, match="does not read back"):
        write_compacted(store, IMAGES, "20260101Z-000001.parquet", rows, set())
    assert sorted(paths(store)) == ["a", "b"]


class FlippingStore(LocalStore):
    """Its disk flips a bit of each compacted part that it writes."""

    def put(self, key: str, data: bytes) -> bool:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        return super().put(key, flipped if parts.is_compacted(key) else data)


@IN_A_FOLDER
def test_a_part_that_is_damaged_as_it_is_written_stops_no_reader(store: LocalStore):
    keys = [write(store, "a"), write(store, "b")]
    with pytest.raises(CatalogueError, match=r"20260101Z-000001"):
        compact_day(FlippingStore(store.root), DAY)
    assert list_parts(store, IMAGES) == sorted(keys)
    assert sorted(paths(store)) == ["a", "b"]
    assert compact_all(store) == [Compacted(2, 2, 2)]
    assert sorted(paths(store)) == ["a", "b"]


@IN_A_FOLDER
def test_a_part_that_the_disk_cannot_read_back_stops_no_reader(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    keys, put = [write(store, "a"), write(store, "b")], LocalStore.put

    def putting(self: LocalStore, key: str, data: bytes) -> bool:
        is_created = put(self, key, data)
        if parts.is_compacted(key):
            spoil(monkeypatch, self.path(key))
        return is_created

    monkeypatch.setattr(LocalStore, "put", putting)
    with pytest.raises(ChecksumFailed, match=r"20260101Z-000001"):
        compact_day(store, DAY)
    assert list_parts(store, IMAGES) == sorted(keys)
    assert sorted(paths(store)) == ["a", "b"]


PARQUET = parts._parquet


def test_the_headline_counts_what_was_done():
    summary = CompactSummary("run", "store")
    assert summary.headline() == "nothing to compact: no day has more than one part"
    summary.n_too_large = 2
    assert summary.headline() == "nothing to compact: 2 days of over 256 MiB left alone"
    summary.n_planned, summary.n_too_large = 3, 0
    for done in (Compacted(5, 100, 5), Compacted(0, 0, 2)):
        summary.add(done)
    assert summary.headline() == "5 parts became 1, with 100 rows; 7 removed"
    summary.fail(DAY, ValueError("no"))
    assert summary.failures == [("images of 20260101", "ValueError: no")]
    assert (summary.n_done, summary.n_failed) == (3, 1)
    assert summary.headline().endswith("; 7 removed, 1 day failed")
    summary.n_too_large = 1
    assert summary.headline().endswith("; 7 removed, 1 day failed; 1 day of over 256 MiB left alone")

import os
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from inr import Progress
from inr.config import CodecConfig
from inr.errors import ConfigError
from tasks.catalogue import lookup, parts
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.columns import Row
from tasks.catalogue.query import query
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Archived, now
from tasks.errors import StorageError
from tasks.plan import claims, leases
from tasks.plan.batches import batches_of, forget_old_batches, new_folder, write_batches
from tasks.plan.claims import Claim, write_claim
from tasks.plan.leases import Leases
from tasks.plan.restoring import select
from tasks.steps.commit import append, append_audits, record_batch
from tasks.steps.compact import compact_day, plan_compaction
from tasks.store.folder import LocalStore
from tasks.store.objects import ObjectStore
from tasks.store.s3 import S3Store
from tasks.upkeep import prune as prune_module
from tasks.upkeep import removing
from tasks.upkeep.prune import Kind, PrunePlan, PruneSummary, plan_prune, prune
from tests.s3_server import Access
from tests.tasks.disks import SmallDisk
from tests.tasks.rows import ARCHIVE, archived_from, digest, failed, planned, source_image, stored_of

OTHER = Recipe(CodecConfig(model="mlp", preset="best"))
OLD = 8 * 86_400.0
FOLDERS = ("bitstreams", *parts.SCHEMAS, "journal", "runs")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def put(store: ObjectStore, *names: str, recipe: Recipe | None = None) -> list[Archived]:
    """Archive images of nine bytes under a recipe, or under that of `ARCHIVE`."""
    images = [archived_from(planned(name, **({"recipe": recipe} if recipe else {}))) for name in names]
    for image in images:
        store.put(image.stored.file.key, b"bitstream")
    append(store, images)
    return images


def stray(store: ObjectStore, name: str, setting: str = ARCHIVE, suffix: str = ".inr") -> str:
    """Store a file that no row names; returns its key."""
    key = f"bitstreams/{digest(name)[:2]}/{digest(name)}/{setting}{suffix}"
    store.put(key, b"stray")
    return key


def age(store: LocalStore, *keys: str) -> None:
    """Let some objects be eight days old."""
    for key in keys:
        os.utime(store.path(key), (time.time() - OLD,) * 2)


def keys(store: ObjectStore, prefix: str = "bitstreams") -> set[str]:
    return {found.key for found in store.objects(prefix)}


def named_files_are_there(store: ObjectStore) -> bool:
    """Whether every file that counts as archived is there."""
    return {record.stored.file.key for record in select(store, "true")} <= keys(store)


def test_what_no_row_names_is_listed_and_then_removed(store: LocalStore):
    [kept] = put(store, "kept")
    old, young, other_form = stray(store, "old"), stray(store, "young"), stray(store, "kept", suffix=".webp")
    store.put("bitstreams/readme.txt", b"not ours")
    age(store, old, other_form, kept.stored.file.key, "bitstreams/readme.txt")
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    plan = plan_prune(store)
    assert {found.key for found in plan.objects[Kind.ORPHAN]} == {old, other_form}
    shown = PruneSummary.of(store, plan)
    assert shown.headline() == "2 objects of 10 bytes to remove; --remove does it"
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before
    done = prune(store, plan)
    assert (done.headline(), done.n_in_use) == ("2 objects of 10 bytes removed", 0)
    assert keys(store) == {kept.stored.file.key, young, "bitstreams/readme.txt"}
    assert keys(store, "journal") == set()
    assert prune(store, plan_prune(store)).headline() == "nothing to remove"
    prune(store, plan_prune(store, days=0))
    assert keys(store) == {kept.stored.file.key, "bitstreams/readme.txt"}


def test_names_of_other_systems_stop_neither_readers_nor_writers_nor_this(store: LocalStore):
    """They lie in every folder of an archive, and are eight days old."""
    put(store, "a", "b")
    append_audits(store, [AuditRow(run_id="run", checked_at=now(), key="k", status=AuditStatus.ORPHAN)])
    write_batches(store, "runs/20260101-run-1", batches_of([source_image()], {}, 1))
    waits = archived_from(planned("waits"))
    write_claim(store, Claim(waits.stored, (Progress(1, 1, 1, 0.1, 1.0, 30.0),)))
    append(store, [waits])
    objects = [found.key for folder in FOLDERS for found in store.objects(folder)]
    assert {key.rpartition("/")[0] for key in objects} >= {*parts.SCHEMAS, "runs/20260101-run-1"}
    foreign = [path.with_name(f"._{path.name}") for path in map(store.path, objects)]
    foreign += [store.root / folder / name for folder in FOLDERS for name in (".DS_Store", "a copy.parquet")]
    for path in foreign:
        path.write_bytes(b"not ours")
        os.utime(path, (time.time() - OLD,) * 2)
    assert [found.key for folder in FOLDERS for found in store.objects(folder)] == objects
    assert len(parts.read_images(store)) == 3
    assert (len(parts.read_history(store)), len(parts.read_audits(store))) == (1, 1)
    forget_old_batches(store)
    record_batch(store.url, [waits])
    assert keys(store, "journal") == set()
    for day in plan_compaction(store)[0]:
        compact_day(store, day)
    prune(store, plan_prune(store, days=0))
    assert (len(keys(store)), len(parts.read_images(store))) == (2, 4)
    assert all(path.exists() for path in foreign)


def test_a_file_stays_whose_last_row_is_a_failure(store: LocalStore):
    """It may be whole, and then it is the only one there is."""
    [image] = put(store, "a.png")
    append(store, [failed("a.png")])
    prune(store, plan_prune(store, days=0))
    assert keys(store) == {image.stored.file.key}


@pytest.mark.parametrize("is_lost", [True, False])
def test_the_last_file_of_an_image_that_failed_later_is_not_given_up(store: LocalStore, is_lost: bool):
    """Another run failed on it; or a disk was away as it was audited, and it could not be made again."""
    put(store, "kept", recipe=OTHER)
    [image] = put(store, "a.png")
    if is_lost:
        key = image.stored.file.key
        append_audits(store, [AuditRow(run_id="run", checked_at=now(), key=key, status=AuditStatus.MISSING)])
    append(store, [failed("a.png")])
    done = prune(store, plan_prune(store, drop=[ARCHIVE], days=0))
    assert (done.n_given_up, done.n_last) == (0, 1)
    assert image.stored.file.key in keys(store)
    prune(store, plan_prune(store, drop=[ARCHIVE], even_last=True, days=0))
    assert image.stored.file.key not in keys(store)


def test_what_killed_runs_have_left_is_removed_when_it_is_old(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    claimed = [stored_of(planned(name)) for name in ("old", "young")]
    for stored in claimed:
        write_claim(store, Claim(stored, ()))
        store.put(stored.file.key, b"bitstream")
    put(store, "a.png")
    old = [key for key in keys(store, "journal") if digest("old") in key]
    age(store, claimed[0].file.key, *old)
    past = f"{claims.folder_of(digest('x'), ARCHIVE)}/1{leases.SUFFIX}"
    store.put(past, b"{}")
    with monkeypatch.context() as then:
        then.setattr("tasks.plan.batches.now", lambda: now() - timedelta(days=9))
        long_ago = new_folder("run")
    for folder in (long_ago, new_folder("run")):
        write_batches(store, folder, [])
        store.put(f"{folder}/000000.images.json", b"{}")
    age(store, *keys(store, long_ago))
    (store.root / ".tmp").mkdir(exist_ok=True)
    (store.root / ".tmp" / "left").write_bytes(b"half")
    plan = plan_prune(store)
    assert {kind: len(found) for kind, found in plan.objects.items() if found} == {
        **{Kind.ORPHAN: 1, Kind.CLAIM: 1, Kind.LEASE: 1, Kind.BATCH: 1},
    }
    prune(store, plan)
    assert claimed[0].file.key not in keys(store)
    assert claimed[1].file.key in keys(store)
    assert (
        keys(store, "journal") == {key for key in keys(store, "journal") if digest("young") in key} != set()
    )
    assert {key.split("/")[1][:8] for key in keys(store, "runs")} == {f"{now():%Y%m%d}"}
    assert list((store.root / ".tmp").iterdir()) == []


def test_what_a_run_holds_or_has_taken_over_stays(store: LocalStore):
    put(store, "a.png")
    held, taken = stray(store, "held"), stored_of(planned("taken"))
    write_claim(store, Claim(taken, ()))
    store.put(taken.file.key, b"bitstream")
    age(store, held, taken.file.key, *keys(store, "journal"))
    claims.mark_taken(store, digest("taken"), ARCHIVE)  # by a run that verifies it now
    with Leases(store) as others:
        assert others.take(digest("held"), ARCHIVE)
        plan = plan_prune(store)
        assert not any(plan.objects.values())
    assert [found.key for found in plan_prune(store).objects[Kind.ORPHAN]] == [held]


def test_what_a_run_came_to_use_after_it_was_listed_stays(store: LocalStore):
    """One holds, one has claimed, one has recorded in the meantime; and one that nobody uses."""
    names = ("held", "claimed", "recorded", "free")
    put(store, "a.png")
    found = {name: stored_of(planned(name)) for name in names}
    for stored in found.values():
        store.put(stored.file.key, b"bitstream")
        age(store, stored.file.key)
    plan = plan_prune(store)
    assert len(plan.objects[Kind.ORPHAN]) == 4
    write_claim(store, Claim(found["claimed"], ()))
    append(store, [archived_from(planned("recorded"))])
    with Leases(store) as others:
        assert others.take(digest("held"), ARCHIVE)
        done = prune(store, plan)
    assert done.headline() == "1 object of 9 bytes removed; kept, since a run uses them: 3 files"
    assert (done.n_in_use, done.counts) == (3, {Kind.ORPHAN: 1})
    assert {key for key in keys(store) if digest("a.png") not in key} == {
        found[name].file.key for name in names if name != "free"
    }


def test_a_run_waits_for_an_image_while_its_file_is_removed(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    put(store, "a.png")
    age(store, stray(store, "old"))
    seen: list[bool] = []
    delete = LocalStore.delete

    def deleting(self: LocalStore, key: str) -> None:
        if key.startswith("bitstreams"):
            seen.append(leases.is_held(self, digest("old"), ARCHIVE))
        delete(self, key)

    monkeypatch.setattr(LocalStore, "delete", deleting)
    prune(store, plan_prune(store))
    assert seen == [True]
    assert not leases.is_held(store, digest("old"), ARCHIVE)


@pytest.mark.parametrize("even_last", [True, False])
def test_a_setting_is_given_up_where_another_one_has_the_image(store: LocalStore, even_last: bool):
    theirs = put(store, "both", "alone")
    append(store, [failed("bad")])
    [other] = put(store, "both", recipe=OTHER)
    plan = plan_prune(store, drop=[ARCHIVE[:12]], even_last=even_last)
    assert {found.key for found in plan.objects[Kind.GIVEN_UP]} == {
        image.stored.file.key for image in theirs[: 1 + even_last]
    }
    done = prune(store, plan)
    assert (done.n_given_up, done.n_last) == ((3, 0) if even_last else (2, 1))
    rest = {other} if even_last else {other, theirs[1]}
    assert {record.stored.file.key for record in select(store, "true")} == {
        record.stored.file.key for record in rest
    }
    assert keys(store) == {record.stored.file.key for record in rest}
    if not even_last:
        kept = prune(store, plan_prune(store, drop=[ARCHIVE])).headline()
        assert kept == "nothing to remove; kept for want of another setting: 1 image"
    counted = query(store, "select status, count(*) from images group by 1 order by 1").rows
    assert counted == [("archived", len(rest))]  # the failure is given up, too
    assert set(lookup.known(store, ARCHIVE).archived) == (set() if even_last else {digest("alone")})
    again = put(store, "both")[0]  # what is archived anew counts again
    assert again.stored.file.key in {record.stored.file.key for record in select(store, "true")}
    assert prune(store, plan_prune(store, days=0)).headline() == "nothing to remove"


def test_a_row_that_gives_up_is_later_than_what_it_gives_up_whatever_the_clocks_say(store: LocalStore):
    ahead = [archived_from(planned("a"), recorded_at=now() + timedelta(hours=1))]
    store.put(ahead[0].stored.file.key, b"bitstream")
    append(store, ahead)
    prune(store, plan_prune(store, drop=[ARCHIVE], even_last=True))
    assert (select(store, "true"), keys(store)) == ([], set())


@pytest.mark.parametrize("at_once", [True, False])
def test_two_prunes_at_once_leave_an_image_one_of_its_files(store: LocalStore, at_once: bool):
    """Each gives up another setting of the two, and was planned before the other one wrote a row."""
    put(store, "a")
    put(store, "a", recipe=OTHER)
    plans = [plan_prune(store, drop=[setting]) for setting in (ARCHIVE, OTHER.archive_digest())]
    barrier = Barrier(1 + at_once)

    def pruned(plan: PrunePlan) -> PruneSummary | StorageError:
        barrier.wait()
        try:
            return prune(store, plan)
        except StorageError as error:
            return error

    with ThreadPoolExecutor(1 + at_once) as pool:
        found = list(pool.map(pruned, plans))
    assert len(select(store, "true")) == len(keys(store)) == 1
    assert named_files_are_there(store)
    done = [each for each in found if isinstance(each, PruneSummary)]
    assert sum(each.n_given_up for each in done) == 1
    if not at_once:
        kept = "; kept for want of another setting: 1 image"
        assert done[1].headline() == f"nothing to remove{kept}"


def test_a_prune_gives_up_nothing_while_another_one_does(store: LocalStore):
    put(store, "a")
    put(store, "a", recipe=OTHER)
    age(store, stray(store, "old"))
    plan = plan_prune(store, drop=[ARCHIVE])
    with Leases(store) as others:
        assert others.take(*prune_module.GIVING_UP)
        with pytest.raises(StorageError, match="another prune gives up settings of it; try again once"):
            prune(store, plan)
        assert len(select(store, "true")) == 2
        prune(store, plan_prune(store))  # what gives up none goes on
        assert len(keys(store)) == 2
    assert prune(store, plan).n_given_up == 1


def test_an_image_whose_row_waits_as_its_setting_is_given_up_stays(store: LocalStore):
    """It failed last night. Tonight it is archived and verified, and the part of its row is not full yet."""
    put(store, "kept", recipe=OTHER)
    append(store, [failed("a.png")])
    image = archived_from(planned("a.png"))
    write_claim(store, Claim(image.stored, ()))
    store.put(image.stored.file.key, b"bitstream")
    assert prune(store, plan_prune(store, drop=[ARCHIVE])).n_given_up == 1  # that is the failure
    record_batch(store.url, [image])
    assert image.stored.file.key in {record.stored.file.key for record in select(store, "true")}
    prune(store, plan_prune(store, days=0))
    assert image.stored.file.key in keys(store)


@pytest.mark.parametrize("is_decided", [True, False])
def test_a_row_that_comes_as_its_setting_is_given_up_counts(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, is_decided: bool
):
    """A run commits its row after the prune was planned, or just before that writes the rows of its own."""
    put(store, "kept", recipe=OTHER)
    append(store, [failed("a.png")])
    plan, written = plan_prune(store, drop=[ARCHIVE]), parts.write_rows
    if not is_decided:
        put(store, "a.png")

    def late(store: ObjectStore, prefix: str, name: str, rows: list[Row]) -> None:
        with monkeypatch.context() as then:
            then.setattr(parts, "write_rows", written)
            put(store, "a.png")
        written(store, prefix, name, rows)

    monkeypatch.setattr(parts, "write_rows", late)
    assert prune(store, plan).n_given_up == is_decided
    monkeypatch.undo()
    assert {record.path for record in select(store, "true")} == {"kept", "a.png"}
    prune(store, plan_prune(store, days=0))
    assert named_files_are_there(store)


def test_the_failures_after_a_file_are_given_up_with_it(store: LocalStore):
    put(store, "a")
    put(store, "a", recipe=OTHER)
    append(store, [failed("a")])
    prune(store, plan_prune(store, drop=[ARCHIVE]))
    assert len(query(store, "select * from images").rows) == 1


def test_what_was_given_up_counts_again_where_a_clock_was_ahead(store: LocalStore):
    ahead = now() + timedelta(hours=1)
    first = archived_from(planned("a"), recorded_at=ahead, verified_at=ahead)
    store.put(first.stored.file.key, b"bitstream")
    append(store, [first])
    prune(store, plan_prune(store, drop=[ARCHIVE], even_last=True))
    again = archived_from(planned("a"))
    store.put(again.stored.file.key, b"bitstream")
    record_batch(store.url, [again])
    prune(store, plan_prune(store, days=0))
    assert (len(select(store, "true")), keys(store)) == (1, {again.stored.file.key})


def test_a_setting_that_nobody_has_is_refused_before_anything_is_done(store: LocalStore):
    put(store, "a.png")
    with pytest.raises(ConfigError, match="setting: expected the beginning of the digest of one, found 'ff'"):
        plan_prune(store, drop=["ff"])


def test_parts_that_others_replace_are_removed(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    for name in ("a", "b"):
        put(store, name)
    monkeypatch.setattr("tasks.steps.compact._remove_replaced", lambda store, day: 0)  # as if killed before
    for day in plan_compaction(store)[0]:
        compact_day(store, day)
    rows = parts.read_images(store).to_pylist()
    plan = plan_prune(store)
    assert len(plan.objects[Kind.PART]) == 2
    prune(store, plan)
    assert len(parts.list_parts(store, parts.IMAGES)) == 1
    assert parts.read_images(store).to_pylist() == rows


@dataclass
class Dying:
    """Lets a process end at its n-th write or removal, before or after that was done."""

    left: int
    is_done: bool

    def at(self, act: Callable[..., object]) -> Callable[..., object]:
        def acting(*given: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise SystemExit
            if self.left == 0 and self.is_done:
                act(*given)
                raise SystemExit
            if self.left == 0:
                raise SystemExit
            return act(*given)

        return acting


@pytest.mark.parametrize("is_done", [True, False])
def test_it_may_be_killed_at_any_moment_and_the_next_one_goes_on(tmp_path: Path, is_done: bool):
    monkeypatch, n_acts = pytest.MonkeyPatch(), 0
    for n in range(1, 100):
        store = LocalStore(tmp_path / f"{n}")
        put(store, "both", "alone")
        put(store, "both", recipe=OTHER)
        claim = stored_of(planned("old"))
        write_claim(store, Claim(claim, ()))
        store.put(claim.file.key, b"bitstream")
        age(store, stray(store, "orphan"), claim.file.key, *keys(store, "journal"))
        plan, dying = plan_prune(store, drop=[ARCHIVE]), Dying(n, is_done)
        with monkeypatch.context() as fatal:
            for name in ("put", "delete"):
                fatal.setattr(LocalStore, name, dying.at(getattr(LocalStore, name)))
            try:
                prune(store, plan)
            except SystemExit:
                n_acts = n
        assert named_files_are_there(store)
        for lease in [key for key in keys(store, "journal") if key.endswith(leases.SUFFIX)]:
            store.delete(lease)  # as after four minutes
        prune(store, plan_prune(store, drop=[ARCHIVE]))
        assert named_files_are_there(store)
        assert {record.path for record in select(store, "true")} == {"both", "alone"}
        assert len(keys(store)) == 2
        assert keys(store, "journal") == set()
        if n_acts < n:
            break
    assert n_acts >= 8


def test_many_files_are_removed_in_parts(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(removing, "IMAGES_AT_ONCE", 2)
    put(store, "a.png")
    age(store, *(stray(store, str(n)) for n in range(5)))
    assert prune(store, plan_prune(store)).counts == {Kind.ORPHAN: 5}
    assert len(keys(store)) == 1


def test_on_a_full_disk_what_needs_no_room_goes_first(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    """Then there is room for a lease, after each file for more, and in the end for rows that give up."""
    put(store, "both", "alone")
    put(store, "both", recipe=OTHER)
    age(store, *(stray(store, str(n)) for n in range(3)))
    monkeypatch.setattr("tasks.steps.compact._remove_replaced", lambda store, day: 0)  # as if killed before
    for day in plan_compaction(store)[0]:
        compact_day(store, day)
    (store.root / ".tmp" / "left").write_bytes(b"half")
    n_files = sum(path.is_file() for path in store.root.rglob("*"))
    disk = SmallDisk(store.root, n_files - 1)
    done = prune(disk, plan_prune(disk, drop=[ARCHIVE]))
    assert (done.n_in_use, done.n_given_up) == (0, 1)
    assert done.counts == {Kind.GIVEN_UP: 1, Kind.ORPHAN: 3, Kind.PART: 2}
    assert (len(keys(store)), list((store.root / ".tmp").iterdir())) == (2, [])
    assert named_files_are_there(store)


def test_it_is_the_same_in_s3(s3_access: Access):
    store = S3Store(f"s3://archive/{uuid.uuid4().hex}")
    put(store, "both", "alone")
    put(store, "both", recipe=OTHER)
    orphan = stray(store, "orphan")
    assert not any(plan_prune(store).objects.values())  # it is young, as the server's clock has it
    plan = plan_prune(store, drop=[ARCHIVE], days=0)
    assert prune(store, plan).counts == {Kind.GIVEN_UP: 1, Kind.ORPHAN: 1}
    assert named_files_are_there(store)
    assert orphan not in keys(store)
    assert (len(keys(store)), keys(store, "journal")) == (2, set())


def test_a_store_that_refuses_ends_it_and_nothing_that_counts_is_gone(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    put(store, "both")
    put(store, "both", recipe=OTHER)
    plan = plan_prune(store, drop=[ARCHIVE])

    def refusing(self: LocalStore, key: str, data: bytes) -> bool:
        raise StorageError("read-only")

    monkeypatch.setattr(LocalStore, "put", refusing)
    with pytest.raises(StorageError, match="read-only"):
        prune(store, plan)
    assert len(keys(store)) == 2

import dataclasses
import itertools
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from inr.errors import ConfigError
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.columns import IMAGES_COLUMNS
from tasks.catalogue.lookup import (
    Bad,
    archived_among,
    find,
    known,
    last_audits,
    latest,
    open_archive,
    renewed,
)
from tasks.catalogue.parts import IMAGES, new_part_name, write_rows
from tasks.catalogue.query import query
from tasks.catalogue.records import Failed, now
from tasks.catalogue.rows import dropped_row, row_of
from tasks.errors import (
    CatalogueError,
    MemoryTooSmall,
    SourceError,
    StorageError,
    TooManyPixels,
    UnsuitableFile,
    UnsupportedImage,
)
from tasks.steps.commit import append, append_audits
from tasks.store.folder import LocalStore
from tasks.store.s3 import S3Store
from tests.s3_server import Access
from tests.tasks.rows import ARCHIVE, archived, changed, digest, failed, listed


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def audit(key: str, status: AuditStatus, seconds: float = 0.0) -> AuditRow:
    at = now() + timedelta(seconds=seconds)
    return AuditRow(run_id="run", checked_at=at, key=key, status=status)


def test_an_archive_is_a_store_with_rows_whether_its_images_could_be_archived_or_not(tmp_path: Path):
    for name, outcome in (("good", archived("a")), ("bad", failed("a"))):
        append(LocalStore(tmp_path / name), [outcome])
        assert open_archive(str(tmp_path / name)).url == str(tmp_path / name)
    stray = LocalStore(tmp_path / "stray")
    stray.put("bitstreams/ff/stray.inr", b"x")
    for wrong in ("bad/catalogue", "", "stray", "nowhere"):
        with pytest.raises(ConfigError, match=f"store {tmp_path / wrong}: expected an archive, found no row"):
            open_archive(str(tmp_path / wrong))
    assert not (tmp_path / "nowhere").exists()


def test_a_prefix_in_s3_is_an_archive_by_the_same_rule(s3_access: Access):
    store = S3Store(f"s3://archive/{uuid.uuid4().hex}")
    append(store, [archived("a")])
    assert open_archive(store.url).url == store.url
    for wrong in (store.url[:-1], f"{store.url}/catalogue", "s3://archive"):
        with pytest.raises(ConfigError, match=f"store {wrong}: expected an archive, found no row"):
            open_archive(wrong)
    with pytest.raises(StorageError, match="no such bucket"):
        open_archive("s3://archives/x")


def test_the_latest_row_counts_whatever_the_order_of_parts(store: LocalStore):
    first, later = archived("a"), archived("b")
    append(store, [changed(later, recorded_at=later.recorded_at + timedelta(seconds=1))])
    append(store, [first, failed("b", ValueError("earlier"))])
    [last] = [changed(first, recorded_at=now() + timedelta(seconds=2), n_bytes=7)]
    append(store, [last])
    file = later.stored.file
    assert known(store, ARCHIVE).archived == {
        digest("a"): (last.stored.file.key, 7),
        digest("b"): (file.key, file.n_bytes),
    }
    assert known(store, "another config").archived == {}


def test_images_are_named_as_their_rows_have_them_and_places_are_held_whatever_the_config(store: LocalStore):
    first = archived("a", also_at=["b"])
    later = first.recorded_at + timedelta(seconds=1)
    append(store, [first, archived("b", archive_digest="f" * 64, recorded_at=later)])
    found = known(store, ARCHIVE)
    assert found.named == {digest("a"): first.origin.image}
    places = ("file:///photos/", "a"), ("file:///photos/", "b")
    assert found.held == dict(zip(places, (digest("a"), digest("b")), strict=True))


def test_places_that_several_images_claim_are_held_by_the_latest_row_of_each(store: LocalStore):
    """Their earlier rows name them elsewhere, and so do the rows of images that nobody contests."""
    first, edit, alone = (
        archived("a"),
        archived("b", source_path="a", source_uri="file:///photos/a"),
        archived("c"),
    )
    copies = archived("d", also_at=["c", "e"], recorded_at=now() + timedelta(seconds=5))
    renamed = archived(
        "a", source_path="z", source_uri="file:///photos/z", recorded_at=now() + timedelta(seconds=9)
    )
    append(store, [first, edit, alone, copies, archived("f")])
    append(store, [renamed])
    assert known(store, ARCHIVE).held == {
        ("file:///photos/", name): digest(content)
        for name, content in (("z", "a"), ("a", "b"), ("c", "d"), ("d", "d"), ("e", "d"))
    }


def test_an_empty_store_has_nothing_archived(store: LocalStore):
    assert known(store, ARCHIVE).archived == {}
    assert find(store, digest("a.png"), ARCHIVE) is None
    assert last_audits(store) == {}


@pytest.mark.parametrize(
    ("error", "is_bad_file", "is_bad_image"),
    [
        (UnsupportedImage("no"), False, True),
        (TooManyPixels("no"), False, True),
        (UnsuitableFile("no"), True, False),  # that an image is a file no more is no fault of its bytes
        (SourceError("no"), False, False),
        (MemoryTooSmall("no"), False, False),
        (StorageError("no"), False, False),
        (ValueError("no"), False, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_failed_by_its_own_fault_is_known(
    store: LocalStore, error: Exception, is_bad_file: bool, is_bad_image: bool
):
    image, file = failed("a", error), Failed.of(listed("b"), error)
    append(store, [image, file])
    bad = Bad(type(error).__name__, "no", image.recorded_at)
    assert known(store, ARCHIVE).bad_images == ({digest("a"): bad} if is_bad_image else {})
    bad_files = {"file:///photos/b": Bad(type(error).__name__, "no", file.recorded_at)}
    assert known(store, ARCHIVE).bad_files == (bad_files if is_bad_file else {})
    assert (image.is_bad, file.is_bad) == (is_bad_image, is_bad_file)
    assert known(store, "another config").bad_images == known(store, "another config").bad_files == {}
    later = image.recorded_at + timedelta(seconds=1)
    append(store, [archived("a", recorded_at=later)])
    assert known(store, ARCHIVE).bad_images == {}


def test_an_image_is_found_under_each_config(store: LocalStore):
    one, other = archived("a"), archived("a", archive_digest="f" * 64)
    append(store, [one, other, archived("b")])
    assert find(store, digest("a"), ARCHIVE) == one
    assert find(store, digest("a"), "f" * 64) == other
    append(store, [failed("a")])  # of another run, which takes nothing from the file
    assert find(store, digest("a"), ARCHIVE) == one
    append_audits(store, [audit(one.stored.file.key, AuditStatus.MISSING, 1)])
    assert find(store, digest("a"), ARCHIVE) is None


@pytest.mark.parametrize("n_more", [0, 20])
def test_among_some_images_those_count_whose_record_and_object_agree(store: LocalStore, n_more: int):
    """However many there are: of few, the objects are looked for one by one."""
    names = (
        "kept",
        "gone",
        "cut",
        "damaged",
        "failed later",
        "not asked",
        *(f"more {n}" for n in range(n_more)),
    )
    records = {name: archived(name) for name in names}
    append(store, [*records.values(), archived("kept", archive_digest="f" * 64)])
    append(store, [failed("failed later"), failed("never")])
    for name, record in records.items():
        if name != "gone":
            store.put(record.stored.file.key, b"cut" if name == "cut" else b"bitstream")
    append_audits(store, [audit(records["damaged"].stored.file.key, AuditStatus.DAMAGED, 1)])
    asked = {digest(name) for name in (*names, "never", "unknown") if name != "not asked"}
    kept = [name for name in names if name not in ("gone", "cut", "damaged", "not asked")]
    expected = {digest(name): records[name] for name in kept}
    assert archived_among(store, ARCHIVE, asked) == expected
    assert archived_among(store, ARCHIVE, []) == {}


def test_a_file_that_could_not_be_read_stands_for_itself():
    rows = [
        row_of(Failed.of(listed(name), OSError(text))) for name, text in (("a", "1"), ("b", "2"), ("a", "3"))
    ]
    assert [row["error_message"] for row in latest(rows, {})] == ["3", "2"]


def test_a_record_is_renewed_by_what_was_written_since(store: LocalStore):
    first, other = archived("a"), archived("b")
    append(store, [first, other])
    at, since = first.recorded_at, first.recorded_at - timedelta(hours=1)
    append(store, [dataclasses.replace(failed("a"), recorded_at=at + timedelta(seconds=1))])
    assert renewed(store, first, since) == first  # a failure says nothing of a file
    second = archived("a", b"other", recorded_at=at + timedelta(seconds=2))
    append(store, [second])
    assert renewed(store, first, since) == second
    assert renewed(store, first, now() + timedelta(hours=1)) == first  # that is not looked at
    row = dropped_row(row_of(second), "prune", second.recorded_at)
    write_rows(store, IMAGES, new_part_name(), [row])
    assert renewed(store, first, since) is None
    assert renewed(store, other, since) == other


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize(
    ("found", "counting"),
    [
        (None, "archived"),
        (AuditStatus.INTACT, "archived"),
        (AuditStatus.DAMAGED, "failed"),
        (AuditStatus.MISSING, "failed"),
        ("before", "archived"),
        ("dropped", "failed"),
    ],
)
def test_a_failure_takes_nothing_from_a_file_unless_that_was_found_lost(
    store: LocalStore, order: tuple[int, ...], found: AuditStatus | str | None, counting: str
):
    """As where another run has archived the image meanwhile, whichever of the two writes its row first."""
    image = archived("a")
    file, after = row_of(image), dataclasses.replace(failed("a"), recorded_at=now() + timedelta(seconds=9))
    between = row_of(failed("a", ValueError("between")))
    if found == "dropped":
        between = dropped_row(file, "prune", now())
    rows = [file, between, row_of(after)]
    seconds = -60.0 if found == "before" else 1.0
    status = AuditStatus.DAMAGED if found == "before" else found
    audits = [audit(image.stored.file.key, status, seconds)] if isinstance(status, AuditStatus) else []
    [counts] = latest([rows[n] for n in order], {row.key: row for row in audits})
    assert counts["status"] == counting
    for n in order:
        write_rows(store, IMAGES, new_part_name(), [rows[n]])
    if audits:
        append_audits(store, audits)
    answer = query(store, "select * from images")
    assert [row["status"] for row in answer.records()] == [counting]
    assert answer.columns == IMAGES_COLUMNS.names


@pytest.mark.parametrize(("status", "counts"), [(s, s not in ("damaged", "missing")) for s in AuditStatus])
def test_what_an_audit_found_lost_is_archived_no_more(store: LocalStore, status: AuditStatus, counts: bool):
    image = archived("a")
    append(store, [image])
    append_audits(store, [audit(image.stored.file.key, status, 1.0)])
    assert (digest("a") in known(store, ARCHIVE).archived) is counts
    later = now() + timedelta(seconds=2)
    append(store, [changed(image, recorded_at=later)])  # as where it was renamed, which verifies nothing
    assert (digest("a") in known(store, ARCHIVE).archived) is counts
    append(store, [changed(image, recorded_at=later + timedelta(seconds=1), verified_at=later)])
    assert digest("a") in known(store, ARCHIVE).archived


def test_the_latest_audit_of_a_key_counts_whatever_the_order_of_parts(store: LocalStore):
    late, early = audit("a", AuditStatus.INTACT, 5.0), audit("a", AuditStatus.DAMAGED)
    append_audits(store, [late])
    append_audits(store, [early, audit("b", AuditStatus.MISSING)])
    assert {key: row.status for key, row in last_audits(store).items()} == {"a": "intact", "b": "missing"}


def test_an_audit_of_an_unknown_status_is_named(store: LocalStore):
    row = audit("a", AuditStatus.INTACT)
    object.__setattr__(row, "status", _Later.LATER)
    append_audits(store, [row])
    with pytest.raises(CatalogueError, match="a: status: 'later' is not a valid AuditStatus"):
        last_audits(store)


class _Later:
    LATER = dataclasses.make_dataclass("Status", ["value"])("later")

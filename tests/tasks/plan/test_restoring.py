import dataclasses
import os
from datetime import timedelta
from pathlib import Path

import pytest

from inr.errors import ConfigError
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.records import Archived, now
from tasks.catalogue.versions import names_of
from tasks.plan.restoring import check_target, plan_restore, select
from tasks.steps.commit import append, append_audits
from tasks.store.folder import LocalStore
from tests.tasks.rows import archived, digest, failed


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.mark.parametrize("name", ["file", "file/below", "link", "link/below", "pipe"])
def test_a_target_that_cannot_become_a_folder_is_refused(tmp_path: Path, name: str):
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    found = tmp_path / name.removesuffix("/below")
    for target in (tmp_path / name, (tmp_path / name).as_uri()):
        with pytest.raises(ConfigError, match=f"expected a folder, found something else at {found}"):
            check_target(str(target))


def test_a_target_is_a_folder_or_becomes_one(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("", "new", "new/below", "link", "link/below"):
        check_target(str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_only_archived_images_are_selected_as_they_were_recorded(store: LocalStore):
    records = [archived("b.png"), archived("a.png", also_at=("c.png",))]
    append(store, [*records, failed("bad.png")])
    assert select(store, "true") == records[::-1]
    assert select(store, "source_path = 'a.png' -- a comment") == records[1:]
    assert select(store, "false") == []
    assert select(store, "true) or (true") == records[::-1]  # whatever is asked, failures are not


def test_an_image_that_failed_later_is_selected_unless_its_file_was_found_lost(store: LocalStore):
    record = archived("a.png")
    later = record.recorded_at + timedelta(seconds=1)
    append(store, [record, dataclasses.replace(failed("a.png"), recorded_at=later)])
    assert select(store, "true") == [record]
    key = record.stored.file.key
    append_audits(store, [AuditRow(run_id="run", checked_at=later, key=key, status=AuditStatus.MISSING)])
    assert select(store, "true") == []


@pytest.mark.parametrize("where", ["", " \n", "nonsense", "true; drop table images", "exists (select 1"])
def test_a_wrong_predicate_is_the_callers_error(store: LocalStore, where: str):
    append(store, [archived("a.png")])
    with pytest.raises(ConfigError, match="query"):
        select(store, where)


def at(minute: int, name: str, content: str, **columns: object) -> Archived:
    later = now() + timedelta(minutes=minute)
    given = {"image_digest": digest(content), "recorded_at": later, "verified_at": later}
    return archived(name, **{**given, **columns})


def planned(store: LocalStore, suffix: str = ".png", where: str = "true", **words: bool) -> set[str]:
    """Each name, with the first characters of its content's digest, and whether it is kept."""
    return {
        f"{name} {wanted.record.origin.image.digest[:4]} {'kept' if is_own else 'another'}"
        for wanted in plan_restore(store, where, suffix, **words)
        for name, is_own in zip(names_of(wanted.record), wanted.own_names, strict=True)
    }


def test_the_latest_version_is_restored_and_others_when_they_are_asked_for(store: LocalStore):
    append(store, [at(1, "a.png", "first"), at(2, "a.png", "second"), at(3, "b.png", "other")])
    first, second, other = (digest(content)[:4] for content in ("first", "second", "other"))
    assert planned(store) == {f"a.png {second} kept", f"b.png {other} kept"}
    assert planned(store, all_versions=True) == {
        f"a.png {first} another",
        f"a.png {second} kept",
        f"b.png {other} kept",
    }
    earlier = f"recorded_at < '{now().replace(tzinfo=None) + timedelta(minutes=1.5)}'"
    for where in (f"image_digest like '{first}%'", earlier):
        assert planned(store, where=where) == {f"a.png {first} kept"}


def test_what_an_audit_found_lost_stands_behind_until_it_is_archived_anew(store: LocalStore):
    first, last = (
        at(1, "a.png", "same", key="first"),
        at(2, "a.png", "same", key="last", archive_digest="f" * 64),
    )
    append(store, [first, last])

    def chosen(**words: bool) -> list[str]:
        return [wanted.record.stored.file.key for wanted in plan_restore(store, "true", ".png", **words)]

    assert chosen() == ["last"]
    lost = AuditRow(
        run_id="run", checked_at=now() + timedelta(minutes=3), key="last", status=AuditStatus.DAMAGED
    )
    append_audits(store, [lost])
    assert chosen() == chosen(best=True) == ["first"]
    append(store, [at(4, "a.png", "same", key="last", archive_digest="f" * 64)])
    assert chosen() == ["last"]
    with pytest.raises(ConfigError, match="at most one of all versions and the best"):
        plan_restore(store, "true", ".png", all_versions=True, best=True)


def test_photographs_of_two_sources_are_both_restored(store: LocalStore):
    append(store, [at(1, "a.png", "one"), at(2, "a.png", "two", source_uri="s3://bucket/a.png")])
    assert planned(store) == {f"a.png {digest('one')[:4]} another", f"a.png {digest('two')[:4]} kept"}


def test_who_keeps_the_name_as_it_was_has_it(store: LocalStore):
    append(store, [at(2, "a.jpg", "photo"), at(1, "a.jpg.png", "edited")])
    photo, edited = digest("photo")[:4], digest("edited")[:4]
    assert planned(store) == {f"a.jpg {photo} another", f"a.jpg.png {edited} kept"}
    assert planned(store, ".webp") == {f"a.jpg {photo} kept", f"a.jpg.png {edited} kept"}


def test_a_key_that_is_another_ones_folder_makes_room_for_it(store: LocalStore):
    append(store, [at(2, "a.png", "key"), at(1, "a.png/b.png", "below"), at(1, "c//d.png", "empty")])
    assert planned(store) == {
        f"a.png {digest('key')[:4]} another",
        f"a.png/b.png {digest('below')[:4]} kept",
        f"c//d.png {digest('empty')[:4]} another",
    }

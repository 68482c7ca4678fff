import dataclasses
import hashlib
import os
import threading
from pathlib import Path

import pytest

from inr.errors import ConfigError
from tasks.catalogue.keys import BITSTREAM_SUFFIX, object_key
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Failed, Listed, Planned
from tasks.catalogue.versions import names_of
from tasks.errors import BatchLost, MemoryTooSmall, StorageError, TooManyPixels, UnsupportedImage
from tasks.originals.listing import SourceImage
from tasks.originals.patterns import Patterns
from tasks.plan import planning as plan_module
from tasks.plan.planning import KnownBad, Plan, make_plan
from tasks.plan.restoring import plan_restore
from tasks.settings import RunOptions
from tasks.steps.commit import append, rename
from tasks.store.folder import LocalStore
from tests.opens import counting_opens
from tests.tasks import pictures
from tests.tasks.rows import ARCHIVE, CONFIG, RECIPE, archived_from


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, content in (("a.png", b"1"), ("b.png", b"2"), ("c.png", b"1"), ("d.txt", b"3")):
        (folder / name).write_bytes(content)
    return folder


def plan_of(photos: Path, store: LocalStore, archive: str = ARCHIVE) -> Plan:
    return make_plan(str(photos), store, archive, RunOptions(max_file_bytes=1000))


def commit(store: LocalStore, image: SourceImage) -> None:
    archived = archived_from(Planned.of("run", RECIPE, image), b"12345")
    store.put(archived.stored.file.key, b"12345")
    append(store, [archived])


def test_each_content_is_planned_once_in_order_of_its_first_path(photos: Path, store: LocalStore):
    plan = plan_of(photos, store)
    assert [(image.path, image.also_at) for image in plan.images] == [("a.png", ("c.png",)), ("b.png", ())]
    assert (plan.n_archived, plan.n_duplicates, plan.n_to_do) == (0, 1, 2)
    assert plan.describe() == "2 to archive; 0 archived already; 1 duplicate; left out: 1 .txt"


def test_what_is_archived_is_not_planned(photos: Path, store: LocalStore):
    first, second = plan_of(photos, store).images
    commit(store, first)
    assert plan_of(photos, store).images == (second,)
    assert plan_of(photos, store).n_archived == 1
    commit(store, second)
    assert plan_of(photos, store).n_to_do == 0


@pytest.mark.parametrize("place", ["photos", "photos/kept/here"])
def test_the_files_of_a_store_within_the_source_are_no_originals(photos: Path, place: str):
    """By whatever name: the source is given by a link here. Photographs beside them are."""
    store = LocalStore(photos.parent / place)
    store.put("bitstreams/4a/4a51/9b1c.webp", b"stored without loss")
    store.put("reports/run.png", b"a figure")
    (store.root / "beside.png").write_bytes(b"4")
    (photos.parent / "link").symlink_to(photos, target_is_directory=True)
    for source in (photos, photos.parent / "link"):
        plan = plan_of(source, store)
        assert {image.path for image in plan.images} == {
            *("a.png", "b.png"),
            (store.root / "beside.png").relative_to(photos).as_posix(),
        }
        assert "2 of the archive itself" in plan.describe()
    assert plan_of(store.root / "bitstreams/4a/4a51/9b1c.webp", store).n_to_do == 1  # if it is asked for


def run(source: Path, store: LocalStore, *include: str) -> Plan:
    """Archive what there is, as a run does, without fits."""
    options, patterns = RunOptions(max_file_bytes=1000), Patterns(include)
    plan = make_plan(str(source), store, ARCHIVE, options, patterns=patterns)
    rename(store, ARCHIVE, plan.renamed)
    for image in plan.images:
        commit(store, image)
    again = make_plan(str(source), store, ARCHIVE, options, patterns=patterns)
    assert (again.images, again.renamed) == ((), ())  # one run is enough
    return plan


def restorable(store: LocalStore) -> dict[str, str]:
    """Each name that a restore gives → the beginning of its content's digest."""
    wanted = plan_restore(store, "true", ".png")
    return {name: each.record.origin.image.digest for each in wanted for name in names_of(each.record)}


def there(photos: Path) -> dict[str, str]:
    """Each name of a source → the digest of its content."""
    files = (path for path in photos.rglob("*.png") if path.is_file())
    return {
        path.relative_to(photos).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_a_renamed_image_comes_back_beside_the_one_that_has_its_old_name(photos: Path, store: LocalStore):
    run(photos, store)
    (photos / "b.png").rename(photos / "original.png")
    (photos / "b.png").write_bytes(b"edited")
    plan = run(photos, store)
    assert [image.path for image in plan.renamed] == ["original.png"]
    assert plan.describe().startswith("1 to archive; 2 archived already, 1 of them renamed; ")
    assert restorable(store) == there(photos)


def test_images_that_change_their_names_are_copied_or_lose_copies_have_todays_names(
    photos: Path, store: LocalStore
):
    run(photos, store)
    (photos / "new").mkdir()
    (photos / "a.png").rename(photos / "z.png")
    (photos / "b.png").rename(photos / "a.png")
    (photos / "c.png").rename(photos / "b.png")
    (photos / "new" / "copy.png").write_bytes(b"1")
    assert len(run(photos, store).renamed) == 2
    assert restorable(store) == there(photos)
    (photos / "z.png").unlink()
    assert len(run(photos, store).renamed) == 1
    assert restorable(store) == there(photos)


def test_an_image_that_is_put_back_in_place_of_its_edit_comes_back(photos: Path, store: LocalStore):
    run(photos, store)
    (photos / "b.png").write_bytes(b"edited")
    run(photos, store)
    (photos / "b.png").write_bytes(b"2")
    assert [image.path for image in run(photos, store).renamed] == ["b.png"]
    assert restorable(store) == there(photos)


def test_a_run_over_a_part_forgets_no_name_that_it_did_not_look_at(photos: Path, store: LocalStore):
    run(photos, store)
    (photos / "new").mkdir()
    (photos / "new" / "x.png").write_bytes(b"1")
    (photos / "a.png").unlink()
    assert [image.path for image in run(photos, store, "new/").renamed] == ["new/x.png"]
    assert restorable(store).keys() == {"a.png", "b.png", "c.png", "new/x.png"}  # as far as it knows
    (photos / "y.png").write_bytes(b"1")
    run(photos / "y.png", store)
    assert restorable(store).keys() == {"a.png", "b.png", "c.png", "new/x.png", "y.png"}
    run(photos, store)
    assert restorable(store) == there(photos)
    (photos / "c.png").write_bytes(b"another")
    run(photos, store, "c.png")
    (photos / "new" / "x.png").rename(photos / "new" / "z.png")
    run(photos, store, "new/")
    assert restorable(store) == there(photos)  # what another image has by now is nobody else's name
    assert run(photos, store).renamed == ()


def test_names_below_a_folder_that_cannot_be_listed_are_kept(
    photos: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    (photos / "deep").mkdir()
    (photos / "deep" / "d.png").write_bytes(b"1")
    run(photos, store)
    scan = os.scandir

    def scanning(place: object) -> object:
        if str(place).endswith("deep"):
            raise PermissionError(13, "Permission denied")
        return scan(place)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", scanning)
    (photos / "c.png").rename(photos / "e.png")
    run(photos, store)
    assert restorable(store).keys() == {"a.png", "b.png", "deep/d.png", "e.png"}


def test_an_image_that_is_made_again_keeps_the_names_that_the_run_did_not_look_at(
    photos: Path, store: LocalStore
):
    run(photos, store)
    store.path(object_key(hashlib.sha256(b"1").hexdigest(), ARCHIVE, BITSTREAM_SUFFIX)).unlink()
    assert [image.path for image in run(photos, store, "a.png").images] == ["a.png"]
    assert restorable(store) == there(photos)


def test_two_sources_of_the_same_images_do_not_take_turns(photos: Path, store: LocalStore):
    other = photos.parent / "other"
    other.mkdir()
    (other / "x.png").write_bytes(b"2")
    run(photos, store)
    assert run(other, store).renamed == run(photos, store).renamed == ()
    (photos / "b.png").write_bytes(b"edited")  # now the other source alone has it
    run(photos, store)
    assert [image.path for image in run(other, store).renamed] == ["x.png"]
    assert restorable(store) == {**there(photos), **there(other)}
    assert run(other, store).renamed == run(photos, store).renamed == ()


def test_another_config_is_another_archive(photos: Path, store: LocalStore):
    for image in plan_of(photos, store).images:
        commit(store, image)
    other = Recipe(dataclasses.replace(CONFIG, seed=1)).archive_digest()
    assert len(plan_of(photos, store, other).images) == 2


@pytest.mark.parametrize("damage", ["lost", "cut"])
def test_a_recorded_object_that_is_lost_or_cut_is_planned_again(photos: Path, store: LocalStore, damage: str):
    image = plan_of(photos, store).images[0]
    commit(store, image)
    path = store.path(object_key(image.digest, ARCHIVE, BITSTREAM_SUFFIX))
    path.unlink() if damage == "lost" else path.write_bytes(b"1")
    assert image in plan_of(photos, store).images


@pytest.mark.parametrize("error", [ValueError("x"), StorageError("x"), MemoryTooSmall("x"), BatchLost("x")])
def test_a_failure_of_ours_is_tried_again(photos: Path, store: LocalStore, error: Exception):
    image = plan_of(photos, store).images[0]
    append(store, [Failed.of(Planned.of("run", RECIPE, image), error)])
    plan = plan_of(photos, store)
    assert (image in plan.images, plan.known_bad) == (True, ())


def test_a_bad_image_is_left_alone_until_it_changes_or_is_asked_for(photos: Path, store: LocalStore):
    image, other = plan_of(photos, store).images
    failure = Failed.of(Planned.of("run", RECIPE, image), UnsupportedImage("no picture"))
    append(store, [failure])
    plan = plan_of(photos, store)
    assert (plan.images, plan.n_to_do, plan.n_archived) == ((other,), 1, 0)
    assert plan.known_bad == (KnownBad("a.png", "UnsupportedImage: no picture", failure.recorded_at),)
    assert plan.known_bad[0].describe().endswith(f"picture (known since {failure.recorded_at:%Y-%m-%d})")
    assert "; 1 known to be bad; " in plan.describe()
    assert make_plan(str(photos), store, ARCHIVE, RunOptions(), retry_bad=True).images == (image, other)
    assert plan_of(photos, store, Recipe(CONFIG, n_steps=7).archive_digest()).known_bad == ()  # or a version
    (photos / "a.png").write_bytes(b"mended")
    assert [image.path for image in plan_of(photos, store).images] == ["a.png", "b.png"]
    assert [bad.path for bad in plan_of(photos, store).known_bad] == ["c.png"]  # its copy
    archived = archived_from(Planned.of("run", RECIPE, image), b"12345")
    store.put(archived.stored.file.key, b"12345")
    append(store, [archived])
    assert (plan_of(photos, store).known_bad, plan_of(photos, store).n_archived) == ((), 1)


def test_a_file_that_cannot_be_read_is_known_while_its_error_is_the_same(photos: Path, store: LocalStore):
    loop, huge = photos / "loop.png", photos / "huge.png"
    loop.symlink_to(loop)
    huge.write_bytes(bytes(1001))
    plan = plan_of(photos, store)
    append(store, [Failed.of(Listed.of("run", RECIPE, file), error) for file, error in plan.unreadable])
    plan = plan_of(photos, store)
    assert ([bad.path for bad in plan.known_bad], plan.unreadable) == (["huge.png", "loop.png"], ())
    huge.write_bytes(bytes(1002))
    plan = plan_of(photos, store)
    assert ([bad.path for bad in plan.known_bad], len(plan.unreadable)) == (["loop.png"], 1)
    again = make_plan(str(photos), store, ARCHIVE, RunOptions(max_file_bytes=1000), retry_bad=True)
    assert len(again.unreadable) == 2


@pytest.mark.parametrize("with_sizes", [True, False])
def test_an_image_with_too_many_pixels_is_known_until_the_limit_is_another(
    tmp_path: Path, store: LocalStore, with_sizes: bool
):
    (tmp_path / "a.png").write_bytes(pictures.file_of(pictures.image(12, 16)))

    def plan(max_pixels: int) -> Plan:
        options = RunOptions(max_pixels=max_pixels)
        return make_plan(str(tmp_path / "a.png"), store, ARCHIVE, options, with_sizes=with_sizes)

    [image] = plan(100).images
    append(store, [Failed.of(Planned.of("run", RECIPE, image), TooManyPixels("expected 1 to 100 pixels"))])
    assert (len(plan(100).known_bad), plan(100).n_to_do) == (1, 0)
    assert (len(plan(200).known_bad), plan(200).n_to_do) == (0, 1)


def test_patterns_leave_out_files_and_they_are_counted(photos: Path, store: LocalStore):
    patterns = Patterns(exclude=("[ac].png",))
    plan = make_plan(str(photos), store, ARCHIVE, RunOptions(), patterns=patterns)
    assert ([image.path for image in plan.images], plan.n_excluded) == (["b.png"], 2)
    assert plan.describe() == "1 to archive; 0 archived already; left out: 1 .txt, 2 by include and exclude"


def test_files_that_cannot_be_digested_are_planned_as_failures(photos: Path, store: LocalStore):
    (photos / "huge.png").write_bytes(bytes(1001))
    os.mkfifo(photos / "pipe.png")
    plan = plan_of(photos, store)
    assert {image.path: str(error)[:30] for image, error in plan.unreadable} == {
        "huge.png": "expected at most 1000 bytes, f",
        "pipe.png": "expected a regular file, found",
    }
    assert plan.n_to_do == 4
    assert "2 unreadable" in plan.describe()


def test_planning_writes_nothing(photos: Path, store: LocalStore):
    plan_of(photos, store)
    assert not store.root.exists()


def test_a_source_that_is_not_there_is_the_callers_error(photos: Path, store: LocalStore):
    with pytest.raises(ConfigError, match="source"):
        plan_of(photos / "nowhere", store)


def test_a_source_with_fewer_files_than_are_expected_is_an_error(photos: Path, store: LocalStore):
    """As one whose disk is not mounted; without an expectation an empty folder is one with nothing to do."""
    empty, options = photos.parent / "mount", RunOptions()
    empty.mkdir()
    assert make_plan(str(empty), store, ARCHIVE, options).n_to_do == 0
    expected = "expected at least 1 original, found 0; is the name right, and is it mounted"
    with pytest.raises(ConfigError, match=f"source {empty}: {expected}"):
        make_plan(str(empty), store, ARCHIVE, options, expect_at_least=1)
    whole = make_plan(str(photos), store, ARCHIVE, options)
    n_files = whole.n_to_do + whole.n_duplicates
    assert make_plan(str(photos), store, ARCHIVE, options, expect_at_least=n_files) == whole
    with pytest.raises(ConfigError, match=f"expected at least {n_files + 1} originals, found {n_files};"):
        make_plan(str(photos), store, ARCHIVE, options, expect_at_least=n_files + 1)
    for patterns in (Patterns(include=("no*such",)), Patterns(exclude=("*.png",))):
        with pytest.raises(ConfigError, match="expected at least 1 original, found 0;"):
            make_plan(str(photos), store, ARCHIVE, options, patterns=patterns, expect_at_least=1)


def test_files_are_digested_many_at_a_time_and_stay_in_order(
    tmp_path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(plan_module, "FILES_AT_ONCE", 8)
    names = [f"{n:02}.png" for n in range(20)]
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / names[5]).write_bytes(bytes(2000))  # larger than is taken
    together, digest = threading.Barrier(4), plan_module.digest_source

    def digest_together(uri: str, *, max_bytes: int) -> tuple[str, int]:
        together.wait(timeout=60)  # breaks, and fails the test, where fewer than four run at a time
        return digest(uri, max_bytes=max_bytes)

    monkeypatch.setattr(plan_module, "digest_source", digest_together)
    plan = plan_of(tmp_path, store)
    assert [image.path for image in plan.images] == names[:5] + names[6:]
    assert [image.path for image, _ in plan.unreadable] == [names[5]]


def test_sizes_come_from_the_read_that_digests(tmp_path: Path, store: LocalStore):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(pictures.file_of(pictures.image(10, 100)))
    (photos / "b.jpg").write_bytes(pictures.file_of(pictures.image(30, 20), "JPEG"))
    (photos / "copy.png").write_bytes(pictures.file_of(pictures.image(10, 100)))
    (photos / "text.png").write_text("no photograph")
    with counting_opens(photos) as opens:
        plan = make_plan(str(photos), store, ARCHIVE, RunOptions(), with_sizes=True)
    assert opens == dict.fromkeys(("a.png", "b.jpg", "copy.png", "text.png"), 1)
    sizes = {image.path: plan.sizes[image.digest] for image in plan.images}
    assert (sizes["a.png"], sizes["b.jpg"]) == ((100, 10), (20, 30))
    assert isinstance(sizes["text.png"], UnsupportedImage)
    with counting_opens(photos) as opens:
        without = make_plan(str(photos), store, ARCHIVE, RunOptions())
    assert opens == dict.fromkeys(("a.png", "b.jpg", "copy.png", "text.png"), 1)
    assert without == dataclasses.replace(plan, sizes={})

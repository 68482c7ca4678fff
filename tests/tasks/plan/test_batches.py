import json
import math
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.catalogue.records import LOSSLESS, Failed, Outcome, now
from tasks.errors import CatalogueError, ObjectMissing, StorageError, StorageUnavailable
from tasks.plan import batches, leases
from tasks.plan.batches import (
    KEPT_DAYS,
    batches_of,
    forget_batches,
    forget_old_batches,
    kept_batches,
    new_folder,
    old_batches,
    read_batch,
    read_outcome,
    write_batches,
    write_outcome,
)
from tasks.store.folder import LocalStore
from tests.tasks.rows import archived, failed, listed, planned, source_image, stored_of

IMAGES = [source_image(f"{n}.png") for n in range(5)]
OUTCOMES = [
    archived("a", also_at=("b", "c"), psnr_db=math.inf),
    archived("b", model=LOSSLESS, min_psnr_db=60.0, refits=2, device=None),
    failed("c"),
    Failed.of(stored_of(planned("d")), ValueError("verification")),
]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.mark.parametrize(("size", "n_batches"), [(1, 5), (2, 3), (5, 1), (9, 1)])
def test_images_are_cut_into_batches_and_come_back_in_order(store: LocalStore, size: int, n_batches: int):
    folder, n_pixels = new_folder("run"), {image.digest: n for n, image in enumerate(IMAGES[:-1])}
    write_batches(store, folder, batches_of(IMAGES, {**n_pixels, "another": 7}, size))
    found = [read_batch(store, folder, number) for number in range(n_batches)]
    assert [image for batch in found for image in batch.images] == IMAGES
    assert {len(batch.images) for batch in found[:-1]} <= {size}
    assert {digest: n for batch in found for digest, n in batch.n_pixels.items()} == n_pixels
    for batch in found:
        assert batch.n_pixels.keys() <= {image.digest for image in batch.images}
    with pytest.raises(ObjectMissing):
        read_batch(store, folder, n_batches)


def test_no_images_are_no_batches(store: LocalStore):
    assert batches_of([], {}, 3) == []
    write_batches(store, new_folder("run"), [])
    assert store.objects("runs") == []


def test_outcomes_come_back_as_they_were_and_those_of_the_first_to_end_a_batch_count(store: LocalStore):
    folder = new_folder("run")
    write_batches(store, folder, batches_of([source_image(name) for name in "abcd"], {}, 4))
    assert read_outcome(store, folder, 0) is None
    write_outcome(store, folder, 0, OUTCOMES)
    write_outcome(store, folder, 0, [])
    assert read_outcome(store, folder, 0) == OUTCOMES
    assert read_outcome(store, folder, 1) is None


@pytest.mark.parametrize(
    ("told", "amiss"),
    [
        ([], 2),
        ([failed("a")], 1),
        ([failed("a"), failed("c")], 2),
        ([failed("a"), archived("b"), failed("b")], 1),
        ([failed("a"), Failed.of(listed("b"), OSError("cannot be read"))], 2),
    ],
)
def test_outcomes_of_other_images_than_were_asked_for_are_refused(
    store: LocalStore, told: list[Outcome], amiss: int
):
    folder = new_folder("run")
    write_batches(store, folder, batches_of([source_image("a"), source_image("b")], {}, 2))
    write_outcome(store, folder, 0, told)
    found = f"outcome for each of 2 images, found {len(told)}; {amiss} missing or of other images"
    with pytest.raises(CatalogueError, match=found):
        read_outcome(store, folder, 0)


def test_each_attempt_of_a_run_has_batches_of_its_own(store: LocalStore):
    first, second = new_folder("run"), new_folder("run")
    for folder, image in ((first, IMAGES[0]), (second, IMAGES[1])):
        write_batches(store, folder, batches_of([image], {}, 1))
    assert [read_batch(store, folder, 0).images for folder in (first, second)] == [[IMAGES[0]], [IMAGES[1]]]
    with pytest.raises(StorageError, match=r"000000\.images\.json: expected no batch of another run"):
        write_batches(store, first, batches_of([IMAGES[1]], {}, 1))


@pytest.mark.parametrize("data", [b"junk", b"{}", b'[{"digest": 1}]', b""])
def test_a_damaged_batch_is_named(store: LocalStore, data: bytes):
    store.put("runs/x/000000.images.json", data)
    store.put("runs/x/000000.outcomes.json", data)
    for read in (read_batch, read_outcome):
        with pytest.raises(CatalogueError, match=r"runs/x/000000\.\w+\.json: is not a readable batch"):
            read(store, "runs/x", 0)


def test_a_run_leaves_nothing_and_touches_no_other(store: LocalStore):
    first, second = new_folder("one"), new_folder("two")
    for folder in (first, second):
        write_batches(store, folder, batches_of(IMAGES, {}, 2))
        write_outcome(store, folder, 0, OUTCOMES)
    forget_batches(store, first)
    assert {found.key.split("/")[1] for found in store.objects("runs")} == {second.split("/")[1]}


def test_batches_are_kept_while_their_run_goes_on_and_go_with_it(store: LocalStore):
    batches, folder = batches_of(IMAGES, {}, 2), new_folder("run")
    with kept_batches(store, folder, batches):
        write_outcome(store, folder, 0, OUTCOMES)
        assert len(store.objects(folder)) == len(batches) + 1
    assert store.objects("runs") == []


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (StorageError("No space left on device"), False),
        (ValueError("a bug"), False),
        (StorageUnavailable("it is away, and cannot be told"), True),
        (KeyboardInterrupt(), True),
    ],
)
def test_what_ends_a_run_ends_its_batches_unless_it_comes_back(
    store: LocalStore, error: BaseException, is_kept: bool
):
    folder = new_folder("run")
    with pytest.raises(type(error)), kept_batches(store, folder, batches_of(IMAGES, {}, 2)):
        raise error
    assert bool(store.objects("runs")) is is_kept


def test_batches_that_are_half_written_are_removed(store: LocalStore):
    folder = new_folder("run")
    batches = batches_of(IMAGES, {}, 2)
    (store.root / folder / f"{len(batches) - 1:06}.images.json" / "in the way").mkdir(parents=True)
    with pytest.raises(StorageError), kept_batches(store, folder, batches):
        raise AssertionError("they cannot be written")
    assert [found for found in store.objects("runs") if found.key.endswith(".json")] == []


def begun_before(store: LocalStore, days: float, monkeypatch: pytest.MonkeyPatch) -> str:
    """The folder of a run that began so many days ago, as it was then."""
    with monkeypatch.context() as then:
        then.setattr(batches, "now", lambda: now() - timedelta(days=days))
        folder = new_folder(f"run-{days}")
    write_batches(store, folder, batches_of(IMAGES, {}, 2))
    age(store, folder, days)
    return folder


def age(store: LocalStore, folder: str, days: float) -> None:
    for found in store.objects(folder):
        os.utime(store.path(found.key), (time.time() - days * 86_400 - 60,) * 2)


def test_a_run_that_lives_keeps_its_batches_however_long_it_takes(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    folder = begun_before(store, 30, monkeypatch)
    write_outcome(store, folder, 0, OUTCOMES)  # a batch ended, on whatever host
    forget_old_batches(store)
    assert read_batch(store, folder, 2).images == IMAGES[4:]
    age(store, folder, KEPT_DAYS)
    forget_old_batches(store)
    assert store.objects(folder) == []


def test_batches_that_are_kept_show_a_sign_of_life(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leases, "SIGN_SECONDS", 0.05)
    with monkeypatch.context() as then:
        then.setattr(batches, "now", lambda: now() - timedelta(days=30))
        folder = new_folder("run")
    with kept_batches(store, folder, batches_of(IMAGES, {}, 2)):
        for _ in range(2):
            age(store, folder, 30)
            until(lambda: old_batches(store, KEPT_DAYS) == [])
        forget_old_batches(store)
        assert read_batch(store, folder, 2).images == IMAGES[4:]
        assert len(signs(store, folder)) <= 2  # the latest, and one that is about to go
    assert store.objects(folder) == []


def signs(store: LocalStore, folder: str) -> list[str]:
    return [found.key for found in store.objects(folder) if found.key.endswith(batches.ALIVE)]


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, which it does in a moment."""
    ends_at = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_what_killed_runs_kept_goes_after_some_days(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    for days in (0, KEPT_DAYS - 1, KEPT_DAYS + 1):
        begun_before(store, days, monkeypatch)
    store.put("runs/by-hand/000000.images.json", b"[]")
    store.put("runs/00000000-zeros/000000.images.json", b"[]")
    age(store, "runs/by-hand", 30)
    age(store, "runs/00000000-zeros", 30)
    forget_old_batches(store)
    left = {found.key.split("/")[1] for found in store.objects("runs")}
    runs = {name.rpartition("-")[0].partition("-")[2] for name in left - {"by-hand", "00000000-zeros"}}
    assert runs == {"run-0", f"run-{KEPT_DAYS - 1}"}
    assert len(left) == 4


def test_what_is_written_is_plain_json(store: LocalStore):
    folder = new_folder("run")
    write_batches(store, folder, batches_of(IMAGES[:1], {}, 1))
    [found] = store.objects("runs")
    assert json.loads(store.get(found.key, max_bytes=1000))["images"][0]["path"] == "0.png"

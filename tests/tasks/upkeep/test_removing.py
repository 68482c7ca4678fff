from collections.abc import Sequence
from pathlib import Path

import pytest

from tasks.catalogue.lookup import Name
from tasks.errors import StorageError
from tasks.plan.leases import Leases
from tasks.upkeep import removing
from tasks.upkeep.removing import remove_held
from tests.tasks.disks import SmallDisk
from tests.tasks.rows import ARCHIVE, digest

NAMES = [(digest(f"{n}"), ARCHIVE) for n in range(6)]


def filled(root: Path, n_free: int) -> SmallDisk:
    """A disk that has a file of each image, and is full with so many more."""
    store = SmallDisk(root, len(NAMES) + n_free)
    for image, _ in NAMES:
        store.put(f"bitstreams/{image}", b"x")
    return store


def keys(held: Sequence[Name]) -> list[str]:
    return [f"bitstreams/{image}" for image, _ in held]


@pytest.mark.parametrize(
    ("n_free", "at_once"), [(2, [1, 1, 2, 2]), (3, [1, 2, 3]), (4, [2, 3, 1]), (100, [4, 2])]
)
def test_as_many_images_are_held_as_there_is_room_for_leases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_free: int, at_once: list[int]
):
    monkeypatch.setattr(removing, "IMAGES_AT_ONCE", 4)
    store, seen = filled(tmp_path, n_free), list[int]()

    def going(held: Sequence[Name]) -> list[str]:
        seen.append(len(held))
        return keys(held)

    assert len(remove_held(store, NAMES, going)) == len(NAMES)
    assert seen == at_once
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("n_free", [0, 1])
def test_without_room_for_one_lease_it_says_why_nothing_is_removed(tmp_path: Path, n_free: int):
    store = filled(tmp_path, n_free)
    with pytest.raises(
        StorageError, match=r"No space left on device; a file is removed only while a lease in the store"
    ):
        remove_held(store, NAMES, keys)
    assert len(store.objects("bitstreams")) == len(NAMES)
    assert store.objects("journal") == []


def test_what_another_run_holds_stays(tmp_path: Path):
    store = filled(tmp_path, 100)
    with Leases(store) as others:
        assert others.take(*NAMES[1])
        assert len(remove_held(store, NAMES, keys)) == len(NAMES) - 1
    assert [found.key for found in store.objects("bitstreams")] == keys(NAMES[1:2])

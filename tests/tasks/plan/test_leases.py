"""Images that a run holds while it fits them, against other runs on this host and on others."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tasks.errors import StorageError
from tasks.plan import leases
from tasks.plan.leases import Leases, held_images, is_held
from tasks.store.folder import LocalStore
from tasks.store.objects import ObjectStore
from tests.tasks.rows import ARCHIVE, digest

IMAGE, OTHER = digest("a.png"), digest("b.png")

HOLD = """
import sys, time
from tasks.plan.leases import Leases
from tasks.store.locations import open_store
with Leases(open_store(sys.argv[1])) as held:
    print(held.take(*sys.argv[2:]), flush=True)
    time.sleep(600)
"""


def test_an_image_is_held_by_one_and_free_when_it_is_left(store: ObjectStore):
    with Leases(store) as first, Leases(store) as second:
        assert first.take(IMAGE, ARCHIVE)
        assert not second.take(IMAGE, ARCHIVE)
        assert second.take(OTHER, ARCHIVE)
        assert second.take(IMAGE, "f" * 64)  # under another config
        assert is_held(store, IMAGE, ARCHIVE)
    assert store.objects("journal") == []
    assert not is_held(store, IMAGE, ARCHIVE)
    with Leases(store) as third:
        assert third.take(IMAGE, ARCHIVE)


class NearlyFull(LocalStore):
    """A store on a disk that has room for the first slot of an image alone."""

    def put(self, key: str, data: bytes) -> bool:
        if key.endswith("/11.fit"):
            raise StorageError(f"write {key}: No space left on device")
        return super().put(key, data)


def test_nothing_is_held_where_the_store_takes_the_first_slot_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(leases.time, "time", lambda: leases.SLOT_SECONDS * 10)
    with Leases(NearlyFull(tmp_path)) as held:
        with pytest.raises(StorageError, match="No space left"):
            held.take(IMAGE, ARCHIVE)
        assert LocalStore(tmp_path).objects("journal") == []
    with Leases(LocalStore(tmp_path)) as another:
        assert another.take(IMAGE, ARCHIVE)


@pytest.mark.parametrize("at", [leases.SLOT_SECONDS * 10, leases.SLOT_SECONDS * 11 - 1e-3])
def test_a_slot_that_ends_frees_no_image_and_two_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: float
):
    store = LocalStore(tmp_path)
    monkeypatch.setattr(leases, "_is_abandoned", lambda store, key: False)  # as seen from another host
    monkeypatch.setattr(leases.time, "time", lambda: at)
    abandoned = Leases(store)
    assert abandoned.take(IMAGE, ARCHIVE)
    for later, is_free in ((1.0, False), (leases.SLOT_SECONDS, False), (2 * leases.SLOT_SECONDS, True)):
        monkeypatch.setattr(leases.time, "time", lambda later=later: at + later)
        assert is_held(store, IMAGE, ARCHIVE) is not is_free
        with Leases(store) as other:
            assert other.take(IMAGE, ARCHIVE) is is_free


def test_a_lease_is_over_when_its_slot_is():
    now = int(time.time() // leases.SLOT_SECONDS)
    keys = {f"journal/a/b/{slot}.fit": slot < now for slot in (1, now - 1, now + 2)}
    assert {key: leases.is_over(key) for key in keys} == keys
    assert not any(map(leases.is_over, ("journal/a/b/1.json", "journal/a/b/1.taken", "journal/a/b/x.fit")))


def test_who_goes_on_holds_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leases, "SLOT_SECONDS", 0.5)
    monkeypatch.setattr(leases, "_is_abandoned", lambda store, key: False)
    store = LocalStore(tmp_path)
    with Leases(store) as held, Leases(store) as other:
        assert held.take(IMAGE, ARCHIVE)
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            assert is_held(store, IMAGE, ARCHIVE)
            assert not other.take(IMAGE, ARCHIVE)
            time.sleep(0.05)
    assert store.objects("journal") == []


def test_what_a_process_of_this_host_held_is_free_as_soon_as_it_is_gone(tmp_path: Path):
    store = LocalStore(tmp_path)
    command = [sys.executable, "-c", HOLD, store.url, IMAGE, ARCHIVE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    with Leases(store) as held:
        assert not held.take(IMAGE, ARCHIVE)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert len(store.objects("journal")) == 2
        assert not is_held(store, IMAGE, ARCHIVE)
        assert held.take(IMAGE, ARCHIVE)
    assert store.objects("journal") == []


@pytest.mark.parametrize(
    "changes", [{"host": "another"}, {"pid": "none"}, {"started": None}, {"pid": os.getpid()}]
)
def test_a_holder_that_is_not_known_to_be_gone_is_not(tmp_path: Path, changes: dict[str, object]):
    """One on another host, one that cannot be read, and this very process."""
    store = LocalStore(tmp_path)
    holder = {**json.loads(leases._holder()), **changes}
    store.put("journal/x/y/1.fit", json.dumps(holder).encode())
    assert leases._is_abandoned(store, "journal/x/y/1.fit") is (changes == {"started": None})
    store.put("journal/x/y/2.fit", b"junk")
    assert not leases._is_abandoned(store, "journal/x/y/2.fit")
    assert not leases._is_abandoned(store, "journal/x/y/3.fit")


def test_without_proc_an_image_is_held_until_its_slots_are_over(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
):
    """As on macOS: nobody can say there whether a process is gone, so nobody is taken for gone."""
    monkeypatch.setattr(leases, "Path", lambda name: Path("/nowhere") / name.lstrip("/"))
    now = time.time()
    monkeypatch.setattr(leases.time, "time", lambda: now)
    with Leases(store) as first, Leases(store) as second:
        assert first.take(IMAGE, ARCHIVE)
        assert not second.take(IMAGE, ARCHIVE)
        now += 3 * leases.SLOT_SECONDS
        assert second.take(IMAGE, ARCHIVE)


def test_who_says_nothing_for_long_is_waited_for_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It hangs, though its process goes on; and when it wakes up, the image is another's."""
    monkeypatch.setattr(leases, "SLOT_SECONDS", 0.5)
    monkeypatch.setattr(leases, "QUIET_SECONDS", 2.0)
    store = LocalStore(tmp_path)
    with Leases(store) as hung, Leases(store) as other:
        assert hung.take(IMAGE, ARCHIVE)
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            hung.hear()
            assert is_held(store, IMAGE, ARCHIVE)
            time.sleep(0.05)
        while not other.take(IMAGE, ARCHIVE):
            assert time.monotonic() < until + 20
            time.sleep(0.05)
        assert time.monotonic() > until + 0.5
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            hung.hear()
            other.hear()
            assert is_held(store, IMAGE, ARCHIVE)
            time.sleep(0.05)
        hung.__exit__(None, None, None)
        assert is_held(store, IMAGE, ARCHIVE)  # what it gives back is its own
    assert store.objects("journal") == []


def test_a_slot_that_another_has_by_now_ends_the_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run that was away takes no slot after that of another; where there is none, it holds on."""
    store, now = LocalStore(tmp_path), 1000 * leases.SLOT_SECONDS
    monkeypatch.setattr(leases.time, "time", lambda: now)
    with Leases(store) as away, Leases(store) as other:
        assert away.take(IMAGE, ARCHIVE)
        folder, slots = next(iter(away._held.items()))
        now += 3 * leases.SLOT_SECONDS
        away._hold_on(folder, slots)
        assert slots == [1000, 1001, 1003, 1004]
        now += 3 * leases.SLOT_SECONDS
        assert other.take(IMAGE, ARCHIVE)
        away._hold_on(folder, slots)
        assert slots == [1000, 1001, 1003, 1004]
        now += leases.SLOT_SECONDS
        away._hold_on(folder, slots)
        assert slots == [1000, 1001, 1003, 1004]
        away.__exit__(None, None, None)
        assert is_held(store, IMAGE, ARCHIVE)


def test_the_images_that_are_held_are_listed(store: ObjectStore, monkeypatch: pytest.MonkeyPatch):
    store.put(f"journal/{OTHER}/{ARCHIVE}/{'0' * 64}.json", b"a claim")
    store.put("journal/junk.fit", b"")
    now = time.time()
    with Leases(store) as held:
        assert held.take(IMAGE, ARCHIVE)
        assert held.take(OTHER, "f" * 64)
        assert held_images(store, ARCHIVE) == {IMAGE}
        for later, found in ((2, {IMAGE}), (4, set())):
            monkeypatch.setattr(leases.time, "time", lambda later=later: now + later * leases.SLOT_SECONDS)
            assert held_images(store, ARCHIVE) == found


def test_signs_of_life_are_given_while_the_work_goes_on_whatever_a_store_says(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(leases, "SIGN_SECONDS", 0.01)
    given, third = list[float](), threading.Event()

    def give() -> None:
        given.append(time.monotonic())
        if len(given) == 3:
            third.set()
        raise StorageError("full")

    with leases.signs_of_life(give):
        assert third.wait(60)
    n_given = len(given)
    time.sleep(0.05)
    assert len(given) == n_given

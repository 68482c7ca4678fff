"""Leases: a run says which images it is fitting, so that no other run fits them at the same time.

Time is cut into slots. Who fits an image has created the key of the slot that it is and of the next one,
which of several writers one can do, and creates further ones as time goes on. A run that was killed holds its
images until its slots are over, or until a run on the same host sees that its process is gone. A run whose
work on its images has said nothing for `QUIET_SECONDS` hangs, and renews no slot: nobody waits longer.
Two runs that fit one image nevertheless, as where clocks differ by a slot, do no harm: the first to store its
file wins.

What a run leaves in the store for longer than an image takes, its batches and the claims of images whose rows
wait for their part, is younger than `SIGN_SECONDS` as long as the run lives, by `signs_of_life`.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from types import TracebackType

from tasks.errors import StorageError
from tasks.plan.claims import FOLDER, folder_of
from tasks.store.objects import ObjectStore, patient

SLOT_SECONDS = 120.0
QUIET_SECONDS = 3600.0  # between two words of a fit: the largest images have minutes between their reports
SIGN_SECONDS = 6 * 3600.0  # days pass before what shows no sign of life is taken to be of a run that is gone
SUFFIX = ".fit"
MAX_BYTES = 1 << 12


class Leases:
    """The images that a process is about to fit, or fits; held until the body is left.

    Args:
        store: The archive.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store, self._held = store, dict[str, list[int]]()  # folder of an image → its slots
        self._lock, self._over = threading.Lock(), threading.Event()
        self._heard = time.monotonic()

    def __enter__(self) -> "Leases":
        threading.Thread(target=self._renew, name="leases", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with self._lock, suppress(StorageError), patient(0):  # the slots end by themselves
            for folder, slots in self._held.items():
                self._release(folder, slots)

    def take(self, image_digest: str, archive_digest: str) -> bool:
        """Begin to hold an image under a config; False if another run holds it.

        Raises:
            StorageError: The store takes no slot, or not the second one; then the first is given back.
        """
        folder, slots, now = folder_of(image_digest, archive_digest), list[int](), _slot()
        try:
            for slot in (now, now + 1):
                if not self._created(_key(folder, slot)):
                    self._release(folder, slots)
                    return False
                slots.append(slot)
        except StorageError:
            with suppress(StorageError), patient(0):
                self._release(folder, slots)
            raise
        with self._lock:
            self._held[folder] = slots
        return True

    def hear(self) -> None:
        """Take it as said that the work on the images goes on."""
        self._heard = time.monotonic()

    def _created(self, key: str) -> bool:
        if self._store.put(key, _holder()):
            return True
        if not _is_abandoned(self._store, key):
            return False
        self._store.delete(key)
        return self._store.put(key, _holder())

    def _renew(self) -> None:
        while not self._over.wait(SLOT_SECONDS / 4):
            if time.monotonic() - self._heard > QUIET_SECONDS:
                continue
            with suppress(StorageError), self._lock:
                for folder, slots in self._held.items():
                    if not self._over.is_set():
                        self._hold_on(folder, slots)

    def _hold_on(self, folder: str, slots: list[int]) -> None:
        """Create what is not there of the slots of now and of next, unless another run has that of now."""
        now = _slot()
        for slot in (now, now + 1):
            if slot not in slots:
                if not self._store.put(_key(folder, slot), _holder()):
                    return
                slots.append(slot)

    def _release(self, folder: str, slots: list[int]) -> None:
        for slot in slots:
            self._store.delete(_key(folder, slot))


@contextmanager
def signs_of_life(give: Callable[[], object]) -> Iterator[None]:
    """While the body runs, give a sign of life every `SIGN_SECONDS`; a store may take none."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(SIGN_SECONDS):
            with suppress(StorageError), patient(0):
                give()

    thread = threading.Thread(target=go_on, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(1.0)  # a store that hangs is not waited for: one sign too many means nothing


def is_held(store: ObjectStore, image_digest: str, archive_digest: str) -> bool:
    """True if a run fits an image under a config, as far as the store knows."""
    folder, now = folder_of(image_digest, archive_digest), _slot()
    keys = {_key(folder, now), _key(folder, now + 1)} & {found.key for found in store.objects(folder)}
    return any(not _is_abandoned(store, key) for key in keys)


def held_images(store: ObjectStore, archive_digest: str) -> set[str]:
    """The digests of the images that any run fits under a config, as far as their slots tell.

    A slot more on either side counts: the clocks of hosts differ, and who asks looks for signs of life.
    """
    now, found = _slot(), set[str]()
    for key in (each.key for each in store.objects(FOLDER)):
        _, image, archive, name = key.split("/") if key.count("/") == 3 else ("",) * 4
        slot = name.removesuffix(SUFFIX)
        if archive == archive_digest and slot.isdigit() and name.endswith(SUFFIX):
            found |= {image} if now - 1 <= int(slot) <= now + 2 else set()
    return found


def is_over(key: str) -> bool:
    """True if a key is that of a lease whose slot is over, so that it means nothing any more."""
    slot = PurePosixPath(key).stem
    return key.endswith(SUFFIX) and slot.isdecimal() and int(slot) < _slot()


def _slot() -> int:
    return int(time.time() // SLOT_SECONDS)


def _key(folder: str, slot: int) -> str:
    return f"{folder}/{slot}{SUFFIX}"


def _holder() -> bytes:
    """This process, as another one on the same host knows it."""
    return json.dumps({"host": _host(), "pid": os.getpid(), "started": _started(os.getpid())}).encode()


def _is_abandoned(store: ObjectStore, key: str) -> bool:
    """True if the holder of a slot ran on this host, and is gone; where that cannot be known, False."""
    try:
        found = json.loads(store.get(key, max_bytes=MAX_BYTES))
        is_here = found["host"] is not None and found["host"] == _host()
        return is_here and found["started"] != _started(int(found["pid"]))
    except (StorageError, ValueError, KeyError, TypeError):
        return False


def _host() -> str | None:
    """The boot of this host, and the part of its processes that this one sees; None without /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When a process began, in ticks since the boot; None if there is none, or it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]

"""The promises that an archive rests on, tried at a store: what it writes for that, it deletes again.

Above all a key is created once. A server that takes a second write of a key, as some do that speak most of
S3, lets two workers overwrite each other, and nobody would see it.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from tasks.errors import ObjectMissing, StorageError
from tasks.store.folder import LocalStore
from tasks.store.objects import MAX_BITSTREAM_BYTES, ObjectStore

N_WRITERS = 8
FIRST, SECOND = b"first", b"second"


@dataclass(frozen=True)
class Promise:
    """A promise, and whether it is kept.

    Attributes:
        text: What is promised, as a sentence.
        problem: What was found instead; empty where it is kept.
        is_tried: False where it was not tried, since one that it rests on is not kept.
    """

    text: str
    problem: str = ""
    is_tried: bool = True

    @property
    def is_kept(self) -> bool:
        """True if it was tried, and nothing else was found."""
        return self.is_tried and not self.problem


def tried(store: ObjectStore) -> Iterator[Promise]:
    """Try each promise of a store in turn; where one is not kept, those after it are not tried.

    It writes keys of its own below ``check-…``, and deletes them.
    """
    trial = _Trial(store, f"check-{uuid.uuid4().hex}")
    is_kept = True
    try:
        for text, problem_of in _promises(trial):
            promise = Promise(text, _named(problem_of) if is_kept else "", is_tried=is_kept)
            is_kept = is_kept and promise.is_kept
            yield promise
    finally:
        trial.remove()


def require_promises(store: ObjectStore) -> None:
    """Try the promises of a store before anything rests on them.

    Raises:
        StorageError: One is not kept; says which, and what was found.
    """
    for promise in tried(store):
        if not promise.is_kept:
            raise StorageError(f"{store.url}: expected that {promise.text}, found: {promise.problem}")


def room(store: ObjectStore) -> Iterator[Promise]:
    """Look whether the disk of a folder has room; of S3 nobody knows."""
    if isinstance(store, LocalStore):
        text = f"there is room for the largest file, {MAX_BITSTREAM_BYTES >> 20} MiB"
        yield Promise(text, _no_room(store))


def _promises(trial: "_Trial") -> Iterator[tuple[str, Callable[[], str]]]:
    """Each promise, and a function that returns what was found instead."""
    yield "a key can be written, and its bytes come back", trial.write
    yield "a second write of a key is refused, and changes nothing", trial.write_again
    yield f"of {N_WRITERS} writers of a key at once, one wins", trial.race
    yield "a listing names what was written, with its size", trial.list
    yield "what is deleted is gone", trial.delete


def _named(body: Callable[[], str]) -> str:
    """What the body found, or the error that ended it."""
    try:
        return body()
    except StorageError as error:
        return str(error)


def _no_room(store: LocalStore) -> str:
    try:
        found = os.statvfs(store.root)
    except OSError as error:
        return f"{store.url}: {error.strerror}"
    free = found.f_bavail * found.f_frsize
    if free < MAX_BITSTREAM_BYTES:
        return f"{free >> 20} MiB"
    return "room, but no more names of files (inodes)" if found.f_files and not found.f_favail else ""


@dataclass(frozen=True)
class _Trial:
    """Keys of our own in a store; each step returns what was found instead of what is promised."""

    store: ObjectStore
    folder: str
    written: set[str] = field(default_factory=set)

    @property
    def _key(self) -> str:
        return f"{self.folder}/one"

    @property
    def _raced(self) -> str:
        return f"{self.folder}/raced"

    def write(self) -> str:
        if not self.store.put(self._key, FIRST):
            return "it was refused, as if the key were there"
        self.written.add(self._key)
        return self._unless_it_holds(self._key, FIRST)

    def write_again(self) -> str:
        if self.store.put(self._key, SECOND):
            return "it was taken: two workers would overwrite each other's files (If-None-Match: * in S3)"
        return self._unless_it_holds(self._key, FIRST)

    def race(self) -> str:
        self.written.add(self._raced)
        bodies = [f"{n}".encode() for n in range(N_WRITERS)]
        with ThreadPoolExecutor(N_WRITERS) as threads:
            won = list(threads.map(lambda body: self.store.put(self._raced, body), bodies))
        winners = [body for body, has_won in zip(bodies, won, strict=True) if has_won]
        if len(winners) != 1:
            return f"{len(winners)} were told that they had won"
        return self._unless_it_holds(self._raced, winners[0])

    def list(self) -> str:
        expected = [(self._key, len(FIRST)), (self._raced, 1)]
        found = [(each.key, each.n_bytes) for each in self.store.objects(self.folder)]
        return "" if found == expected else f"{found}"

    def delete(self) -> str:
        for key in sorted(self.written):
            self.store.delete(key)
        self.written.clear()
        with suppress(ObjectMissing):
            self.store.get(self._key, max_bytes=len(FIRST))
            return "it can be read"
        found = self.store.objects(self.folder)
        return f"it is listed: {found}" if found else ""

    def remove(self) -> None:
        """Delete what is left, as far as that can be done."""
        with suppress(StorageError):  # one that does not answer is not asked again for each
            for key in sorted(self.written):
                self.store.delete(key)
        if isinstance(self.store, LocalStore):
            with suppress(OSError):  # it was never made
                self.store.path(self.folder).rmdir()

    def _unless_it_holds(self, key: str, expected: bytes) -> str:
        found = self.store.get(key, max_bytes=1 << 10)
        return "" if found == expected else f"{found[:20]!r} came back, and not {expected!r}"

"""The store of an archive: bytes under keys.

A key is created once and never overwritten: `put` says whether it was the one that created it. An
object is visible whole or not at all. `tasks.store.folder` keeps objects in a folder, `tasks.store.s3` in a
bucket; `tasks.store.locations` opens either by its URL.
"""

import functools
import itertools
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec, Protocol, TypeVar

from tasks.errors import ChecksumFailed, StorageError, StorageUnavailable

P = ParamSpec("P")
T = TypeVar("T")

MAX_BITSTREAM_BYTES = 1 << 29  # of one stored image; also where it is stored without loss
ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 15.0
USUAL_SECONDS = 40.0  # that so many attempts take; slower ones are fewer
SECONDS_BETWEEN_LINES = 60.0
KEY = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*")

log = logging.getLogger("tasks.store")
_patience: ContextVar[float] = ContextVar("patience", default=0.0)
_telling = threading.Lock()
_told_at: float | None = None


@dataclass(frozen=True)
class StoredObject:
    """One line of a listing: the key, the object's size in bytes, and when it was stored, in UTC."""

    key: str
    n_bytes: int
    stored_at: datetime


class ObjectStore(Protocol):
    """Bytes under keys. Keys are relative paths of ``A-Z a-z 0-9 . _ -`` with no leading dot."""

    @property
    def url(self) -> str:
        """The URL by which `tasks.store.locations.open_store` finds this store again."""

    def put(self, key: str, data: bytes) -> bool:
        """Create an object, durably. Returns False, changing nothing, if the key is taken."""

    def get(self, key: str, *, max_bytes: int) -> bytes:
        """The object's bytes. Raises `ObjectMissing`, or `StorageError` if it is larger than `max_bytes`."""

    def objects(self, prefix: str) -> list[StoredObject]:
        """All objects whose key starts with ``prefix/``, sorted by key; other names there are left out."""

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens if there is none."""

    def clean(self) -> int:
        """Remove what dead writers left behind; returns the number of pieces."""


def put_anew(store: ObjectStore, key: str, data: bytes) -> None:
    """Write what can be made again at any time, as reports are, in place of what is there."""
    store.delete(key)
    store.put(key, data)


def is_key(name: str) -> bool:
    """Return whether a name is a key; a system that shares the folder or bucket may put other names there."""
    return KEY.fullmatch(name) is not None


def checked_key(key: str) -> str:
    """The key.

    Raises:
        StorageError: It is not one.
    """
    if not is_key(key):
        raise StorageError(f"key: expected a relative path of plain names, found {key!r}")
    return key


@contextmanager
def patient(seconds: float) -> Iterator[None]:
    """While the body runs, wait so many seconds for a store that does not answer, and not only `ATTEMPTS`."""
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)


def retried(operation: Callable[P, T]) -> Callable[P, T]:
    """Repeat an operation on `StorageUnavailable`: `ATTEMPTS` times, and further where `patient` says so.

    Nobody is patient with an object that fails its checksum, since the store itself answers.

    No attempt begins later than `USUAL_SECONDS`, or the seconds of `patient`, after the first one. Pauses
    grow threefold from `FIRST_PAUSE_SECONDS` on, each by a random factor from 0.5 to 1.5, so that workers
    that were refused together do not come back together. A line says at the first of them for how long
    the store is asked again; many operations that meet one outage say it once a minute.
    """

    @functools.wraps(operation)
    def attempt(*args: P.args, **kwargs: P.kwargs) -> T:
        began = time.monotonic()
        for n in itertools.count():
            try:
                return operation(*args, **kwargs)
            except StorageUnavailable as error:
                spent, patience = time.monotonic() - began, _patience_with(error)
                if spent >= patience and (spent >= USUAL_SECONDS or n + 1 >= ATTEMPTS):
                    raise
                _tell(error)
            pause = min(FIRST_PAUSE_SECONDS * 3 ** min(n, ATTEMPTS), LONGEST_PAUSE_SECONDS)
            time.sleep(min(pause * random.uniform(0.5, 1.5), max(USUAL_SECONDS, patience) - spent))
        raise AssertionError("unreachable")  # for mypy: counting does not end

    return attempt


def _patience_with(error: StorageUnavailable) -> float:
    return 0.0 if isinstance(error, ChecksumFailed) else _patience.get()


def _tell(error: StorageUnavailable) -> None:
    """Say that the store is asked again, and for how long."""
    global _told_at
    with _telling:
        now = time.monotonic()
        if _told_at is not None and now - _told_at < SECONDS_BETWEEN_LINES:
            return
        _told_at = now
    seconds = _patience_with(error)
    bound = f"{seconds:g} s" if seconds > USUAL_SECONDS else f"about {USUAL_SECONDS:g} s"
    log.warning("the store does not answer, and is asked again for %s: %s", bound, error)

"""Where objects live: a small protocol, and a local folder that keeps it.

A key is created once and never overwritten: `put` says whether it was the one that created it. An
object is visible whole or not at all. In a folder that is a file under ``.tmp``, written, synced,
then linked to its name; the link is what fails when the name is taken. A writer holds a lock on its
temporary file, so what a killed one left behind is known by its lock being free.
"""

import contextlib
import errno
import fcntl
import functools
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ParamSpec, Protocol, TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

from inr.errors import ConfigError
from tasks.errors import ObjectMissing, StorageError, StorageUnavailable

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.1
TRANSIENT = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENETDOWN}
)
KEY = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*")
TEMPORARY = ".tmp"


@dataclass(frozen=True)
class StoredObject:
    """One line of a listing: the key, and the object's size in bytes."""

    key: str
    n_bytes: int


class ObjectStore(Protocol):
    """Bytes under keys. Keys are relative paths of ``A-Z a-z 0-9 . _ -`` with no leading dot."""

    @property
    def url(self) -> str:
        """How `open_store` finds this store again."""

    def put(self, key: str, data: bytes) -> bool:
        """Create an object, durably. Returns False, changing nothing, if the key is taken."""

    def get(self, key: str, *, max_bytes: int) -> bytes:
        """The object's bytes. Raises `ObjectMissing`, or `StorageError` if it is larger than `max_bytes`."""

    def objects(self, prefix: str) -> list[StoredObject]:
        """All objects whose key starts with ``prefix/``, sorted by key."""

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens if there is none."""

    def clean(self) -> int:
        """Remove what dead writers left behind; returns how many pieces that were."""


def retried(operation: Callable[P, T]) -> Callable[P, T]:
    """Repeat an operation on `StorageUnavailable`, at most `ATTEMPTS` times, with growing pauses."""

    @functools.wraps(operation)
    def attempt(*args: P.args, **kwargs: P.kwargs) -> T:
        for n in range(ATTEMPTS - 1):
            try:
                return operation(*args, **kwargs)
            except StorageUnavailable:
                time.sleep(FIRST_PAUSE_SECONDS * 4**n)
        return operation(*args, **kwargs)

    return attempt


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """Turn an `OSError` into the error of this module that says whether to try again."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(f"{what}: there is no such object") from error
    except OSError as error:
        kind = StorageUnavailable if error.errno in TRANSIENT else StorageError
        raise kind(f"{what}: {error.strerror or error}") from error


class LocalStore:
    """An `ObjectStore` in a folder of a file system that has hard links."""

    def __init__(self, root: Path) -> None:
        """Take a folder, which need not exist yet."""
        self.root = root.absolute()

    @property
    def url(self) -> str:
        """The folder's path, or its URI where the path is not Unicode text."""
        try:
            str(self.root).encode()
        except UnicodeEncodeError:
            return self.root.as_uri()
        return str(self.root)

    def path(self, key: str) -> Path:
        """The file of a key."""
        if not KEY.fullmatch(key):
            raise StorageError(f"key: expected a relative path of plain names, found {key!r}")
        return self.root / key

    @retried
    def put(self, key: str, data: bytes) -> bool:
        """See `ObjectStore.put`."""
        path = self.path(key)
        with _named(f"write {key} to {self.url}"):
            if path.exists():
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._temporary(data) as temporary:
                try:
                    os.link(temporary, path)
                except FileExistsError:
                    return False
            _sync_folder(path.parent)
        return True

    @retried
    def get(self, key: str, *, max_bytes: int) -> bytes:
        """See `ObjectStore.get`."""
        with _named(f"read {key} from {self.url}"), self.path(key).open("rb") as file:
            data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise StorageError(f"read {key} from {self.url}: expected at most {max_bytes} bytes, found more")
        return data

    @retried
    def objects(self, prefix: str) -> list[StoredObject]:
        """See `ObjectStore.objects`."""
        with _named(f"list {prefix} in {self.url}"):
            return sorted(self._walk(self.path(prefix)), key=lambda found: found.key)

    @retried
    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        with _named(f"delete {key} from {self.url}"):
            self.path(key).unlink(missing_ok=True)

    @retried
    def clean(self) -> int:
        """See `ObjectStore.clean`."""
        folder = self.root / TEMPORARY
        with _named(f"clean {self.url}"):
            if not folder.is_dir():
                return 0
            return sum(_remove_if_abandoned(path) for path in sorted(folder.iterdir()))

    def _walk(self, folder: Path) -> Iterator[StoredObject]:
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                key = Path(entry.path).relative_to(self.root).as_posix()
                yield StoredObject(key, entry.stat(follow_symlinks=False).st_size)

    @contextlib.contextmanager
    def _temporary(self, data: bytes) -> Iterator[Path]:
        folder = self.root / TEMPORARY
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / uuid.uuid4().hex
        with path.open("xb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not path.exists():  # a cleaner came between the two lines above
                    raise StorageUnavailable(f"write to {self.url}: the temporary file was cleaned away")
                _write_through(file, data)
                yield path
            finally:
                path.unlink(missing_ok=True)


def open_store(url: str) -> ObjectStore:
    """The store at a folder's path or ``file:`` URI.

    Raises:
        ConfigError: The URL has another scheme, or there is something else than a folder.
    """
    store = LocalStore(local_path(url))
    if store.root.exists() and not store.root.is_dir():
        raise ConfigError(f"store: expected a folder, found a file at {store.url}")
    return store


def local_path(url: str) -> Path:
    """The path that a path or a ``file:`` URI names.

    Raises:
        ConfigError: It is empty, or a URI with another scheme.
    """
    if url.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(urlsplit(url).path)))
    if not url or re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        raise ConfigError(f"location: expected a path or a file:// URI, found {url!r}")
    return Path(url)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file that appears whole, replacing one that was there.

    Raises:
        StorageError: It could not be written; the former file is still there.
    """
    temporary = path.with_name(f".inr-{uuid.uuid4().hex}.tmp")
    with _named(f"write {path}"):
        try:
            with temporary.open("xb") as file:
                _write_through(file, data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _write_through(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a new name durable: a file's own sync does not cover the folder that names it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_abandoned(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except (BlockingIOError, FileNotFoundError):  # its writer lives, or just finished
        return False
    return True

"""An archive in a folder of a file system that has hard links.

An object is a file: written under ``.tmp``, synced, then linked to its name; the link is what fails
when the name is taken. A writer holds a lock on its temporary file, so what a killed one left behind
is known by its lock being free.
"""

import contextlib
import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from inr.errors import ConfigError
from tasks.errors import ChecksumFailed, ObjectTooLarge, StorageError, StorageUnavailable
from tasks.store.files import NO_LINKS, about_a_file, read_up_to, sync_folder, write_through
from tasks.store.objects import StoredObject, checked_key, is_key, retried

TEMPORARY = ".tmp"


class LocalStore:
    """An `ObjectStore` in a folder.

    Args:
        root: The folder, which need not exist yet.

    Raises:
        ConfigError: There is something else than a folder.
        StorageError: The folders above it may not be searched.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        with about_a_file(f"open {self.url}"):
            is_something_else = self.root.exists() and not self.root.is_dir()
        if is_something_else:
            raise ConfigError(f"store: expected a folder, found a file at {self.url}")

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
        return self.root / checked_key(key)

    @retried
    def put(self, key: str, data: bytes) -> bool:
        """See `ObjectStore.put`."""
        path = self.path(key)
        with about_a_file(f"write {key} to {self.url}"):
            if path.exists():
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._temporary(data) as temporary:
                try:
                    os.link(temporary, path)
                except FileExistsError:
                    return False
                except OSError as error:
                    if error.errno not in NO_LINKS:
                        raise
                    reason = "a store needs a disk with hard links, which this one refuses"
                    raise StorageError(f"write {key} to {self.url}: {reason}: {error.strerror}") from error
            sync_folder(path.parent)
        return True

    @retried
    def get(self, key: str, *, max_bytes: int) -> bytes:
        """See `ObjectStore.get`.

        Raises:
            ChecksumFailed: The disk cannot read this file, as where a sector is bad, and takes another one.
        """
        try:
            return self._read(key, max_bytes)
        except StorageUnavailable as error:
            if not (_is_unreadable(error) and self._takes_a_file()):
                raise
        try:
            return self._read(key, max_bytes)  # the disk may have been away, and be back by now
        except StorageUnavailable as error:
            if not _is_unreadable(error):
                raise
            raise ChecksumFailed(f"{error}; the disk takes other files") from error

    def _read(self, key: str, max_bytes: int) -> bytes:
        with about_a_file(f"read {key} from {self.url}"), self.path(key).open("rb") as file:
            data = read_up_to(file, max_bytes)
        if len(data) > max_bytes:
            expected = f"expected at most {max_bytes} bytes"
            raise ObjectTooLarge(f"read {key} from {self.url}: {expected}, found more")
        return data

    @retried
    def objects(self, prefix: str) -> list[StoredObject]:
        """See `ObjectStore.objects`."""
        with about_a_file(f"list {prefix} in {self.url}"):
            return sorted(self._walk(self.path(prefix)), key=lambda found: found.key)

    @retried
    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        with about_a_file(f"delete {key} from {self.url}"):
            self.path(key).unlink(missing_ok=True)

    @retried
    def clean(self) -> int:
        """See `ObjectStore.clean`."""
        folder = self.root / TEMPORARY
        with about_a_file(f"clean {self.url}"):
            if not folder.is_dir():
                return 0
            return sum(_remove_if_abandoned(path) for path in sorted(folder.iterdir()))

    def _walk(self, folder: Path) -> Iterator[StoredObject]:
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return
        for entry in entries:
            if not is_key(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                key = Path(entry.path).relative_to(self.root).as_posix()
                with contextlib.suppress(FileNotFoundError):  # deleted since the folder was read
                    status = entry.stat(follow_symlinks=False)
                    yield StoredObject(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def _takes_a_file(self) -> bool:
        """True if the disk takes bytes now; to read others proves nothing, which may be in memory."""
        with contextlib.suppress(OSError, StorageError), self._temporary(b"is it there?"):
            return True
        return False

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
                write_through(file, data)
                yield path
            finally:
                path.unlink(missing_ok=True)


def _is_unreadable(error: StorageUnavailable) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EIO


def _remove_if_abandoned(path: Path) -> bool:
    try:
        with path.open("r+b") as file:  # to be written: NFS gives no other one a lock of its own
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except (BlockingIOError, FileNotFoundError, PermissionError, IsADirectoryError):
        return False  # its writer lives, has just finished, or is another user; or it is a folder
    return True

"""Files are created whole and durable, or not at all; and the errors of the system get names.

A file is written beside its name, synced, and then linked or renamed to it. So a reader never sees a part
of one, and a writer that is killed leaves nothing under the name.
"""

import contextlib
import ctypes
import errno
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tasks.errors import ObjectMissing, StorageError, StorageUnavailable

TRANSIENT = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENETDOWN}
)

# What a link is refused with where the disk has no hard links, as FAT, exFAT and many shares have none.
NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS})
CHUNK_BYTES = 1 << 20
AT_FDCWD, RENAME_NOREPLACE = -100, 1  # of Linux


def create_file(path: Path, data: bytes) -> bool:
    """Write a file that appears whole, and the folders above it; False if that very file is there already.

    Raises:
        StorageError: It could not be written, or a different file is there.
    """
    with about_a_file(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not path.exists():
                with beside(path, data) as temporary:
                    _name(temporary, path)
                sync_folder(path.parent)
                return True
        except FileExistsError:  # made between the two lines
            pass
        is_read = path.is_file() or path.is_dir()  # the one raises, and to read a pipe would take for ever
        if not is_read or path.read_bytes() != data:
            reason = "a different file is there"
            raise StorageError(f"write {path}: {reason}") from FileExistsError(errno.EEXIST, reason)
    return False


def _name(temporary: Path, path: Path) -> None:
    """Give a whole file a name that nothing has; raises `FileExistsError` where something has it."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if not _renamed(temporary, path):
            _take(temporary, path)


def _renamed(temporary: Path, path: Path) -> bool:
    """Rename a file to a name that nothing has; False where the system or the disk cannot do that."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(temporary), os.fsencode(path)
    if rename(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_NOREPLACE) == 0:
        return True
    if (code := ctypes.get_errno()) in {errno.EINVAL, *NO_LINKS}:
        return False
    raise OSError(code, os.strerror(code))


def _take(temporary: Path, path: Path) -> None:
    """Take a name with an empty file, and put the whole one in its place; killed between, it stays empty."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        temporary.replace(path)
    except OSError:
        path.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def about_a_file(what: str) -> Iterator[None]:
    """Turn an `OSError` of the body into the error of this package that says whether to try again.

    Args:
        what: The beginning of the message: the action of the body, and the file.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(f"{what}: there is no such object") from error
    except OSError as error:
        kind = StorageUnavailable if error.errno in TRANSIENT else StorageError
        raise kind(f"{what}: {error.strerror or error}") from error


def read_up_to(file: BinaryIO, max_bytes: int) -> bytes:
    """The bytes of a file, or more than `max_bytes` of them; memory is taken for those that it has alone."""
    data = file.read(min(os.fstat(file.fileno()).st_size, max_bytes) + 1)
    while len(data) <= max_bytes and (chunk := file.read(CHUNK_BYTES)):  # it grows, or tells no size
        data += chunk
    return data


def write_through(file: BinaryIO, data: bytes) -> None:
    """Write the bytes of a file and wait until the disk has them."""
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a new name durable: a file's own sync does not cover the folder that names it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def beside(path: Path, data: bytes, former: os.stat_result | None = None) -> Iterator[Path]:
    """A file with the data in the folder of `path`, removed at the end if it still has that name.

    Args:
        path: The file that it is to become.
        data: Its bytes.
        former: The status of a file that it is to replace, whose mode it takes over and, where the system
            lets us, whose owner. Nobody else can read it before.
    """
    temporary = path.with_name(f".inr-{uuid.uuid4().hex}.tmp")
    mode = 0o666 if former is None else 0o600
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            if former is not None:
                with contextlib.suppress(PermissionError):
                    os.fchown(file.fileno(), former.st_uid, former.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(former.st_mode))
            write_through(file, data)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)

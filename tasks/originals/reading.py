"""The bytes of an original: whole, or only their digest, within limits. Originals are only ever read."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tasks.errors import ObjectMissing, ObjectTooLarge, SourceError, StorageError, UnsuitableFile
from tasks.originals.names import printable
from tasks.store.files import read_up_to
from tasks.store.locations import S3_SCHEME, local_path
from tasks.store.outputs import STANDARD

CHUNK = 1 << 20
LEADS_NOWHERE = frozenset({errno.ENOENT, errno.ELOOP, errno.ENXIO})  # a link, or a socket


def read_source(uri: str, *, max_bytes: int) -> bytes:
    """A file's bytes.

    Raises:
        SourceError: It cannot be read, is not a regular file, or is larger than `max_bytes`.
    """
    if uri.startswith(S3_SCHEME):
        from tasks.store import s3

        with _about_a_source():
            return s3.read_url(uri, max_bytes=max_bytes)
    with _opened(uri, max_bytes) as file:
        data = read_up_to(file, max_bytes)
    if len(data) > max_bytes:
        raise SourceError(f"expected at most {max_bytes} bytes, found a file that grows")
    return data


def read_named(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of what a user names: a file; standard input, as ``-``; or a pipe, which is waited for.

    Raises:
        SourceError: It cannot be read, is neither file nor stream, or has more than `max_bytes`.
    """
    if path != STANDARD and not _is_stream(path):
        return read_source(path.absolute().as_uri(), max_bytes=max_bytes)
    name = "standard input" if path == STANDARD else printable(str(path))
    data = bytearray()
    try:
        with _stream(path) as file:
            while len(data) <= max_bytes and (chunk := file.read(CHUNK)):
                data += chunk
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > max_bytes:
        raise SourceError(f"{name}: expected at most {max_bytes} bytes, found more")
    return bytes(data)


def _is_stream(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:  # reading it tells the reason
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _stream(path: Path) -> BinaryIO:
    return open(0, "rb", closefd=False) if path == STANDARD else path.open("rb")


def digest_source(uri: str, *, max_bytes: int) -> tuple[str, int]:
    """SHA-256 and size of a file, in a megabyte of memory. Raises as `read_source`."""
    if uri.startswith(S3_SCHEME):
        from tasks.store import s3

        with _about_a_source():
            return s3.digest_url(uri, max_bytes=max_bytes)
    digest, n_bytes = hashlib.sha256(), 0
    with _opened(uri, max_bytes) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            n_bytes += len(chunk)
    return digest.hexdigest(), n_bytes


@contextmanager
def _about_a_source() -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        is_its_own = isinstance(error, ObjectMissing | ObjectTooLarge)
        raise (UnsuitableFile if is_its_own else SourceError)(str(error)) from error


@contextmanager
def _opened(uri: str, max_bytes: int) -> Iterator[BinaryIO]:
    """Open a regular file within the limit. Non-blocking, or a named pipe would hold us forever."""
    try:
        descriptor = os.open(local_path(uri), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnsuitableFile("expected a regular file, found something else")
            if status.st_size > max_bytes:
                raise UnsuitableFile(f"expected at most {max_bytes} bytes, found {status.st_size}")
            yield file
    except OSError as error:
        reason = "it is a folder" if error.errno == errno.EISDIR else error.strerror
        kind = UnsuitableFile if error.errno in LEADS_NOWHERE else SourceError
        raise kind(f"{printable(local_path(uri).name)} cannot be read: {reason}") from error

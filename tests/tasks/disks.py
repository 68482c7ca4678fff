"""Folders on disks that are not as they should be."""

import errno
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from tasks.store import folder, objects
from tasks.store.files import about_a_file
from tasks.store.folder import LocalStore


class SmallDisk(LocalStore):
    """A folder on a disk that is full with so many files."""

    def __init__(self, root: Path, n_files: int) -> None:
        super().__init__(root)
        self.n_files = n_files

    def put(self, key: str, data: bytes) -> bool:
        """As a store does it, where there is room."""
        with about_a_file(f"write {key} to {self.url}"):
            if sum(path.is_file() for path in self.root.rglob("*")) >= self.n_files:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().put(key, data)


def spoil(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let a sector of a file be bad, until another file takes its name; and repeat nothing after a pause."""
    monkeypatch.setattr(objects, "FIRST_PAUSE_SECONDS", 0.0)
    bad, read = path.stat(), folder.read_up_to

    def reading(file: BinaryIO, max_bytes: int) -> bytes:
        found = os.fstat(file.fileno())
        if (found.st_ino, found.st_mtime_ns) == (bad.st_ino, bad.st_mtime_ns):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(file, max_bytes)

    monkeypatch.setattr(folder, "read_up_to", reading)

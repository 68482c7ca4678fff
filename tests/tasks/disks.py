"""Folders on disks that are not as they should be."""

import errno
import os
from pathlib import Path

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

import errno
import fcntl
import os
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path
from typing import BinaryIO, NoReturn

import pytest

from tasks.errors import ChecksumFailed, StorageError, StorageUnavailable
from tasks.store import folder as local_store
from tasks.store import objects
from tasks.store.folder import LocalStore
from tasks.store.locations import open_store
from tests.permissions import permissions_hold
from tests.tasks.disks import spoil


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def test_listing_leaves_out_links_and_temporary_files(store: LocalStore):
    store.put("a/1", b"x")
    (store.root / "a" / "loop").symlink_to(store.root)
    assert [found.key for found in store.objects("a")] == ["a/1"]


def test_listing_leaves_out_what_other_systems_put_beside_objects(store: LocalStore):
    """A desktop's notes, a share's forks and snapshots, what NFS keeps of an open file, a copy by hand."""
    store.put("a/b/1", b"x")
    for name in ("._1", ".nfs0001", ".snapshot/b/1", "@eaDir/1", "1 (copy)", os.fsdecode(b"caf\xe9")):
        for path in (store.root / "a" / name, store.root / "a" / "b" / name):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"not ours")
    assert [found.key for found in store.objects("a")] == ["a/b/1"]


def test_a_folder_that_another_system_put_among_temporary_files_stops_nobody(store: LocalStore):
    (store.root / ".tmp" / "@eaDir").mkdir(parents=True)
    (store.root / ".tmp" / "left").write_bytes(b"half")
    assert store.clean() == 1


def test_an_object_that_is_deleted_during_a_listing_is_left_out(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    """Two days are compacted at once, and each lists while the other deletes."""
    for key in ("a/1", "a/2", "a/3"):
        store.put(key, b"x")
    scan = os.scandir

    def slow_scan(folder: Path) -> list[os.DirEntry[str]]:
        found = list(scan(folder))
        (store.root / "a" / "2").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(local_store.os, "scandir", slow_scan)
    assert [found.key for found in store.objects("a")] == ["a/1", "a/3"]


def test_a_killed_writer_leaves_nothing_visible_and_is_cleaned_up_after(store: LocalStore):
    code = f"""
        import os, signal
        from pathlib import Path
        from tasks.store import folder as local_store
        local_store.os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        local_store.LocalStore(Path({str(store.root)!r})).put("a/key", b"half")
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, check=False).returncode == -9
    assert store.objects("a") == []
    assert len(list((store.root / ".tmp").iterdir())) == 1
    assert store.clean() == 1
    assert list((store.root / ".tmp").iterdir()) == []


def test_the_temporary_file_of_a_living_writer_is_left_alone(store: LocalStore):
    (store.root / ".tmp").mkdir(parents=True)
    path = store.root / ".tmp" / "busy"
    with path.open("xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert store.clean() == 0
        assert path.exists()
    assert store.clean() == 1


def test_a_disk_without_hard_links_is_refused_with_the_reason(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    def link(*_: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(local_store.os, "link", link)
    with pytest.raises(StorageError, match="needs a disk with hard links"):
        store.put("key", b"x")
    assert list((store.root / ".tmp").iterdir()) == []


def test_what_a_killed_writer_left_on_nfs_is_removed(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    """A kernel makes such a lock one of bytes there, and gives it to files that are open for writing."""

    def lock_of_nfs(file: BinaryIO, operation: int) -> None:
        mode = fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE
        if operation & fcntl.LOCK_EX and mode == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        fcntl.lockf(file, operation)

    monkeypatch.setattr(local_store.fcntl, "flock", lock_of_nfs)
    assert store.put("key", b"x")
    (store.root / ".tmp" / "left").write_bytes(b"half")
    assert store.clean() == 1
    assert list((store.root / ".tmp").iterdir()) == []


def test_what_another_user_left_stops_nobody(store: LocalStore):
    (store.root / ".tmp").mkdir(parents=True)
    (store.root / ".tmp" / "left").touch(mode=0o444)
    with permissions_hold():
        assert store.clean() == 0


def test_transient_errors_are_retried_and_others_are_not(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(objects, "FIRST_PAUSE_SECONDS", 0.0)
    link, failures = os.link, [errno.EIO, errno.ESTALE, errno.ENOSPC]

    def failing(*args: Path) -> None:
        if failures:
            code = failures.pop(0)
            raise OSError(code, os.strerror(code))
        link(*args)

    monkeypatch.setattr(local_store.os, "link", failing)
    with pytest.raises(StorageError, match="No space left"):
        store.put("key", b"1")
    failures += [errno.EIO] * (objects.ATTEMPTS - 1)
    assert store.put("key", b"1")
    failures += [errno.EIO] * objects.ATTEMPTS
    with pytest.raises(StorageUnavailable, match="write other"):
        store.put("other", b"1")


def test_a_file_that_the_disk_cannot_read_is_damaged_and_a_disk_that_is_gone_is_no_damage(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    store.put("key", b"1")
    store.put("other", b"2")
    spoil(monkeypatch, store.path("key"))
    with pytest.raises(ChecksumFailed, match=r"read key .*Input/output error; the disk takes other files"):
        store.get("key", max_bytes=1)
    assert store.get("other", max_bytes=1) == b"2"
    assert list((store.root / ".tmp").iterdir()) == []

    def away(file: BinaryIO, data: bytes) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(local_store, "write_through", away)
    with pytest.raises(StorageUnavailable) as caught:
        store.get("key", max_bytes=1)
    assert not isinstance(caught.value, ChecksumFailed)


def test_a_disk_that_is_back_gives_its_files(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    """It was away in the first attempt alone."""
    store.put("key", b"1")
    read, failures = local_store.read_up_to, [errno.EIO]

    def reading(file: BinaryIO, max_bytes: int) -> bytes:
        if failures:
            raise OSError(failures.pop(), "")
        return read(file, max_bytes)

    monkeypatch.setattr(local_store, "read_up_to", reading)
    assert store.get("key", max_bytes=1) == b"1"


def test_a_folder_that_may_not_be_searched_is_an_error_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pathlib.os.stat", closed)
    with pytest.raises(StorageError, match=r"open .*/closed/store: Permission denied"):
        LocalStore(tmp_path / "closed" / "store")


def closed(path: Path, **_: object) -> NoReturn:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def test_what_is_read_takes_memory_for_itself_and_not_for_its_limit(store: LocalStore):
    store.put("key", b"1")
    tracemalloc.start()
    assert store.get("key", max_bytes=1 << 30) == b"1"
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_a_store_whose_path_is_not_text_has_a_uri(tmp_path: Path):
    store = LocalStore(tmp_path / os.fsdecode(b"\xff"))
    store.put("key", b"1")
    assert store.url.isascii()
    assert open_store(store.url).get("key", max_bytes=1) == b"1"

import errno
import os
from pathlib import Path

import pytest

from tasks.errors import ObjectMissing, StorageError, StorageUnavailable
from tasks.store import files
from tasks.store.files import about_a_file, create_file, read_up_to


def test_a_file_is_created_with_its_folders_and_a_second_one_is_no_surprise(tmp_path: Path):
    path = tmp_path / "a" / "b" / "out"
    assert create_file(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert not create_file(path, b"whole")
    assert list(path.parent.iterdir()) == [path]


def test_a_different_file_of_the_name_is_never_replaced(tmp_path: Path):
    path = tmp_path / "out"
    path.write_bytes(b"mine")
    with pytest.raises(StorageError, match="out: a different file is there"):
        create_file(path, b"other")
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("found", [b"whole", b"other"])
def test_a_file_that_appears_while_another_is_written_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: bytes
):
    path = tmp_path / "out"
    link = os.link

    def late(source: Path, target: Path) -> None:
        target.write_bytes(found)
        link(source, target)

    monkeypatch.setattr(files.os, "link", late)
    if found == b"whole":
        assert not create_file(path, b"whole")
    else:
        with pytest.raises(StorageError, match="a different file"):
            create_file(path, b"whole")
    assert list(tmp_path.iterdir()) == [path]


def _without_links(*_: Path) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("can_rename", [True, False])
def test_a_disk_without_hard_links_takes_whole_files_and_replaces_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_rename: bool
):
    monkeypatch.setattr(files.os, "link", _without_links)
    if not can_rename:  # nor renames that replace nothing
        monkeypatch.setattr(files, "_renamed", lambda *_: False)
    path = tmp_path / "a" / "out"
    assert create_file(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert not create_file(path, b"whole")
    with pytest.raises(StorageError, match="a different file"):
        create_file(path, b"other")
    monkeypatch.setattr(Path, "exists", lambda *_: False)  # it appears while another is written
    with pytest.raises(StorageError, match="a different file"):
        create_file(path, b"other")
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_name_that_was_taken_in_vain_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files.os, "link", _without_links)
    monkeypatch.setattr(files, "_renamed", lambda *_: False)
    monkeypatch.setattr(Path, "replace", _without_links)
    with pytest.raises(StorageError, match="not permitted"):
        create_file(tmp_path / "out", b"whole")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("max_bytes", [0, 1, 2999, 3000, 1 << 30])
def test_a_file_is_read_up_to_a_limit_whatever_size_it_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_bytes: int
):
    (tmp_path / "a").write_bytes(bytes(3000))
    monkeypatch.setattr(files, "CHUNK_BYTES", 1000)
    for told in (3000, 0, 10):  # as of a pipe, or of a file that grows
        monkeypatch.setattr(
            files.os, "fstat", lambda _, told=told: os.stat_result([0] * 6 + [told] + [0] * 3)
        )
        with (tmp_path / "a").open("rb") as file:
            data = read_up_to(file, max_bytes)
        assert min(max_bytes + 1, 3000) <= len(data) <= 3000


def test_a_pipe_of_the_name_is_not_read(tmp_path: Path):
    os.mkfifo(tmp_path / "out")
    with pytest.raises(StorageError, match="out: a different file is there"):
        create_file(tmp_path / "out", b"whole")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.EIO, StorageUnavailable),
        (errno.ESTALE, StorageUnavailable),
        (errno.ENOSPC, StorageError),
        (errno.ENOENT, ObjectMissing),
    ],
)
def test_an_error_of_the_system_says_what_was_done_and_whether_to_try_again(
    code: int, kind: type[StorageError]
):
    with pytest.raises(StorageError, match="write a") as caught, about_a_file("write a"):
        raise OSError(code, os.strerror(code))
    assert type(caught.value) is kind

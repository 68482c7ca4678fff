"""An output goes where it was told, whatever has the name."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from inr.errors import ConfigError
from tasks.errors import StorageError
from tasks.store.outputs import STANDARD, check_output, is_standard_output, named_file, write_output

NULL, FULL = os.makedev(1, 3), os.makedev(1, 7)


def device(path: Path, number: int) -> Path:
    """A device of our own, never one of the machine's."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, number)
    except PermissionError:
        pytest.skip("only root makes devices")
    return path


def read_while(path: Path, write: Callable[[], object]) -> bytes:
    """What comes out of a pipe while `write` writes into it."""
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    reader.start()
    write()
    reader.join(timeout=30)
    return found[0]


def test_a_file_appears_whole_or_the_former_one_stays(tmp_path: Path):
    path = tmp_path / "out"
    write_output(path, b"old")
    write_output(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StorageError, match="write"):
        write_output(tmp_path / "nowhere" / "out", b"new")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path, mode: int):
    path = tmp_path / "out"
    path.touch()
    path.chmod(mode)
    write_output(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"


def test_a_file_that_root_replaces_keeps_its_owner(tmp_path: Path):
    path = tmp_path / "out"
    path.touch()
    try:
        os.chown(path, 12345, 23456)
    except PermissionError:
        pytest.skip("only root gives files away")
    write_output(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_a_new_file_has_the_mode_that_any_program_gives_it(tmp_path: Path):
    (tmp_path / "other").touch()
    write_output(tmp_path / "out", b"new")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("is_there", [True, False])
def test_links_stay_and_what_they_lead_to_is_written(tmp_path: Path, is_there: bool):
    (tmp_path / "far").mkdir()
    target, first, second = tmp_path / "far" / "out.png", tmp_path / "1.png", tmp_path / "2.png"
    if is_there:
        target.write_bytes(b"old")
    second.symlink_to("far/out.png")
    first.symlink_to(second)
    check_output(first, suffixes=[".png"])
    write_output(first, b"new")
    assert first.is_symlink()
    assert second.is_symlink()
    assert target.read_bytes() == b"new"
    assert list((tmp_path / "far").iterdir()) == [target]


def test_a_link_to_itself_stays_and_is_an_error(tmp_path: Path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "there").symlink_to("back")
    (tmp_path / "back").symlink_to("there")
    for name in ("loop", "there"):
        with pytest.raises(StorageError, match="symbolic links"):
            write_output(tmp_path / name, b"new")
    assert all(path.is_symlink() for path in tmp_path.iterdir())


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "none" / "out")
    with pytest.raises(ConfigError, match="expected an existing folder"):
        check_output(tmp_path / "link")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StorageError):
        write_output(tmp_path / "loop" / "out", b"")


@pytest.mark.parametrize("through_link", [True, False])
def test_a_pipe_is_written_through(tmp_path: Path, through_link: bool):
    pipe, data = tmp_path / "pipe", b"x" * 200_000
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    name = tmp_path / "link" if through_link else pipe
    check_output(name, suffixes=[".png"])
    assert read_while(pipe, lambda: write_output(name, data)) == data
    assert pipe.is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link"}


def test_a_device_is_written_through_and_stays(tmp_path: Path):
    null = device(tmp_path / "null", NULL)
    (tmp_path / "link").symlink_to(null)
    for name in (null, tmp_path / "link"):
        check_output(name, suffixes=[".png"])
        write_output(name, b"data")
    assert null.is_char_device()
    assert null.stat().st_rdev == NULL
    with pytest.raises(StorageError, match="full: No space left"):
        write_output(device(tmp_path / "full", FULL), b"data")


def test_a_file_without_a_name_is_written_by_its_descriptor(tmp_path: Path):
    with (tmp_path / "gone").open("w+b") as file:
        file.write(b"longer than what comes")
        file.flush()
        (tmp_path / "gone").unlink()
        write_output(Path(f"/proc/self/fd/{file.fileno()}"), b"new")
        file.seek(0)
        assert file.read() == b"new"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_standard_output_takes_the_bytes_after_what_was_printed(tmp_path: Path, name: str):
    out = tmp_path / "out"
    code = (
        "from pathlib import Path; from tasks.store.outputs import *; "
        f"print('before'); name = Path({name!r}); check_output(name, suffixes=['.png']); "
        "write_output(name, b'data')"
    )
    with out.open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True, cwd=Path(__file__).parents[3])
    assert out.read_bytes() == b"before\ndata"


def test_a_dash_is_a_standard_stream_and_a_file_of_that_name_has_a_folder():
    assert named_file("-") == STANDARD
    assert is_standard_output(named_file("-"))
    assert named_file("./-") == Path.cwd() / "-"
    assert not is_standard_output(named_file("./-"))
    assert named_file("a/b.png") == Path("a/b.png")


def test_an_output_may_replace_a_file_but_none_that_it_is_made_from(tmp_path: Path):
    photo, other, link = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "link.png"
    photo.write_bytes(b"photo")
    other.write_bytes(b"older")
    link.symlink_to(photo)
    check_output(other, photo)
    check_output(tmp_path / "new", photo)
    check_output(tmp_path / "new.PNG", photo, STANDARD, suffixes=[".png"])
    for output, suffix, found in (
        (photo, "", "a file of its own"),
        (link, "", "a file of its own"),
        (tmp_path, "", "a file of its own"),
        (tmp_path / "none" / "x", "", "an existing folder"),
        (tmp_path / "x.jpg", ".png", "a name ending in .png"),
    ):
        with pytest.raises(ConfigError, match=f"output: expected {found}, found "):
            check_output(output, other, photo, suffixes=[suffix] if suffix else [])

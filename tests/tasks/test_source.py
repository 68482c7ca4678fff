import hashlib
import os
from pathlib import Path

import pytest

from inr.errors import ConfigError
from tasks.errors import SourceError
from tasks.source import digest_source, list_source, printable, read_source


def paths(folder: Path) -> list[str]:
    return [file.path for file in list_source(str(folder)).files]


def test_a_folder_is_listed_at_any_depth_in_order(tmp_path: Path):
    for name in ("b.png", "a/z.JPG", "a/b/c.TiFF", "notes.txt", "README", "a/x.inr", ".hidden.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "logo.png").touch()
    assert paths(tmp_path) == ["a/b/c.TiFF", "a/z.JPG", "b.png"]
    assert list_source(str(tmp_path)).left_out == {".inr": 1, ".txt": 1, "no suffix": 1}


def test_one_file_can_be_a_source_whatever_its_suffix(tmp_path: Path):
    (tmp_path / "photo").write_bytes(b"x")
    listing = list_source(str(tmp_path / "photo"))
    assert [file.path for file in listing.files] == ["photo"]
    assert read_source(listing.files[0].uri, max_bytes=1) == b"x"


def test_a_source_that_is_not_there_is_a_config_error(tmp_path: Path):
    with pytest.raises(ConfigError, match="No such file"):
        list_source(str(tmp_path / "nowhere"))


def test_link_loops_end_and_links_to_files_are_followed(tmp_path: Path):
    (tmp_path / "real.png").write_bytes(b"x")
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "up").symlink_to(tmp_path)
    (tmp_path / "up.png").symlink_to(tmp_path)
    files = {file.path: file.uri for file in list_source(str(tmp_path)).files}
    assert sorted(files) == ["broken.png", "link.png", "real.png", "self.png"]
    assert read_source(files["link.png"], max_bytes=1) == b"x"
    for name in ("broken.png", "self.png"):
        with pytest.raises(SourceError, match="cannot be read"):
            read_source(files[name], max_bytes=1)


def test_any_name_can_be_listed_shown_and_read(tmp_path: Path):
    names = [b"a\nb.png", b"\xff\xfe.png", "späte Föhre 100%.png".encode(), b"a|b`.png", b"%0A.png"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    files = list_source(str(tmp_path)).files
    assert sorted(read_source(file.uri, max_bytes=100) for file in files) == sorted(names)
    assert all(file.uri.isascii() and file.path.isprintable() and file.path.encode() for file in files)
    assert {r"a\nb.png", r"\xff\xfe.png", "späte Föhre 100%.png"} < {file.path for file in files}


def test_a_named_pipe_does_not_hold_the_reader(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(SourceError, match="regular file"):
        read_source((tmp_path / "pipe.png").as_uri(), max_bytes=1)


def test_limits_hold_before_reading(tmp_path: Path):
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    for read in (read_source, digest_source):
        with pytest.raises(SourceError, match="at most 1000 bytes, found 1099511627776"):
            read(path.as_uri(), max_bytes=1000)


def test_digest_and_size(tmp_path: Path):
    data = b"x" * 3_000_000
    (tmp_path / "a.png").write_bytes(data)
    uri = (tmp_path / "a.png").as_uri()
    assert digest_source(uri, max_bytes=1 << 30) == (hashlib.sha256(data).hexdigest(), len(data))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_listed(tmp_path: Path):
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "secret.png").chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    assert paths(tmp_path) == ["closed", "secret.png"]
    (tmp_path / "closed").chmod(0o700)


def test_printable_escapes_what_a_terminal_would_obey():
    assert printable("\x1b[31m\u202egnp.exe") == r"\x1b[31m\u202egnp.exe"

import errno
import hashlib
import os
import uuid
from pathlib import Path

import pytest

from inr.errors import ConfigError
from tasks.errors import SourceError
from tasks.originals.listing import list_source
from tasks.originals.names import escaped, raw_name
from tasks.originals.patterns import Patterns
from tasks.originals.reading import digest_source, read_source
from tasks.store import s3_client
from tasks.store.s3 import S3Store, parse_url
from tests.permissions import permissions_hold
from tests.s3_server import Access


def paths(folder: Path) -> list[str]:
    return [file.path for file in list_source(str(folder)).files]


def test_a_folder_is_listed_at_any_depth_in_order(tmp_path: Path):
    for name in ("b.png", "a/z.JPG", "a/b/c.TiFF", "notes.txt", "README", "a/x.inr", ".hidden.png", "d.JXL"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "logo.png").touch()
    assert paths(tmp_path) == ["a/b/c.TiFF", "a/z.JPG", "b.png", "d.JXL"]
    assert list_source(str(tmp_path)).left_out == {".inr": 1, ".txt": 1, "no suffix": 1}


def test_patterns_choose_among_the_originals_by_their_names_as_they_are(tmp_path: Path):
    names = ("a\nb.png", "back\\slash.png", "späte Föhre.png", os.fsdecode(b"\xff.png"), "c.txt")
    for name in names:
        (tmp_path / name).touch()
    for name in names[:-1]:
        found = list_source(str(tmp_path), Patterns(include=(name,)))
        assert [raw_name(file.path) for file in found.files] == [os.fsencode(name)]
        assert (found.n_excluded, found.left_out) == (3, {".txt": 1})
    assert list_source(str(tmp_path), Patterns(exclude=("*",))).n_excluded == 4
    assert list_source(str(tmp_path / names[2]), Patterns(exclude=("*.png",))).n_excluded == 1


def test_patterns_choose_among_keys(s3_access: Access):
    store = S3Store(f"s3://archive/{uuid.uuid4().hex}")
    for name in ("2019/a.png", "2019/raw/a.png", "2020/a.png"):
        store.put(name, b"x")
    found = list_source(store.url, Patterns(include=("2019/**",), exclude=("raw/",)))
    assert ([file.path for file in found.files], found.n_excluded) == (["2019/a.png"], 2)


def test_one_file_can_be_a_source_whatever_its_suffix(tmp_path: Path):
    (tmp_path / "photo").write_bytes(b"x")
    listing = list_source(str(tmp_path / "photo"))
    assert [file.path for file in listing.files] == ["photo"]
    assert read_source(listing.files[0].uri, max_bytes=1) == b"x"
    assert (listing.is_one_file, list_source(str(tmp_path)).is_one_file) == (True, False)


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
    assert list_source(str(tmp_path)).left_out == {"links to folders": 2}
    (tmp_path / "up").unlink()
    assert list_source(str(tmp_path)).left_out == {"link to a folder": 1}
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
    assert sorted(raw_name(file.path) for file in files) == sorted(names)


def test_a_folder_that_may_not_be_read_is_left_out_by_exclude_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.png").touch()
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def refusing(folder: Path) -> object:
        if folder.name == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scan(folder)

    monkeypatch.setattr("tasks.originals.listing.os.scandir", refusing)
    for pattern in ("*.png", "open/", "2019/**"):
        listing = list_source(str(tmp_path), Patterns(include=(pattern,)))
        assert "closed" in [file.path for file in listing.files]
    for pattern in ("closed", "closed/", "closed/**", "*"):
        listing = list_source(str(tmp_path), Patterns(exclude=(pattern,)))
        assert "closed" not in [file.path for file in listing.files]
    listing = list_source(str(tmp_path), Patterns(exclude=("*.png", "closed/x")))
    assert [file.path for file in listing.files] == ["closed"]


def test_what_may_not_be_read_is_listed(tmp_path: Path):
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "secret.png").chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    with permissions_hold():
        assert paths(tmp_path) == ["closed", "secret.png"]
    (tmp_path / "closed").chmod(0o700)


@pytest.fixture
def bucket(s3_access: Access) -> S3Store:
    return S3Store(f"s3://archive/{uuid.uuid4().hex}")


def put(bucket: S3Store, name: str, data: bytes) -> None:
    place = parse_url(bucket.url)
    s3_client.client().put_object(Bucket=place.bucket, Key=place.key(name), Body=data)


def test_a_prefix_is_listed_and_read_like_a_folder(bucket: S3Store):
    names = [
        "a/z.JPG",
        "a/b/c.TiFF",
        "3.45\u202fPM.png",
        "a b/\u00e4 100%?#.png",
        "line\nfeed.png",
    ]
    for name in (*names, "notes.txt", ".hidden.png", ".git/logo.png", "folder.png/"):
        put(bucket, name, name.encode())
    listing = list_source(bucket.url)
    assert listing.left_out == {".txt": 1}
    assert sorted(file.path for file in listing.files) == sorted(escaped(name.encode()) for name in names)
    contents = [read_source(file.uri, max_bytes=100) for file in listing.files]
    assert sorted(contents) == sorted(name.encode() for name in names)
    assert all(file.uri.isascii() for file in listing.files)
    assert [digest_source(file.uri, max_bytes=100) for file in listing.files] == [
        (hashlib.sha256(content).hexdigest(), len(content)) for content in contents
    ]


def test_one_object_can_be_a_source_and_a_neighbour_of_its_name_is_not(bucket: S3Store):
    put(bucket, "photo", b"x")
    put(bucket, "photos/a.png", b"y")
    listing = list_source(f"{bucket.url}/photo")
    assert [(file.path, file.uri) for file in listing.files] == [("photo", f"{bucket.url}/photo")]
    assert [file.path for file in list_source(f"{bucket.url}/photos/").files] == ["a.png"]


def test_a_prefix_with_nothing_below_it_is_the_callers_error(bucket: S3Store):
    with pytest.raises(ConfigError, match="nothing there"):
        list_source(bucket.url)

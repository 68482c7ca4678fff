import os
from collections.abc import Callable
from pathlib import Path

import pytest

from inr.errors import ConfigError
from tasks.originals.listing import list_source
from tasks.store.folder import LocalStore
from tasks.store.locations import local_path, open_store, place_within
from tasks.store.s3 import S3Store

OTHER_FILES = (
    "file://mnt/archive",
    "file://me:hunter2@host/a",
    "file:///a?b",
    "file:///a#b",
    "file://",
    "file://[a/b",
)


def test_a_store_opens_from_path_and_uri_but_not_from_a_file(tmp_path: Path):
    assert open_store(str(tmp_path)).url == str(tmp_path)
    assert open_store((tmp_path / "a b").as_uri()).url == str(tmp_path / "a b")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="found a file"):
        open_store(str(tmp_path / "file"))


@pytest.mark.parametrize(
    "url",
    ["https://host/x", "", "ftp://host", "s3:///prefix", "s3://bucket/a?b=c", "s3://[b/a", *OTHER_FILES],
)
def test_other_urls_are_refused(url: str):
    with pytest.raises(ConfigError, match="location") as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("place", [open_store, list_source])
def test_the_address_of_a_server_is_no_place_and_the_error_says_where_it_goes(
    place: Callable[[str], object],
):
    expected = r"location: expected a path, a file:// URI or s3://bucket/prefix, found "
    hint = "; AWS_ENDPOINT_URL has the address of an S3 server"
    for url in ("http://127.0.0.1:9000/bucket/store", "https://host/bucket"):
        with pytest.raises(ConfigError) as error:
            place(url)
        assert str(error.value) == f"{expected}{url!r}{hint}"
    for url in ("https://key:secret@host/bucket", "https://host/bucket?X-Amz-Signature=secret"):
        with pytest.raises(ConfigError) as error:
            place(url)
        assert str(error.value) == f"{expected}https://…{hint}"


def test_the_scheme_says_which_kind_of_store_it_is(tmp_path: Path):
    assert isinstance(open_store("s3://bucket/prefix"), S3Store)
    assert isinstance(open_store(str(tmp_path)), LocalStore)


@pytest.mark.parametrize(
    ("store", "source", "found"),
    [
        ("s3://bucket/photos/store", "s3://bucket/photos/", "s3://bucket/photos/store"),
        ("s3://bucket/store", "s3://bucket/photos", None),
        ("s3://bucket/store", "photos", None),
        ("photos/store", "s3://bucket/photos", None),
        ("/photos/a store", "file:///photos", "file:///photos/a%20store"),
        ("/photos", "/photos", "file:///photos"),
        ("/photos/../store", "/photos", None),
        ("/", "/photos", None),
    ],
)
def test_a_store_may_lie_within_a_source(store: str, source: str, found: str | None):
    assert place_within(store, source) == found


def test_a_uri_names_the_path_that_it_was_made_of():
    for name in ("/a b/ä 100%?#", os.fsdecode(b"/\xff\xfe"), "/plain"):
        assert local_path(Path(name).as_uri()) == Path(name)
    assert local_path("relative/path") == Path("relative/path")
    assert local_path("file://localhost/a") == Path("/a")

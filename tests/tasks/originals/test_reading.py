import contextlib
import hashlib
import os
import threading
import tracemalloc
import uuid
from pathlib import Path

import pytest

from tasks.errors import SourceError, UnsuitableFile
from tasks.originals.reading import digest_source, read_named, read_source
from tasks.store.s3 import S3Store
from tests.opens import counting_opens
from tests.s3_server import Access


@pytest.fixture
def bucket(s3_access: Access) -> S3Store:
    return S3Store(f"s3://archive/{uuid.uuid4().hex}")


def test_a_named_pipe_does_not_hold_the_reader(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnsuitableFile, match="regular file"):
        read_source((tmp_path / "pipe.png").as_uri(), max_bytes=1)


def test_limits_hold_before_reading(tmp_path: Path):
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    for read in (read_source, digest_source):
        with pytest.raises(UnsuitableFile, match="at most 1000 bytes, found 1099511627776"):
            read(path.as_uri(), max_bytes=1000)


def test_digest_and_size(tmp_path: Path):
    data = b"x" * 3_000_000
    (tmp_path / "a.png").write_bytes(data)
    uri = (tmp_path / "a.png").as_uri()
    assert digest_source(uri, max_bytes=1 << 30) == (hashlib.sha256(data).hexdigest(), len(data))


def test_what_cannot_be_had_from_s3_has_a_name(bucket: S3Store):
    bucket.put("a.png", b"12345")
    for read in (read_source, digest_source):
        with pytest.raises(UnsuitableFile, match=r"a\.png.*at most 4 bytes, found 5"):
            read(f"{bucket.url}/a.png", max_bytes=4)
        with pytest.raises(UnsuitableFile, match="no such object"):
            read(f"{bucket.url}/b.png", max_bytes=4)
        with pytest.raises(SourceError, match="no such bucket") as refused:
            read("s3://archives/b.png", max_bytes=4)
        assert not isinstance(refused.value, UnsuitableFile)  # the bucket's fault, not the file's


def test_a_file_is_read_whole_up_to_its_limit(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(b"12345")
    assert read_source(path.as_uri(), max_bytes=5) == b"12345"
    for read in (read_source, digest_source):
        with pytest.raises(SourceError, match="expected at most 4 bytes, found 5"):
            read(path.as_uri(), max_bytes=4)


def test_a_file_takes_memory_for_itself_and_not_for_the_limit(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"12345")
    tracemalloc.start()
    assert read_source((tmp_path / "a.png").as_uri(), max_bytes=1 << 30) == b"12345"
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_an_empty_file_has_a_digest_too(tmp_path: Path):
    (tmp_path / "empty.png").touch()
    uri = (tmp_path / "empty.png").as_uri()
    assert read_source(uri, max_bytes=0) == b""
    assert digest_source(uri, max_bytes=0) == (hashlib.sha256(b"").hexdigest(), 0)


@pytest.mark.parametrize("read", [read_source, digest_source])
def test_what_cannot_be_read_is_named_without_a_traceback_of_the_system(tmp_path: Path, read):
    with pytest.raises(SourceError, match=r"none\.png cannot be read: No such file"):
        read((tmp_path / "none.png").as_uri(), max_bytes=1)
    with pytest.raises(SourceError, match="cannot be read: it is a folder") as refused:
        read(tmp_path.as_uri(), max_bytes=1)
    assert not isinstance(refused.value, UnsuitableFile)  # somebody else's fault, and it may be mended
    for name, leads_to in (("loop.png", "loop.png"), ("broken.png", "nowhere")):
        (tmp_path / name).symlink_to(tmp_path / leads_to)
        with pytest.raises(UnsuitableFile, match=f"{name} cannot be read"):
            read((tmp_path / name).as_uri(), max_bytes=1)
    hostile = tmp_path / "new\nline.png"
    with pytest.raises(SourceError, match=r"new\\nline\.png cannot be read"):
        read(hostile.as_uri(), max_bytes=1)


def test_each_original_is_opened_once(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"x" * 3_000_000)
    for read in (read_source, digest_source):
        with counting_opens(tmp_path) as opens:
            read((tmp_path / "a.png").as_uri(), max_bytes=1 << 30)
        assert opens == {"a.png": 1}


def test_a_pipe_that_a_user_names_is_read_to_its_end(tmp_path: Path):
    pipe, data = tmp_path / "pipe", b"x" * 3_000_000
    os.mkfifo(pipe)
    for limit in (len(data), len(data) - 1):
        writer = threading.Thread(target=_write, args=(pipe, data), daemon=True)
        writer.start()
        if limit == len(data):
            assert read_named(pipe, max_bytes=limit) == data
        else:
            with pytest.raises(SourceError, match=f"expected at most {limit} bytes, found more"):
                read_named(pipe, max_bytes=limit)
        writer.join(timeout=30)


def _write(pipe: Path, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        pipe.write_bytes(data)


def test_a_file_that_a_user_names_is_read_like_an_original(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"12345")
    assert read_named(tmp_path / "a.png", max_bytes=5) == b"12345"
    with pytest.raises(SourceError, match="at most 4 bytes, found 5"):
        read_named(tmp_path / "a.png", max_bytes=4)
    with pytest.raises(SourceError, match=r"none\.png cannot be read: No such file"):
        read_named(tmp_path / "none.png", max_bytes=4)

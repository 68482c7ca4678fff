"""S3 against a real server: wrong credentials, damaged bodies, cut connections, storms of 503."""

import base64
import logging
import os
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta

import boto3
import botocore.client
import pytest

from inr.errors import ConfigError
from tasks.errors import ChecksumFailed, StorageError, StorageUnavailable
from tasks.store import objects, s3, s3_client
from tasks.store.s3 import S3Store, parse_url
from tests.s3_gateway import gateway_before
from tests.s3_server import READER_KEY, READER_SECRET, SECRET_KEY, Access, Proxy, Server, proxy_before

MEBI = 1 << 20


@pytest.fixture
def store(s3_access: Access) -> S3Store:
    return S3Store(f"s3://archive/{uuid.uuid4().hex}")


@pytest.fixture
def proxy(s3_server: Server, s3_access: Access) -> Iterator[Proxy]:
    with proxy_before(s3_server) as running:
        s3_access.through(running.endpoint)
        yield running


def client(s3_server: Server) -> botocore.client.BaseClient:
    """The tests' own view of the server, past the proxy."""
    return boto3.session.Session().client("s3", endpoint_url=s3_server.endpoint)


def test_urls_are_taken_apart_and_put_together():
    assert parse_url("s3://bucket").url == "s3://bucket"
    assert parse_url("s3://bucket/").url == "s3://bucket"
    place = parse_url("s3://bucket/a%20b/ä/")
    assert (place.bucket, place.prefix, place.url) == ("bucket", "a b/ä", "s3://bucket/a%20b/%C3%A4")
    assert parse_url(place.url) == place


def test_a_url_with_credentials_is_refused_and_not_repeated():
    with pytest.raises(ConfigError, match="credentials") as caught:
        S3Store("s3://name:hunter2@bucket/prefix")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="found 's3://…@bucket/x'") as caught:
        S3Store("s3:///KEY:hunter2@bucket/x")


def test_an_empty_bucket_is_no_object(s3_access: Access):
    client = s3_client.client()
    client.create_bucket(Bucket=(bucket := uuid.uuid4().hex))
    assert not s3.exists(parse_url(f"s3://{bucket}"))
    client.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        ({"secret": "wrong"}, "AWS_SECRET_ACCESS_KEY is not the right one"),
        ({"access_key": "nobody"}, "AWS_ACCESS_KEY_ID is not known"),
    ],
)
def test_wrong_credentials_are_told_at_once(
    s3_server: Server, s3_access: Access, store: S3Store, credentials: dict[str, str], message: str
):
    with proxy_before(s3_server) as proxy:
        s3_access.through(proxy.endpoint, **credentials)
        for use in (lambda: store.put("a", b"1"), lambda: store.objects("a")):
            with pytest.raises(StorageError, match=message) as caught:
                use()
            assert not isinstance(caught.value, StorageUnavailable)
        assert proxy.n_connections <= 2  # no repetition


def test_who_may_only_read_cannot_write(s3_server: Server, s3_access: Access, store: S3Store):
    store.put("a", b"1")
    s3_access.through(s3_server.endpoint, access_key=READER_KEY, secret=READER_SECRET)
    assert store.get("a", max_bytes=1) == b"1"
    with pytest.raises(StorageError, match="AccessDenied: the credentials in use may not do this"):
        store.put("b", b"1")


def test_no_credentials_at_all(s3_access: Access, store: S3Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    s3_client.client.cache_clear()
    with pytest.raises(StorageError, match="set AWS_ACCESS_KEY_ID"):
        store.put("a", b"1")


def test_a_wrong_clock_is_told(store: S3Store, monkeypatch: pytest.MonkeyPatch):
    from botocore import auth

    current = auth.get_current_datetime
    monkeypatch.setattr(auth, "get_current_datetime", lambda *args: current(*args) - timedelta(hours=3))
    with pytest.raises(StorageError, match=r"this machine's clock is wrong|expired"):
        store.put("a", b"1")


def test_a_bucket_that_is_not_there(s3_access: Access):
    with pytest.raises(StorageError, match="no such bucket"):
        S3Store("s3://nowhere/x").objects("a")


def test_listing_leaves_out_what_other_programs_put_beside_objects(s3_access: Access, store: S3Store):
    """A console makes objects whose names end in a slash, for folders."""
    store.put("a/1", b"1")
    place = parse_url(store.url)
    for name in ("a/", "a/.DS_Store", "a/1 (copy)"):
        s3_client.client().put_object(Bucket=place.bucket, Key=place.key(name), Body=b"")
    assert "a/.DS_Store" in {found.key[len(place.key("")) :] for found in s3.list_keys(place)}
    assert [found.key for found in store.objects("a")] == ["a/1"]


def test_a_key_that_is_deleted_just_after_it_was_in_the_way_is_created_after_all(store: S3Store):
    def delete(**_: object) -> None:
        s3_client.client().meta.events.unregister("before-call.s3.HeadObject", delete)
        store.delete("a")

    store.put("a", b"1")
    s3_client.client().meta.events.register("before-call.s3.HeadObject", delete)
    assert store.put("a", b"2")
    assert store.get("a", max_bytes=1) == b"2"


def test_a_body_that_is_not_its_checksum_is_not_stored(store: S3Store, monkeypatch: pytest.MonkeyPatch):
    other = base64.b64encode(bytes(32)).decode()
    monkeypatch.setattr(s3, "_sha256", lambda _: other)
    with pytest.raises(StorageUnavailable, match=r"BadDigest|Checksum"):
        store.put("a", b"1")
    assert store.objects("a") == []


def test_a_body_that_changes_on_its_way_back_is_not_returned(
    s3_server: Server, proxy: Proxy, store: S3Store, monkeypatch: pytest.MonkeyPatch
):
    store.put("a", b"what was stored")
    proxy.replace = (b"what was stored", b"what was st0red")
    with pytest.raises(ChecksumFailed, match="read a"):
        store.get("a", max_bytes=100)
    proxy.replace = None
    assert store.get("a", max_bytes=100) == b"what was stored"


def test_a_connection_cut_in_the_middle_of_a_body_is_tried_again(proxy: Proxy, store: S3Store):
    data = os.urandom(3 * MEBI)
    store.put("a", data)
    s3_client.client.cache_clear()
    proxy.cut_after, proxy.cuts = 2 * MEBI, 2
    assert store.get("a", max_bytes=len(data)) == data
    assert proxy.cuts == 0


def test_an_answer_that_is_lost_does_not_make_a_writer_doubt_itself(proxy: Proxy, store: S3Store):
    """The first attempt created the key; the second finds it taken, by itself."""
    proxy.drop_answers = 1
    assert store.put("a", b"1")
    assert proxy.drop_answers == 0
    assert not store.put("a", b"1")


def test_a_storm_of_503_passes(proxy: Proxy, store: S3Store):
    proxy.busy = objects.ATTEMPTS - 1
    assert store.put("a", b"1")
    proxy.busy = objects.ATTEMPTS - 1
    assert store.get("a", max_bytes=1) == b"1"


def test_a_storm_that_does_not_pass_ends_the_attempts(proxy: Proxy, store: S3Store):
    store.put("warm", b"")
    s3_client.client.cache_clear()
    before = proxy.n_connections
    proxy.busy = 1000
    with pytest.raises(StorageUnavailable, match="SlowDown"):
        store.put("a", b"1")
    assert proxy.n_connections - before == objects.ATTEMPTS


def test_a_server_that_is_gone_is_unavailable(s3_access: Access, store: S3Store):
    s3_access.through("http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="write a to s3://archive/"):
        store.put("a", b"1")


def test_a_frozen_server_is_given_up_in_a_time_that_is_told(
    proxy: Proxy, store: S3Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Slow attempts are fewer; and at the first of them it is said for how long the store is asked."""
    data = os.urandom(3 * MEBI)
    store.put("a", data)
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(s3_client, "CONNECT_TIMEOUT_SECONDS", 1.0)  # of a piece that is sent, too
    monkeypatch.setattr(objects, "USUAL_SECONDS", 4.0)
    monkeypatch.setattr(objects.log, "propagate", True)
    s3_client.client.cache_clear()
    proxy.is_frozen = True
    for use in (
        lambda: store.put("b", data),
        lambda: store.get("a", max_bytes=len(data)),
        lambda: store.objects("a"),
    ):
        monkeypatch.setattr(objects, "_told_at", None)
        caplog.clear()
        before = proxy.n_connections
        with pytest.raises(StorageUnavailable, match=r"imeout|timed out|closed"):
            use()
        assert 1 < proxy.n_connections - before <= 4
        [line] = [record.getMessage() for record in caplog.records if record.name == objects.log.name]
        assert line.startswith("the store does not answer, and is asked again for about 4 s")
    proxy.is_frozen = False
    assert store.get("a", max_bytes=len(data)) == data


def test_a_server_that_freezes_in_the_middle_of_a_body_is_noticed(
    proxy: Proxy, store: S3Store, monkeypatch: pytest.MonkeyPatch
):
    data = os.urandom(8 * MEBI)
    store.put("a", data)
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(objects, "USUAL_SECONDS", 1.0)
    s3_client.client.cache_clear()
    proxy.bytes_per_second = 16 * MEBI
    threading.Timer(0.2, setattr, (proxy, "is_frozen", True)).start()
    with pytest.raises(StorageUnavailable, match=r"imed out|imeout"):
        store.get("a", max_bytes=len(data))
    proxy.is_frozen = False


def test_a_large_object_is_one_request_and_its_whole_checksum_is_compared(
    s3_server: Server, s3_access: Access, store: S3Store
):
    """So a server need not know uploads in parts, of whose checksums none is that of the object."""
    data = os.urandom(24 * MEBI)
    with gateway_before(s3_server, refuses=["uploads", "uploadId", "partNumber"]) as through:
        s3_access.through(through)
        assert store.put("a", data)
        assert not store.put("a", data[::-1])
        assert store.clean() == 0
    with proxy_before(s3_server) as proxy:
        s3_access.through(proxy.endpoint)
        assert store.get("a", max_bytes=len(data)) == data
        piece = data[1000:1008]
        proxy.replace = (piece, piece[::-1])
        with pytest.raises(ChecksumFailed):
            store.get("a", max_bytes=len(data))


def test_settings_say_how_objects_are_written(s3_access: Access, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INR_S3_STORAGE_CLASS", "STANDARD_IA")
    monkeypatch.setenv("INR_S3_ENCRYPTION", "aws:kms")
    monkeypatch.setenv("INR_S3_KMS_KEY_ID", "key-1")
    sent = []
    store = S3Store(f"s3://archive/{uuid.uuid4().hex}")
    s3_client.client().meta.events.register(
        "before-call.s3.PutObject", lambda params, **_: sent.append(params["headers"]) or None
    )
    with pytest.raises(StorageError):  # this server has no such key
        store.put("a", b"1")
    assert sent[0]["x-amz-storage-class"] == "STANDARD_IA"
    assert sent[0]["x-amz-server-side-encryption"] == "aws:kms"
    assert sent[0]["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"


def test_nothing_that_is_said_or_logged_holds_the_secret(
    s3_server: Server, s3_access: Access, store: S3Store, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    store.put("a", b"1")
    s3_access.through(s3_server.endpoint, access_key=READER_KEY, secret=SECRET_KEY)
    with pytest.raises(StorageError) as caught:
        store.put("b", b"1")
    texts = [str(caught.value), str(caught.value.__cause__), caplog.text, store.url]
    assert not any(SECRET_KEY in text for text in texts)

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    FlexibleChecksumError,
    NoCredentialsError,
    ParamValidationError,
    SSLError,
)

from inr.errors import ConfigError
from tasks.errors import ChecksumFailed, ObjectMissing, StorageError, StorageUnavailable
from tasks.store.s3_client import Location, named, parse_url


def test_urls_are_taken_apart_and_put_together():
    assert parse_url("s3://bucket").url == "s3://bucket"
    assert parse_url("s3://bucket/").url == "s3://bucket"
    place = parse_url("s3://bucket/a%20b/ä/")
    assert (place.bucket, place.prefix, place.url) == ("bucket", "a b/ä", "s3://bucket/a%20b/%C3%A4")
    assert parse_url(place.url) == place


@pytest.mark.parametrize(
    "url", ["s3:///prefix", "s4://bucket", "s3://bucket/a?b", "s3://bucket/a#b", "bucket"]
)
def test_what_is_no_place_in_a_bucket_is_refused(url: str):
    with pytest.raises(ConfigError, match="expected s3://bucket/prefix"):
        parse_url(url)


def test_keys_lie_below_the_prefix():
    assert Location("bucket", "a").key("b/c") == "a/b/c"
    assert Location("bucket", "").key("b") == "b"


def refused(code: str, status: int) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (refused("NoSuchKey", 404), ObjectMissing, "there is no such object"),
        (refused("SlowDown", 503), StorageUnavailable, "SlowDown"),
        (refused("Strange", 500), StorageUnavailable, "Strange: no"),
        (refused("", 429), StorageUnavailable, "429"),
        (refused("NoSuchBucket", 404), StorageError, "there is no such bucket"),
        (refused("SignatureDoesNotMatch", 403), StorageError, "AWS_SECRET_ACCESS_KEY is not the right one"),
        (FlexibleChecksumError(error_msg="other"), ChecksumFailed, "what came is not what was stored"),
        (ConnectTimeoutError(endpoint_url="http://a"), StorageUnavailable, "http://a"),
        (SSLError(endpoint_url="https://a", error="expired"), StorageError, "expired"),
        (NoCredentialsError(), StorageError, "set AWS_ACCESS_KEY_ID"),
        (ParamValidationError(report="bad"), StorageError, "bad"),
        (StorageError("inner"), StorageError, "inner"),
    ],
)
def test_errors_say_what_was_done_and_whether_to_try_again(
    raised: Exception, kind: type[StorageError], message: str
):
    with pytest.raises(StorageError, match=message) as caught, named("write a to s3://bucket"):
        raise raised
    assert type(caught.value) is kind
    assert str(caught.value).startswith("write a to s3://bucket: ")

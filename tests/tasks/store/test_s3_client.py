"""The names of S3's errors, made as botocore makes them; `test_s3` has a real server give some of them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    FlexibleChecksumError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from inr.errors import ConfigError
from tasks.errors import ChecksumFailed, ObjectMissing, StorageError, StorageUnavailable
from tasks.store.objects import USUAL_SECONDS
from tasks.store.s3_client import (
    CONNECT_TIMEOUT_SECONDS,
    HINTS,
    READ_TIMEOUT_SECONDS,
    TRANSIENT_CODES,
    about_s3,
    client,
    code_of,
)
from tests.s3_server import Access


def answer(code: str, status: int = 400, message: str = "so it is") -> ClientError:
    metadata: Any = {"HTTPStatusCode": status}
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, "PutObject"
    )


def named(error: Exception) -> StorageError:
    with pytest.raises(StorageError, match=r"^write a: ") as caught, about_s3("write a"):
        raise error
    return caught.value


@pytest.mark.parametrize("code", sorted(TRANSIENT_CODES))
def test_what_may_go_better_is_unavailable(code: str):
    assert type(named(answer(code))) is StorageUnavailable


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, StorageError),
        (403, StorageError),
        (408, StorageUnavailable),
        (429, StorageUnavailable),
        (500, StorageUnavailable),
        (501, StorageError),
        (503, StorageUnavailable),
    ],
)
def test_a_code_that_nobody_knows_goes_by_its_status(status: int, kind: type[StorageError]):
    assert type(named(answer("Unheard", status))) is kind


@pytest.mark.parametrize("code", ["NoSuchKey", "NotFound", "404"])
def test_a_missing_object_has_its_own_error(code: str):
    error = named(answer(code, 404))
    assert type(error) is ObjectMissing
    assert str(error) == "write a: there is no such object"


def test_the_message_says_what_to_look_at_and_else_what_the_server_said():
    assert str(named(answer("AccessDenied", 403))) == f"write a: AccessDenied: {HINTS['AccessDenied']}"
    assert str(named(answer("Unheard"))) == "write a: Unheard: so it is"
    assert len(str(named(answer("Unheard", message="x" * 1000)))) < 250


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FlexibleChecksumError(error_msg="no"), ChecksumFailed),
        (EndpointConnectionError(endpoint_url="http://x"), StorageUnavailable),
        (ReadTimeoutError(endpoint_url="http://x"), StorageUnavailable),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), StorageUnavailable),
        (SSLError(endpoint_url="http://x", error="expired"), StorageError),
        (NoCredentialsError(), StorageError),
        (BotoCoreError(), StorageError),
        (StorageError("too large"), StorageError),
        (ObjectMissing("gone"), ObjectMissing),
    ],
)
def test_errors_of_the_library_have_names_too(error: Exception, kind: type[StorageError]):
    assert type(named(error)) is kind


@pytest.mark.parametrize(
    "kind", [EndpointConnectionError, ReadTimeoutError, partial(SSLError, error="expired")]
)
def test_no_error_repeats_a_password_of_the_address(kind: Callable[..., Exception]):
    message = str(named(kind(endpoint_url="http://me:hunter2@host/bucket?prefix=x")))
    assert "http://…@host/bucket?…" in message
    assert "hunter2" not in message


def test_missing_credentials_say_what_to_set():
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in str(named(NoCredentialsError()))


def test_an_error_without_a_code_has_an_empty_one():
    assert code_of(ClientError({}, "PutObject")) == ""
    assert code_of(answer("SlowDown")) == "SlowDown"


def test_a_process_has_one_client_until_it_is_dropped(s3_access: Access):
    first = client()
    assert client() is first
    client.cache_clear()
    assert client() is not first


def test_a_profile_that_is_not_there_is_the_callers_error(s3_access: Access, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    client.cache_clear()
    with pytest.raises(ConfigError, match="S3: The config profile"):
        client()


def test_the_reference_tells_the_times_that_hold():
    page = (Path(__file__).parents[3] / "docs" / "archive.md").read_text()
    told = " ".join(page.split())
    longest = USUAL_SECONDS + READ_TIMEOUT_SECONDS
    for times in (
        f"silent for {READ_TIMEOUT_SECONDS} s, or takes over {CONNECT_TIMEOUT_SECONDS} s to accept",
        f"the line comes after {READ_TIMEOUT_SECONDS} s at the latest",
        f"gives up a frozen server after {USUAL_SECONDS:g} to {longest:g} s",
    ):
        assert times in told

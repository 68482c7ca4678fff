"""The one client of boto3 in a process, and the names of its errors.

Credentials, region and endpoint come from boto3's usual places (``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL``, profiles, instance roles), and from nowhere else: a URL that carries some is refused.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)

from inr.errors import ConfigError
from tasks.errors import ChecksumFailed, ObjectMissing, StorageError, StorageUnavailable
from tasks.wording import without_secrets

CONNECT_TIMEOUT_SECONDS = 10  # also that of sending a piece of a body
READ_TIMEOUT_SECONDS = 20  # of silence
MAX_CONNECTIONS = 64

# Codes that another attempt may change, whatever the status; so may 408, 429 and 5xx but for 501.
TRANSIENT_CODES = frozenset(
    {
        *("SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded"),
        *("InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"),
        *("ConditionalRequestConflict", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch"),
        *("XAmzContentChecksumMismatch",),
    }
)
MISSING_CODES = frozenset({"NoSuchKey", "404", "NotFound"})
TAKEN_CODES = frozenset({"PreconditionFailed", "412"})
HINTS = {
    "403": "access denied",
    "AccessDenied": "the credentials in use may not do this",
    "ExpiredToken": "the session token has expired",
    "InvalidAccessKeyId": "AWS_ACCESS_KEY_ID is not known there",
    "NoSuchBucket": "there is no such bucket",
    "NotImplemented": "the server does not know this request, or a part of it",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY is not the right one",
}


@functools.cache
def client() -> Any:
    """One client for the process: it is thread-safe, slow to make, and keeps connections open."""
    try:
        return boto3.session.Session().client(
            "s3",
            config=Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                max_pool_connections=MAX_CONNECTIONS,
                tcp_keepalive=True,
            ),
        )
    except (BotoCoreError, ValueError) as error:  # a profile that is not there, an endpoint that is no URL
        raise ConfigError(f"S3: {_told(error)}") from error


@contextlib.contextmanager
def about_s3(what: str) -> Iterator[None]:
    """Turn boto3's errors of the body into those of this package, which say whether to try again.

    Args:
        what: The beginning of the message: the action of the body.
    """
    try:
        yield
    except ClientError as error:
        raise _error_of(what, error) from error
    except (FlexibleChecksumError, ChecksumError) as error:
        raise ChecksumFailed(f"{what}: what came is not what was stored: {_told(error)}") from error
    except SSLError as error:
        raise StorageError(f"{what}: {_told(error)}") from error
    except (HTTPClientError, ConnectionError, IncompleteReadError) as error:
        raise StorageUnavailable(f"{what}: {_told(error)}") from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StorageError(
            f"{what}: {_told(error)}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from error
    except BotoCoreError as error:
        raise StorageError(f"{what}: {_told(error)}") from error
    except StorageError as error:
        raise type(error)(f"{what}: {error}") from error


def _told(error: Exception) -> str:
    """What an error of boto3 says; in AWS_ENDPOINT_URL, which it repeats, there may be a password."""
    return without_secrets(str(error))


def code_of(error: ClientError) -> str:
    """The code of an error, as the server names it; empty where it names none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _error_of(what: str, error: ClientError) -> StorageError:
    code = code_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in MISSING_CODES:
        return ObjectMissing(f"{what}: there is no such object")
    reason = HINTS.get(code, str(error.response.get("Error", {}).get("Message", ""))[:200])
    message = f"{what}: {code or status}: {reason}"
    if code in TRANSIENT_CODES or status in (408, 429) or status == 500 or status > 501:
        return StorageUnavailable(message)
    return StorageError(message)

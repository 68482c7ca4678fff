"""Archives and originals in S3 or what speaks its protocol. The only importer of boto3.

Credentials, region and endpoint come from boto3's usual places (``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL``, profiles, instance roles), and from nowhere else: a URL that carries some is refused.

Keys are created with ``If-None-Match: *``, so of many writers one wins. Every upload carries its
SHA-256, which the server checks; every download is checked against what the server has. Requests
are repeated by `tasks.store.objects.retried`, and not by botocore besides: one bound and one jitter.
"""

import base64
import contextlib
import functools
import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit

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
from tasks.settings import S3Options, load_settings
from tasks.store.objects import StoredObject, checked_key, retried

MULTIPART_BYTES = 64 << 20  # larger objects go up in parts
PART_BYTES = 32 << 20
ABANDONED_AFTER = timedelta(days=1)  # no upload of ours takes this long
CHUNK_BYTES = 1 << 20
CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 60
MAX_CONNECTIONS = 64

# Codes that another attempt may change, whatever the status; so may 408, 429 and 5xx.
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
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY is not the right one",
}


@dataclass(frozen=True)
class Location:
    """A place in a bucket, or one object; `prefix` does not end in a slash and may be empty."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``, what is not plain in it as percent escapes."""
        path = f"/{quote(self.prefix)}" if self.prefix else ""
        return f"s3://{self.bucket}{path}"

    def key(self, name: str) -> str:
        """The key of a name below the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name


def parse_url(url: str) -> Location:
    """Take ``s3://bucket/prefix`` apart.

    Raises:
        ConfigError: It is not of that form. The URL is not repeated where it carries credentials.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc or ":" in parts.netloc:
        raise ConfigError(
            "location: expected s3://bucket/prefix, found credentials or a port before the path"
        )
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise ConfigError(f"location: expected s3://bucket/prefix, found {url!r}")
    return Location(parts.netloc, unquote(parts.path[1:]).rstrip("/"))


class S3Store:
    """An `ObjectStore` under a prefix of a bucket, which must exist.

    Args:
        url: ``s3://bucket/prefix``.

    Raises:
        ConfigError: The URL or a setting.
    """

    def __init__(self, url: str) -> None:
        self._location = parse_url(url)
        self._written_as = _written_as(load_settings().s3())

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return self._location.url

    def put(self, key: str, data: bytes) -> bool:
        """See `ObjectStore.put`."""
        # Tells our own object from another's when an answer is lost and the repetition finds the key taken.
        return self._put(checked_key(key), data, uuid.uuid4().hex)

    @retried
    def _put(self, key: str, data: bytes, writer: str) -> bool:
        target = self._target(key)
        created = {**self._written_as, "Metadata": {"inr-writer": writer}}
        with _named(f"write {key} to {self.url}"):
            try:
                if len(data) > MULTIPART_BYTES:
                    _upload_in_parts(target, data, created)
                else:
                    _client().put_object(
                        **target, **created, Body=data, ChecksumSHA256=_sha256(data), IfNoneMatch="*"
                    )
            except ClientError as error:
                if _code(error) not in TAKEN_CODES:
                    raise
                return self._writer_of(target) == writer
        return True

    @staticmethod
    def _writer_of(target: dict[str, str]) -> str | None:
        """Who wrote the object that was in the way a moment ago.

        Raises:
            StorageUnavailable: It has gone since, so the write is worth another attempt.
        """
        try:
            metadata: dict[str, str] = _client().head_object(**target)["Metadata"]
        except ClientError as error:
            if _code(error) in MISSING_CODES:
                raise StorageUnavailable("the object in the way was deleted meanwhile") from error
            raise
        return metadata.get("inr-writer")

    @retried
    def get(self, key: str, *, max_bytes: int) -> bytes:
        """See `ObjectStore.get`."""
        with _named(f"read {key} from {self.url}"):
            return b"".join(_chunks(self._target(key), max_bytes))

    def objects(self, prefix: str) -> list[StoredObject]:
        """See `ObjectStore.objects`."""
        below = Location(self._location.bucket, self._location.key(checked_key(prefix)))
        start = len(self._location.key(""))
        return [StoredObject(key[start:], n_bytes) for key, n_bytes in list_keys(below)]

    @retried
    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        with _named(f"delete {key} from {self.url}"):
            _client().delete_object(**self._target(key))

    @retried
    def clean(self) -> int:
        """Abort uploads in parts that were begun over a day ago and not ended."""
        bucket, aborted = self._location.bucket, 0
        with _named(f"clean {self.url}"):
            pages = _client().get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=bucket, Prefix=self._location.key("")):
                for upload in page.get("Uploads", ()):
                    if datetime.now(UTC) - upload["Initiated"] > ABANDONED_AFTER:
                        _client().abort_multipart_upload(
                            Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        aborted += 1
        return aborted

    def _target(self, key: str) -> dict[str, str]:
        return {"Bucket": self._location.bucket, "Key": self._location.key(checked_key(key))}


@retried
def list_keys(location: Location) -> list[tuple[str, int]]:
    """Key and size in bytes of every object below a prefix, sorted by key.

    Raises:
        StorageError: It cannot be listed.
    """
    prefix = location.key("")
    with _named(f"list {location.url}"):
        pages = _client().get_paginator("list_objects_v2").paginate(Bucket=location.bucket, Prefix=prefix)
        return sorted((found["Key"], found["Size"]) for page in pages for found in page.get("Contents", ()))


@retried
def exists(location: Location) -> bool:
    """Whether there is an object of just this key."""
    with _named(f"look for {location.url}"):
        try:
            _client().head_object(Bucket=location.bucket, Key=location.prefix)
        except ClientError as error:
            if _code(error) in MISSING_CODES:
                return False
            raise
    return True


@retried
def read_url(url: str, *, max_bytes: int) -> bytes:
    """The bytes of one object anywhere.

    Raises:
        StorageError: It cannot be read, or is larger than `max_bytes`.
    """
    with _named(f"read {url}"):
        return b"".join(_chunks(_target_of(url), max_bytes))


@retried
def digest_url(url: str, *, max_bytes: int) -> tuple[str, int]:
    """SHA-256 and size of one object anywhere, in a megabyte of memory. Raises as `read_url`."""
    digest, n_bytes = hashlib.sha256(), 0
    with _named(f"read {url}"):
        for chunk in _chunks(_target_of(url), max_bytes):
            digest.update(chunk)
            n_bytes += len(chunk)
    return digest.hexdigest(), n_bytes


def _target_of(url: str) -> dict[str, str]:
    location = parse_url(url)
    return {"Bucket": location.bucket, "Key": location.prefix}


def _chunks(target: dict[str, str], max_bytes: int) -> Iterator[bytes]:
    """An object's bytes, to the end, where the checksum is compared."""
    answer = _client().get_object(**target, ChecksumMode="ENABLED")
    with contextlib.closing(answer["Body"]) as body:
        if answer["ContentLength"] > max_bytes:
            raise StorageError(f"expected at most {max_bytes} bytes, found {answer['ContentLength']}")
        while chunk := body.read(CHUNK_BYTES):
            yield chunk


def _upload_in_parts(target: dict[str, str], data: bytes, created: dict[str, Any]) -> None:
    client = _client()
    begun = client.create_multipart_upload(**target, **created, ChecksumAlgorithm="SHA256")
    upload = {**target, "UploadId": begun["UploadId"]}
    try:
        parts = []
        for number, start in enumerate(range(0, len(data), PART_BYTES), 1):
            part = data[start : start + PART_BYTES]
            checksum = _sha256(part)
            done = client.upload_part(**upload, PartNumber=number, Body=part, ChecksumSHA256=checksum)
            parts.append({"PartNumber": number, "ETag": done["ETag"], "ChecksumSHA256": checksum})
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    except BaseException:
        with contextlib.suppress(BotoCoreError, ClientError):  # what is left, `clean` finds
            client.abort_multipart_upload(**upload)
        raise


def _sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _written_as(options: S3Options) -> dict[str, str]:
    names = {
        "StorageClass": options.storage_class,
        "ServerSideEncryption": options.encryption,
        "SSEKMSKeyId": options.kms_key_id,
    }
    return {name: value for name, value in names.items() if value is not None}


@functools.cache
def _client() -> Any:
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
        raise ConfigError(f"S3: {error}") from error


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """Turn boto3's errors into those of this package, which say whether to try again."""
    try:
        yield
    except ClientError as error:
        raise _error_of(what, error) from error
    except (FlexibleChecksumError, ChecksumError) as error:
        raise ChecksumFailed(f"{what}: what came is not what was stored: {error}") from error
    except SSLError as error:
        raise StorageError(f"{what}: {error}") from error
    except (HTTPClientError, ConnectionError, IncompleteReadError) as error:
        raise StorageUnavailable(f"{what}: {error}") from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StorageError(f"{what}: {error}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from error
    except BotoCoreError as error:
        raise StorageError(f"{what}: {error}") from error
    except StorageError as error:
        raise type(error)(f"{what}: {error}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _error_of(what: str, error: ClientError) -> StorageError:
    code = _code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in MISSING_CODES:
        return ObjectMissing(f"{what}: there is no such object")
    told = HINTS.get(code) or str(error.response.get("Error", {}).get("Message", ""))[:200]
    message = f"{what}: {code or status}: {told}"
    if code in TRANSIENT_CODES or status in (408, 429) or status >= 500:
        return StorageUnavailable(message)
    return StorageError(message)

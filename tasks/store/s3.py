"""Archives and originals in S3, or in a store that speaks its protocol.

Keys are created with ``If-None-Match: *``, so of many writers one wins. Every upload carries its
SHA-256, which the server checks; every download is checked against what the server has. Requests
are repeated by `tasks.store.objects.retried`, and not by botocore besides: one bound and one jitter.

An object is one request, however large it is: it may have 5 GiB, and none of ours has so many. So the
checksum is that of the whole object, nothing is left of an upload that was cut, and five calls are all that
a server has to know: PutObject, GetObject, HeadObject, DeleteObject and ListObjectsV2.
"""

import base64
import contextlib
import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from botocore.exceptions import ClientError

from inr.errors import ConfigError
from tasks.errors import ObjectTooLarge, StorageUnavailable
from tasks.settings import S3Options, load_settings
from tasks.store.objects import StoredObject, checked_key, is_key, retried
from tasks.store.s3_client import MISSING_CODES, TAKEN_CODES, about_s3, client, code_of
from tasks.wording import without_secrets

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Location:
    """A place in a bucket, or one object; `prefix` does not end in a slash and may be empty."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``, percent-encoded."""
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
    try:
        parts = urlsplit(url)
    except ValueError as error:  # one bracket of those that an address of IPv6 has
        found = f"found {without_secrets(url)!r}"
        raise ConfigError(f"location: expected s3://bucket/prefix, {found}") from error
    if "@" in parts.netloc or ":" in parts.netloc:
        raise ConfigError(
            "location: expected s3://bucket/prefix, found credentials or a port before the path"
        )
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise ConfigError(f"location: expected s3://bucket/prefix, found {without_secrets(url)!r}")
    return Location(parts.netloc, unquote(parts.path[1:]).rstrip("/"))


class S3Store:
    """An `ObjectStore` under a prefix of a bucket, which must exist.

    Args:
        url: ``s3://bucket/prefix``.

    Raises:
        ConfigError: The URL or a setting is wrong.
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
        # Marks an object as ours, for when an answer is lost and the repetition finds the key taken.
        return self._put(checked_key(key), data, uuid.uuid4().hex)

    @retried
    def _put(self, key: str, data: bytes, writer: str) -> bool:
        target = self._target(key)
        created = {**self._written_as, "Metadata": {"inr-writer": writer}}
        with about_s3(f"write {key} to {self.url}"):
            try:
                client().put_object(
                    **target, **created, Body=data, ChecksumSHA256=_sha256(data), IfNoneMatch="*"
                )
            except ClientError as error:
                if code_of(error) not in TAKEN_CODES:
                    raise
                return self._writer_of(target) == writer
        return True

    @staticmethod
    def _writer_of(target: dict[str, str]) -> str | None:
        """The writer of the object that was in the way a moment ago; None if it names none.

        Raises:
            StorageUnavailable: It has gone since, so the write is worth another attempt.
        """
        try:
            metadata: dict[str, str] = client().head_object(**target)["Metadata"]
        except ClientError as error:
            if code_of(error) in MISSING_CODES:
                raise StorageUnavailable("the object in the way was deleted meanwhile") from error
            raise
        return metadata.get("inr-writer")

    @retried
    def get(self, key: str, *, max_bytes: int) -> bytes:
        """See `ObjectStore.get`."""
        with about_s3(f"read {key} from {self.url}"):
            return b"".join(_chunks(self._target(key), max_bytes))

    def objects(self, prefix: str) -> list[StoredObject]:
        """See `ObjectStore.objects`."""
        below = Location(self._location.bucket, self._location.key(checked_key(prefix)))
        start = len(self._location.key(""))
        return [
            StoredObject(name, found.n_bytes, found.stored_at)
            for found in list_keys(below)
            if is_key(name := found.key[start:])
        ]

    @retried
    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        with about_s3(f"delete {key} from {self.url}"):
            client().delete_object(**self._target(key))

    def clean(self) -> int:
        """See `ObjectStore.clean`; a writer that dies leaves nothing here."""
        return 0

    def _target(self, key: str) -> dict[str, str]:
        return {"Bucket": self._location.bucket, "Key": self._location.key(checked_key(key))}


@retried
def list_keys(location: Location) -> list[StoredObject]:
    """Every object below a prefix, sorted by key.

    Raises:
        StorageError: It cannot be listed.
    """
    prefix = location.key("")
    with about_s3(f"list {location.url}"):
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=location.bucket, Prefix=prefix)
        listed = [found for page in pages for found in page.get("Contents", ())]
    objects = (StoredObject(found["Key"], found["Size"], found["LastModified"]) for found in listed)
    return sorted(objects, key=lambda found: found.key)


@retried
def exists(location: Location) -> bool:
    """Return whether there is an object of just this key; none is of the empty one, which is the bucket."""
    if not location.prefix:
        return False
    with about_s3(f"look for {location.url}"):
        try:
            client().head_object(Bucket=location.bucket, Key=location.prefix)
        except ClientError as error:
            if code_of(error) in MISSING_CODES:
                return False
            raise
    return True


@retried
def read_url(url: str, *, max_bytes: int) -> bytes:
    """The bytes of one object anywhere.

    Raises:
        StorageError: It cannot be read, or is larger than `max_bytes`.
    """
    with about_s3(f"read {url}"):
        return b"".join(_chunks(_target_of(url), max_bytes))


@retried
def digest_url(url: str, *, max_bytes: int) -> tuple[str, int]:
    """SHA-256 and size of one object anywhere, in a megabyte of memory. Raises as `read_url`."""
    digest, n_bytes = hashlib.sha256(), 0
    with about_s3(f"read {url}"):
        for chunk in _chunks(_target_of(url), max_bytes):
            digest.update(chunk)
            n_bytes += len(chunk)
    return digest.hexdigest(), n_bytes


def _target_of(url: str) -> dict[str, str]:
    location = parse_url(url)
    return {"Bucket": location.bucket, "Key": location.prefix}


def _chunks(target: dict[str, str], max_bytes: int) -> Iterator[bytes]:
    """An object's bytes, to the end, where the checksum is compared."""
    answer = client().get_object(**target, ChecksumMode="ENABLED")
    with contextlib.closing(answer["Body"]) as body:
        if answer["ContentLength"] > max_bytes:
            raise ObjectTooLarge(f"expected at most {max_bytes} bytes, found {answer['ContentLength']}")
        while chunk := body.read(CHUNK_BYTES):
            yield chunk


def _sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _written_as(options: S3Options) -> dict[str, str]:
    names = {
        "StorageClass": options.storage_class,
        "ServerSideEncryption": options.encryption,
        "SSEKMSKeyId": options.kms_key_id,
    }
    return {name: value for name, value in names.items() if value is not None}

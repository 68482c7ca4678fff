"""Locations: a path, a ``file:`` URI or ``s3://bucket/prefix``, and the store at such a place."""

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

from inr.errors import ConfigError
from tasks.store.folder import LocalStore
from tasks.store.objects import ObjectStore
from tasks.wording import without_secrets

S3_SCHEME = "s3://"
FOLDERS = "a path or a file:// URI"
PLACES = "a path, a file:// URI or s3://bucket/prefix"


def open_store(url: str) -> ObjectStore:
    """The store at ``s3://bucket/prefix``, or at a folder's path or ``file:`` URI.

    Raises:
        ConfigError: The URL has another scheme or form, or there is something else than a folder.
    """
    if url.startswith(S3_SCHEME):
        from tasks.store.s3 import S3Store  # takes half a second, and only who uses S3 pays it

        return S3Store(url)
    return LocalStore(local_path(url, PLACES))


def place_within(store_url: str, source: str) -> str | None:
    """The URI, as listings of a source have it, of a store that lies within the source; None elsewhere.

    Args:
        store_url: URL of the store.
        source: A folder or file, or ``s3://bucket/prefix``.
    """
    if source.startswith(S3_SCHEME) or store_url.startswith(S3_SCHEME):
        return store_url if store_url.startswith(source.rstrip("/")) else None
    root = local_path(source, PLACES).absolute()
    inside = os.path.relpath(os.path.realpath(local_path(store_url, PLACES)), os.path.realpath(root))
    return None if Path(inside).parts[:1] == (os.pardir,) else (root / inside).as_uri()


def local_path(url: str, expected: str = FOLDERS) -> Path:
    """The path that a path or a ``file:`` URI names.

    Args:
        url: The path or URI.
        expected: What is taken in its place, for the error: `PLACES` where that may be in S3.

    Raises:
        ConfigError: It is empty, or a URI with another scheme, or one of another host or of more than a path;
            what may be a secret in it is not repeated.
    """
    if url.startswith("file://"):
        host, slash, path = url.removeprefix("file://").partition("/")
        if host not in ("", "localhost") or not slash or set(path) & set("?#"):
            found = f"found {without_secrets(url)!r}"
            raise ConfigError(f"location: expected file:///folder, with ? and # as %3F and %23, {found}")
        return Path(os.fsdecode(unquote_to_bytes(f"/{path}")))
    if not url or re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        found = f"{url.partition('://')[0]}://…" if "@" in url or "?" in url else repr(url)
        is_address = expected == PLACES and url.startswith(("http://", "https://"))
        hint = "; AWS_ENDPOINT_URL has the address of an S3 server" if is_address else ""
        raise ConfigError(f"location: expected {expected}, found {found}{hint}")
    return Path(url)

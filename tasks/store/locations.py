"""Locations: a path, a ``file:`` URI or ``s3://bucket/prefix``, and the store at such a place."""

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from inr.errors import ConfigError
from tasks.store.folder import LocalStore
from tasks.store.objects import ObjectStore

S3_SCHEME = "s3://"


def open_store(url: str) -> ObjectStore:
    """The store at ``s3://bucket/prefix``, or at a folder's path or ``file:`` URI.

    Raises:
        ConfigError: The URL has another scheme or form, or there is something else than a folder.
    """
    if url.startswith(S3_SCHEME):
        from tasks.store.s3 import S3Store  # takes half a second, and only who uses S3 pays it

        return S3Store(url)
    return LocalStore(local_path(url))


def local_path(url: str) -> Path:
    """The path that a path or a ``file:`` URI names.

    Raises:
        ConfigError: It is empty, or a URI with another scheme.
    """
    if url.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(urlsplit(url).path)))
    if not url or re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        raise ConfigError(f"location: expected a path or a file:// URI, found {url!r}")
    return Path(url)

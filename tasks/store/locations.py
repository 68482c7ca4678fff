"""The store at a URL: a folder, or a prefix in an S3 bucket."""

from tasks.store.folder import LocalStore, local_path
from tasks.store.objects import ObjectStore

S3_SCHEME = "s3://"


def open_store(url: str) -> ObjectStore:
    """The store at ``s3://bucket/prefix``, or at a folder's path or ``file:`` URI.

    Raises:
        ConfigError: The URL has another scheme or form, or there is something else than a folder.
    """
    if url.startswith(S3_SCHEME):
        from tasks.store.s3 import S3Store  # half a second, and only who uses S3 pays it

        return S3Store(url)
    return LocalStore(local_path(url))

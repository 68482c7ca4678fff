"""What a run has to do: every content of a source that is not archived yet under a config.

The answer comes from the store alone. An image counts as archived if its latest record says so and
the object that the record names is there with the recorded size; so an object that was lost is made
again. The record of a failure does not count: a failed image is tried again.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from tasks.catalogue import lookup
from tasks.errors import SourceError
from tasks.originals.listing import SourceFile, SourceImage, list_source
from tasks.originals.reading import digest_source
from tasks.store.objects import ObjectStore

READERS = 16  # files digested at a time: what costs is waiting for S3 or a disk, hardly ever a core
FILES_AT_ONCE = 1024  # handed to the readers, so that memory does not grow with the source


@dataclass(frozen=True)
class Plan:
    """What a run has to do, and why the rest is not done.

    Attributes:
        images: Contents to archive, in the order of their paths.
        unreadable: Files that could not be digested, with the reason; their `digest` is empty.
        n_archived: Contents that are archived already.
        n_duplicates: Files left out because another file has the same bytes.
        left_out: Files left out by the rule on suffixes, by suffix.
    """

    images: tuple[SourceImage, ...]
    unreadable: tuple[tuple[SourceImage, SourceError], ...]
    n_archived: int
    n_duplicates: int
    left_out: dict[str, int]

    @property
    def n_to_do(self) -> int:
        """Rows that a run of this plan will write."""
        return len(self.images) + len(self.unreadable)

    def describe(self) -> str:
        """One line for people."""
        told = [f"{len(self.images)} to archive", f"{self.n_archived} archived already"]
        if self.n_duplicates:
            told.append(f"{self.n_duplicates} duplicates")
        if self.unreadable:
            told.append(f"{len(self.unreadable)} unreadable")
        if self.left_out:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in self.left_out.items())
            told.append(f"left out: {kinds}")
        return "; ".join(told)


def make_plan(source: str, store: ObjectStore, archive_digest: str, *, max_file_bytes: int) -> Plan:
    """List, digest, and drop what is archived. Reads everything, writes nothing.

    Raises:
        ConfigError: The source cannot be listed.
        CatalogueError, StorageError: The store's catalogue cannot be read.
    """
    listing = list_source(source)
    contents: dict[str, SourceImage] = {}
    unreadable = []
    n_files = 0
    for file, found in _digested(listing.files, max_file_bytes):
        if isinstance(found, SourceError):
            unreadable.append((SourceImage("", file.uri, file.path, 0), found))
            continue
        digest, n_bytes = found
        n_files += 1
        first = contents.get(digest)
        contents[digest] = (
            SourceImage(digest, file.uri, file.path, n_bytes)
            if first is None
            else replace(first, also_at=(*first.also_at, file.path))
        )
    done = archived_in(store, archive_digest) if contents else frozenset()
    return Plan(
        images=tuple(image for digest, image in contents.items() if digest not in done),
        unreadable=tuple(unreadable),
        n_archived=sum(digest in done for digest in contents),
        n_duplicates=n_files - len(contents),
        left_out=listing.left_out,
    )


def _digested(
    files: Sequence[SourceFile], max_bytes: int
) -> Iterator[tuple[SourceFile, tuple[str, int] | SourceError]]:
    """Each file, in their order, with its digest and size in bytes, or why it cannot be read."""

    def digest(file: SourceFile) -> tuple[str, int] | SourceError:
        try:
            return digest_source(file.uri, max_bytes=max_bytes)
        except SourceError as error:
            return error

    with ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(files), FILES_AT_ONCE):
            some = files[start : start + FILES_AT_ONCE]
            yield from zip(some, pool.map(digest, some), strict=True)


def archived_in(store: ObjectStore, archive_digest: str) -> frozenset[str]:
    """Digests of the images whose archived record and stored object agree. Raises as `make_plan`."""
    recorded = lookup.archived_objects(store, archive_digest)
    if not recorded:
        return frozenset()
    sizes = {found.key: found.n_bytes for found in store.objects("bitstreams")}
    return frozenset(digest for digest, (key, n_bytes) in recorded.items() if sizes.get(key) == n_bytes)

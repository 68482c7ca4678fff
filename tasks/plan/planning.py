"""The plan of a run: every content of a source that is not archived yet under a config.

The answer comes from the store alone. An image counts as archived if its latest record says so and
the object that the record names is there with the recorded size; so an object that was lost is made
again. The record of a failure does not count: a failed image is tried again.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from tasks.catalogue import lookup
from tasks.errors import SourceError, UnsupportedImage
from tasks.originals.listing import SourceFile, SourceImage, list_source
from tasks.originals.opening import read_header
from tasks.originals.reading import digest_source
from tasks.settings import RunOptions
from tasks.store.objects import ObjectStore

READERS = 16  # files digested at a time: what costs is waiting for S3 or a disk, hardly ever a core
READERS_OF_HEADERS = 4  # each holds a whole file
FILES_AT_ONCE = 1024  # handed to the readers, so that memory does not grow with the source


@dataclass(frozen=True)
class Plan:
    """The images that a run has to archive, and why the rest is not done.

    Attributes:
        images: Contents to archive, in the order of their paths.
        unreadable: Files that could not be digested, with the reason.
        n_archived: Contents that are archived already.
        n_duplicates: Files left out because another file has the same bytes.
        left_out: Files left out by the rule on suffixes, by suffix.
        sizes: Digest → width and height of each image by its header, or why it will be refused; empty
            unless they were asked for.
    """

    images: tuple[SourceImage, ...]
    unreadable: tuple[tuple[SourceFile, SourceError], ...]
    n_archived: int
    n_duplicates: int
    left_out: dict[str, int]
    sizes: dict[str, tuple[int, int] | UnsupportedImage] = field(default_factory=dict)

    @property
    def n_pixels(self) -> dict[str, int]:
        """Digest → pixels of each image whose size was asked for; 0 where it will be refused."""
        return {
            digest: 0 if isinstance(size, UnsupportedImage) else size[0] * size[1]
            for digest, size in self.sizes.items()
        }

    @property
    def n_to_do(self) -> int:
        """Rows that a run of this plan will write."""
        return len(self.images) + len(self.unreadable)

    def describe(self) -> str:
        """One line for people."""
        parts = [f"{len(self.images)} to archive", f"{self.n_archived} archived already"]
        if self.n_duplicates:
            parts.append(f"{self.n_duplicates} duplicates")
        if self.unreadable:
            parts.append(f"{len(self.unreadable)} unreadable")
        if self.left_out:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in self.left_out.items())
            parts.append(f"left out: {kinds}")
        return "; ".join(parts)


def make_plan(
    source: str, store: ObjectStore, archive_digest: str, options: RunOptions, *, with_sizes: bool = False
) -> Plan:
    """List, digest, and drop what is archived. Reads every file once, writes nothing.

    Args:
        source: A folder or file, or ``s3://bucket/prefix``, see `list_source`.
        store: The archive.
        archive_digest: Digest of the recipe under which the images are to be archived.
        options: Limits of what is read.
        with_sizes: True to look at the headers too, in the same read.

    Raises:
        ConfigError: The source cannot be listed.
        CatalogueError, StorageError: The store's catalogue cannot be read.
    """
    listing = list_source(source)
    contents: dict[str, SourceImage] = {}
    sizes: dict[str, tuple[int, int] | UnsupportedImage] = {}
    unreadable = []
    n_files = 0
    for file, found in _read_all(listing.files, options, with_sizes):
        if isinstance(found, SourceError):
            unreadable.append((file, found))
            continue
        n_files += 1
        if first := contents.get(found.digest):
            contents[found.digest] = replace(first, also_at=(*first.also_at, file.path))
        else:
            contents[found.digest] = SourceImage(found.digest, file.uri, file.path, found.n_bytes)
        if found.size is not None:
            sizes[found.digest] = found.size
    done = archived_in(store, archive_digest) if contents else frozenset()
    return Plan(
        images=tuple(image for digest, image in contents.items() if digest not in done),
        unreadable=tuple(unreadable),
        n_archived=sum(digest in done for digest in contents),
        n_duplicates=n_files - len(contents),
        left_out=listing.left_out,
        sizes=sizes,
    )


@dataclass(frozen=True)
class _Content:
    """Digest of a file, its size in bytes, and what its header says if that was looked at."""

    digest: str
    n_bytes: int
    size: tuple[int, int] | UnsupportedImage | None


def _read_all(
    files: Sequence[SourceFile], options: RunOptions, with_sizes: bool
) -> Iterator[tuple[SourceFile, _Content | SourceError]]:
    """Each file, in their order, with what it holds, or why it cannot be read."""

    def read(file: SourceFile) -> _Content | SourceError:
        try:
            if with_sizes:
                header = read_header(file.uri, options)
                return _Content(header.digest, header.n_bytes, header.size)
            digest, n_bytes = digest_source(file.uri, max_bytes=options.max_file_bytes)
            return _Content(digest, n_bytes, None)
        except SourceError as error:
            return error

    with ThreadPoolExecutor(READERS_OF_HEADERS if with_sizes else READERS) as pool:
        for start in range(0, len(files), FILES_AT_ONCE):
            some = files[start : start + FILES_AT_ONCE]
            yield from zip(some, pool.map(read, some), strict=True)


def archived_in(store: ObjectStore, archive_digest: str) -> frozenset[str]:
    """Digests of the images whose archived record and stored object agree. Raises as `make_plan`."""
    recorded = lookup.archived_objects(store, archive_digest)
    if not recorded:
        return frozenset()
    sizes = {found.key: found.n_bytes for found in store.objects("bitstreams")}
    return frozenset(digest for digest, (key, n_bytes) in recorded.items() if sizes.get(key) == n_bytes)

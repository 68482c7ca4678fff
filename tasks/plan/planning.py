"""The plan of a run: every content of a source that is not archived yet under a config.

The answer comes from the store alone. An image counts as archived if its latest record says so and
the object that the record names is there with the recorded size; so an object that was lost is made
again. A failed image is tried again, unless it failed by its own fault: the same bytes would fail under
the same version of this package in the same way. Such files are known to be bad, and are named and left
alone. A file that cannot be read is looked at each time, and known if its error is that of its latest row.
An archived image that was renamed, copied or put back is to have its row once more, under its names of today;
else a restore would leave it out where another image has its old name.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath

from inr.errors import ConfigError
from tasks.catalogue import lookup
from tasks.catalogue.keys import STORE_FOLDERS
from tasks.catalogue.lookup import Bad, Known
from tasks.catalogue.records import MAX_MESSAGE
from tasks.catalogue.versions import has_its_names, named_today
from tasks.errors import SourceError, TooManyPixels, UnsupportedImage
from tasks.originals.listing import Listing, SourceFile, SourceImage, list_source
from tasks.originals.names import printable, raw_name
from tasks.originals.opening import read_header
from tasks.originals.patterns import Patterns
from tasks.originals.reading import digest_source
from tasks.settings import RunOptions
from tasks.store.locations import place_within
from tasks.store.objects import ObjectStore
from tasks.wording import counted

READERS = 16  # files digested at a time: what costs is waiting for S3 or a disk, hardly ever a core
READERS_OF_HEADERS = 4  # each holds a whole file
FILES_AT_ONCE = 1024  # handed to the readers, so that memory does not grow with the source


@dataclass(frozen=True)
class KnownBad:
    """A file that is left alone, since it has failed by its own fault before.

    Attributes:
        path: Path below the source, fit to be shown.
        reason: Name and message of its error.
        since: Time of the row that says so, in UTC.
    """

    path: str
    reason: str
    since: datetime

    @classmethod
    def of(cls, path: str, bad: Bad) -> "KnownBad":
        """A file with the failure that its latest row has."""
        return cls(path, f"{bad.error_type}: {bad.error_message}", bad.recorded_at)

    def describe(self) -> str:
        """The reason, and since when it is known, for people."""
        return f"{self.reason} (known since {self.since:%Y-%m-%d})"


@dataclass(frozen=True)
class Plan:
    """The images that a run has to archive, and why the rest is not done.

    Attributes:
        images: Contents to archive, in the order of their paths.
        unreadable: Files that could not be digested, with the reason.
        n_archived: Contents that are archived already.
        n_duplicates: Files left out because another file has the same bytes.
        left_out: Files left out by the rule on suffixes, by suffix.
        known_bad: Files that are left alone, since they have failed by their own fault before.
        n_excluded: Files left out by patterns.
        sizes: Digest → width and height of each image by its header, or why it will be refused; empty
            unless they were asked for.
        renamed: Those that are archived already, and whose rows do not have the names that they have now.
    """

    images: tuple[SourceImage, ...]
    unreadable: tuple[tuple[SourceFile, SourceError], ...]
    n_archived: int
    n_duplicates: int
    left_out: dict[str, int]
    known_bad: tuple[KnownBad, ...] = ()
    n_excluded: int = 0
    sizes: dict[str, tuple[int, int] | UnsupportedImage] = field(default_factory=dict)
    renamed: tuple[SourceImage, ...] = ()

    @property
    def n_pixels(self) -> dict[str, int]:
        """Digest → pixels of each image whose size was asked for; 0 where it will be refused."""
        return {
            digest: 0 if isinstance(size, UnsupportedImage) else size[0] * size[1]
            for digest, size in self.sizes.items()
        }

    @property
    def n_to_do(self) -> int:
        """Rows that a run of this plan will write, but for those of images that are archived already."""
        return len(self.images) + len(self.unreadable)

    def describe(self) -> str:
        """One line for people."""
        renamed = f", {len(self.renamed)} of them renamed" if self.renamed else ""
        parts = [f"{len(self.images)} to archive", f"{self.n_archived} archived already{renamed}"]
        if self.n_duplicates:
            parts.append(counted(self.n_duplicates, "duplicate"))
        if self.unreadable:
            parts.append(f"{len(self.unreadable)} unreadable")
        if self.known_bad:
            parts.append(f"{len(self.known_bad)} known to be bad")
        left_out = [f"{count} {suffix}" for suffix, count in self.left_out.items()]
        if self.n_excluded:
            left_out.append(f"{self.n_excluded} by include and exclude")
        if left_out:
            parts.append(f"left out: {', '.join(left_out)}")
        return "; ".join(parts)


def make_plan(
    source: str,
    store: ObjectStore,
    archive_digest: str,
    options: RunOptions,
    *,
    patterns: Patterns = Patterns(),
    retry_bad: bool = False,
    with_sizes: bool = False,
    expect_at_least: int = 0,
) -> Plan:
    """List, digest, and drop what is archived or known to be bad. Reads every file once, writes nothing.

    Args:
        source: A folder or file, or ``s3://bucket/prefix``, see `list_source`.
        store: The archive.
        archive_digest: Digest of the recipe under which the images are to be archived.
        options: Limits of what is read.
        patterns: What is taken of the files of the source.
        retry_bad: True to try files again that are known to be bad.
        with_sizes: True to look at the headers too, in the same read.
        expect_at_least: Files that the patterns must take of the source; fewer are taken for a source that
            is not there, for example a disk that is not mounted.

    Raises:
        ConfigError: The source cannot be listed, or has fewer files.
        CatalogueError, StorageError: The store's catalogue cannot be read.
    """
    listing = _without_the_stores(list_source(source, patterns), place_within(store.url, source))
    if len(listing.files) < expect_at_least:
        least = counted(expect_at_least, "original")
        raise ConfigError(
            f"source {printable(source)}: expected at least {least}, found {len(listing.files)}; "
            "is the name right, and is it mounted?"
        )
    contents, unreadable, sizes = _contents(listing.files, options, with_sizes)
    n_files = len(listing.files) - len(unreadable)
    known = lookup.known(store, archive_digest) if listing.files else Known({}, {}, {})
    done = archived_of(store, known)
    bad = {} if retry_bad else _bad(contents.values(), unreadable, known, sizes, options)
    is_looked_at = _looked_at(listing, patterns, unreadable)
    images = [
        named_today(image, known.named[digest], known.held, is_looked_at) if digest in known.named else image
        for digest, image in contents.items()
    ]
    before = [image for image in images if image.digest in done]
    return Plan(
        images=tuple(image for image in images if image.digest not in {*done, *bad}),
        unreadable=tuple((file, error) for file, error in unreadable if file.uri not in bad),
        n_archived=len(before),
        n_duplicates=n_files - len(contents),
        left_out=listing.left_out,
        known_bad=tuple(sorted(bad.values(), key=lambda found: found.path)),
        n_excluded=listing.n_excluded,
        sizes=sizes,
        renamed=tuple(i for i in before if not has_its_names(i, known.named[i.digest], known.held)),
    )


def _without_the_stores(listing: Listing, place: str | None) -> Listing:
    """A listing without the files of a store whose place lies within the source."""
    if place is None or listing.is_one_file:
        return listing
    own = tuple(f"{place}/{folder}/" for folder in STORE_FOLDERS)
    files = tuple(file for file in listing.files if not file.uri.startswith(own))
    n_own = len(listing.files) - len(files)
    left_out = {**listing.left_out, **({"of the archive itself": n_own} if n_own else {})}
    return replace(listing, files=files, left_out=left_out)


def _contents(
    files: Sequence[SourceFile], options: RunOptions, with_sizes: bool
) -> tuple[
    dict[str, SourceImage],
    list[tuple[SourceFile, SourceError]],
    dict[str, tuple[int, int] | UnsupportedImage],
]:
    """Each content by its digest, the files that cannot be read, and the sizes if they are wanted."""
    contents: dict[str, SourceImage] = {}
    unreadable: list[tuple[SourceFile, SourceError]] = []
    sizes: dict[str, tuple[int, int] | UnsupportedImage] = {}
    for file, found in _read_all(files, options, with_sizes):
        if isinstance(found, SourceError):
            unreadable.append((file, found))
            continue
        if first := contents.get(found.digest):
            contents[found.digest] = replace(first, also_at=(*first.also_at, file.path))
        else:
            contents[found.digest] = SourceImage(found.digest, file.uri, file.path, found.n_bytes)
        if found.size is not None:
            sizes[found.digest] = found.size
    return contents, unreadable, sizes


def _looked_at(
    listing: Listing, patterns: Patterns, unreadable: Iterable[tuple[SourceFile, SourceError]]
) -> Callable[[str], bool]:
    """Tells of the path of a file below the source whether it would have been found if it was there."""
    unread = {file.path for file, _ in unreadable}  # folders among them, and what is below is not known

    def is_looked_at(path: str) -> bool:
        if listing.is_one_file or not patterns.takes(os.fsdecode(raw_name(path))):
            return False
        return unread.isdisjoint((path, *map(str, PurePosixPath(path).parents)))

    return is_looked_at


def _bad(
    images: Iterable[SourceImage],
    unreadable: Iterable[tuple[SourceFile, SourceError]],
    known: Known,
    sizes: dict[str, tuple[int, int] | UnsupportedImage],
    options: RunOptions,
) -> dict[str, KnownBad]:
    """The files that are known to be bad, images by their digest, those that cannot be read by their URI."""
    found = {}
    for image in images:
        bad = known.bad_images.get(image.digest)
        if bad and (bad.error_type != TooManyPixels.__name__ or _is_refused(image, sizes, options)):
            found[image.digest] = KnownBad.of(image.path, bad)
    for file, error in unreadable:
        bad = known.bad_files.get(file.uri)
        if bad and (bad.error_type, bad.error_message) == (type(error).__name__, str(error)[:MAX_MESSAGE]):
            found[file.uri] = KnownBad.of(file.path, bad)
    return found


def _is_refused(
    image: SourceImage, sizes: dict[str, tuple[int, int] | UnsupportedImage], options: RunOptions
) -> bool:
    """Whether the header of an image is refused today, as its limits may have been changed."""
    try:
        size = sizes[image.digest] if image.digest in sizes else read_header(image.uri, options).size
    except SourceError:  # it was read a moment ago: the run says what became of it
        return False
    return isinstance(size, UnsupportedImage)


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
    return archived_of(store, lookup.known(store, archive_digest))


def archived_of(store: ObjectStore, known: Known) -> frozenset[str]:
    """The same, of what is known already."""
    if not known.archived:
        return frozenset()
    sizes = {found.key: found.n_bytes for found in store.objects("bitstreams")}
    return frozenset(digest for digest, (key, n_bytes) in known.archived.items() if sizes.get(key) == n_bytes)

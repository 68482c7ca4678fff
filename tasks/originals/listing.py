"""The originals of a source: list a folder or a prefix in S3, and name each file.

The rule for what is an original: a file whose suffix is one of `SUFFIXES`, in any case, at any depth,
in any state; a file that cannot be read is listed, and becomes a row that says so. Left out are
names that begin with a dot, and every other suffix, which is counted. Links to files are followed,
links to folders are not, so there are no loops; these are counted, too. In S3 the same holds for the parts
of a key, and keys that end in a slash are folders. Of the originals, patterns may choose some
(`tasks.originals.patterns`).
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from inr.errors import ConfigError
from tasks.originals.names import escaped, printable, raw_name
from tasks.originals.patterns import Patterns
from tasks.store.locations import PLACES, S3_SCHEME, local_path

SUFFIXES = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".gif", ".bmp"),
        *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jxl"),
    }
)

FILE, CLOSED_FOLDER, LINKED_FOLDER = "file", "closed folder", "link to a folder"


@dataclass(frozen=True)
class SourceFile:
    """A file found.

    Attributes:
        uri: Its URI, exact for any name.
        path: Its path below the source, fit to be shown.
        is_closed: It is a folder that cannot be listed.
    """

    uri: str
    path: str
    is_closed: bool = False


@dataclass(frozen=True)
class SourceImage:
    """One content to archive, and where it was found.

    Attributes:
        digest: SHA-256 of the file's bytes.
        uri: URI to read it from.
        path: Path below the source, fit to be shown, see `tasks.originals.names.escaped`.
        n_bytes: Size of the file.
        also_at: Paths of other files with the same bytes, in the same form.
    """

    digest: str
    uri: str
    path: str
    n_bytes: int
    also_at: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """The files of a source, sorted by path.

    Attributes:
        files: The originals that are taken.
        left_out: How many files are left out since they are no originals, by suffix, and links to folders.
        n_excluded: How many originals the patterns leave out.
        is_one_file: Whether the source is a file, and not the folder that it lies in.
    """

    files: tuple[SourceFile, ...]
    left_out: dict[str, int]
    n_excluded: int = 0
    is_one_file: bool = False


def list_source(source: str, patterns: Patterns = Patterns()) -> Listing:
    """List a folder, or a single file, given as a path, ``file:`` URI, or ``s3://bucket/prefix``.

    Args:
        source: The place.
        patterns: What is taken of the originals there.

    Raises:
        ConfigError: There is nothing there, or the folder cannot be listed.
        StorageError: The bucket cannot be listed.
    """
    listing = _list_s3(source) if source.startswith(S3_SCHEME) else _list_folder(source)
    taken = tuple(
        file
        for file in listing.files
        if patterns.takes(os.fsdecode(raw_name(file.path)), is_closed=file.is_closed)
    )
    return replace(listing, files=taken, n_excluded=len(listing.files) - len(taken))


def _list_folder(source: str) -> Listing:
    root = local_path(source, PLACES).absolute()
    try:
        if root.is_file():
            return Listing(
                (SourceFile(root.as_uri(), escaped(os.fsencode(root.name))),), {}, is_one_file=True
            )
        os.scandir(root).close()
    except OSError as error:
        raise ConfigError(f"source {printable(str(root))}: {error.strerror}") from error
    files: list[SourceFile] = []
    left_out: Counter[str] = Counter()
    for path, kind in _walk(root):
        if kind == LINKED_FOLDER:
            left_out[LINKED_FOLDER] += 1
        elif kind == CLOSED_FOLDER or path.suffix.lower() in SUFFIXES:
            files.append(SourceFile(path.as_uri(), _local_name(path, root), kind == CLOSED_FOLDER))
        else:
            left_out[printable(path.suffix.lower()) or "no suffix"] += 1
    if left_out[LINKED_FOLDER] > 1:
        left_out["links to folders"] = left_out.pop(LINKED_FOLDER)
    return Listing(tuple(sorted(files, key=lambda file: file.path)), dict(sorted((+left_out).items())))


def _local_name(path: Path, root: Path) -> str:
    return escaped(os.fsencode(path.relative_to(root)))


def _list_s3(source: str) -> Listing:
    from tasks.store import s3

    root = s3.parse_url(source)
    found = {each.key[len(root.key("")) :]: each.key for each in s3.list_keys(root)}
    if not found and s3.exists(root):
        file = SourceFile(root.url, escaped(PurePosixPath(root.prefix).name.encode()))
        return Listing((file,), {}, is_one_file=True)
    if not found:
        raise ConfigError(f"source {source}: there is nothing there")
    files: list[SourceFile] = []
    left_out: Counter[str] = Counter()
    for name, key in found.items():
        suffix = PurePosixPath(name).suffix.lower()
        if name.endswith("/") or any(part.startswith(".") for part in name.split("/")):
            continue
        if suffix in SUFFIXES:
            files.append(SourceFile(s3.Location(root.bucket, key).url, escaped(name.encode())))
        else:
            left_out[printable(suffix) or "no suffix"] += 1
    return Listing(tuple(sorted(files, key=lambda file: file.path)), dict(sorted(left_out.items())))


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """What is no folder at any depth, and the folders that cannot be listed; and the kind of each."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # removed since the folder above was read
        return
    except OSError:
        yield folder, CLOSED_FOLDER
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            yield Path(entry.path), LINKED_FOLDER if _is_linked_folder(entry) else FILE


def _is_linked_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: a file that cannot be read
        return False

"""Row → stored bitstream → image file, compared at every step of the way back.

A row's path below its source becomes a path below the target, with the suffix of the format after
its own if that is another one. Two images of one name are refused; where a name is taken in another
way, by ``a.jpg.png`` beside ``a.jpg``, the second one fails. Files are made whole and never replaced,
and what is to be written is read back first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import Metadata
from inr.errors import ConfigError
from tasks.catalogue.query import query
from tasks.catalogue.records import Archived, Status
from tasks.catalogue.rows import archived_of
from tasks.errors import StorageError, VerificationMismatch
from tasks.originals.lossless import same_metadata
from tasks.originals.opening import open_picture
from tasks.originals.writing import FORMATS
from tasks.steps.threads import use_threads
from tasks.steps.verify import read_intact
from tasks.store.files import create_file
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore

Format = Literal["png", "webp"]
KEPT_FAILURES = 500


@dataclass(frozen=True)
class RestoreJob:
    """The store, the target and the format that all images of a run have in common.

    Attributes:
        store: URL of the archive.
        target: Folder to restore into.
        format: Format of the files written.
        n_threads: Threads of each worker.
    """

    store: str
    target: str
    format: Format
    n_threads: int


@dataclass(frozen=True)
class Restored:
    """The result of one row: files written, files that were there already, and the bytes of all."""

    n_written: int
    n_present: int
    n_bytes: int


@dataclass
class RestoreSummary:
    """The totals of a run of ``restore`` so far.

    Attributes:
        run_id: Names the run.
        store: URL of the archive.
        target: Folder of the files.
        n_planned: Images to restore.
        n_restored: Images whose files are all there now.
        n_written: Files written, copies included.
        n_present: Files that were there already, equal.
        n_bytes: Size of the files.
        n_failed: Images that failed.
        failures: Path and reason of the first `KEPT_FAILURES` of them.
        wall_seconds: Time of the run.
    """

    run_id: str
    store: str
    target: str
    n_planned: int = 0
    n_restored: int = 0
    n_written: int = 0
    n_present: int = 0
    n_bytes: int = 0
    n_failed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    wall_seconds: float = 0.0

    def add(self, restored: Restored) -> None:
        """Count an image."""
        self.n_restored += 1
        self.n_written += restored.n_written
        self.n_present += restored.n_present
        self.n_bytes += restored.n_bytes

    def fail(self, path: str, error: BaseException) -> None:
        """Count a failure."""
        self.n_failed += 1
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append((path, f"{type(error).__name__}: {error}"))

    @property
    def n_done(self) -> int:
        """Number of images so far."""
        return self.n_restored + self.n_failed

    def headline(self) -> str:
        """One line that says what the run did."""
        if not self.n_planned:
            return "nothing to restore: no archived image is selected"
        present = f", {self.n_present} were there" if self.n_present else ""
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        restored = f"{self.n_restored} of {self.n_planned} images restored"
        return f"{restored}: {self.n_written} files written{present}{failed}"


def select(store: ObjectStore, where: str) -> list[Archived]:
    """The archived images that a predicate selects, by path.

    Args:
        store: The archive.
        where: A condition on the columns of ``images``, in SQL.

    Raises:
        ConfigError: The predicate is wrong, or two of the images would become the same file.
        CatalogueError, StorageError: The catalogue cannot be read.
    """
    archived = f"(select * from images where status = '{Status.ARCHIVED}')"
    sql = f"select * from {archived} where (\n{where}\n) order by source_path"
    records = [archived_of(row) for row in query(store, sql).records()]
    _refuse_clashes(records)
    return records


def _refuse_clashes(records: Iterable[Archived]) -> None:
    seen: dict[str, Archived] = {}
    for record in records:
        for name in (record.path, *record.origin.image.also_at):
            other = seen.setdefault(name, record)
            if other is not record:
                differ = _difference(other, record)
                raise ConfigError(f"where: two images are named {name}: choose by {differ}")


def _difference(first: Archived, second: Archived) -> str:
    """The column that distinguishes two images of one name, and its values."""
    a, b = first.origin, second.origin
    if a.image.digest == b.image.digest:
        return f"archive_digest, {a.setting.archive_digest} or {b.setting.archive_digest}"
    return f"source_uri, {a.image.uri} or {b.image.uri}"


def restore_image(record: Archived, job: RestoreJob) -> Restored:
    """Write the files of one archived image, its copies included.

    Raises:
        VerificationMismatch: The stored file is not what the row says, or a file that was written does
            not read back as the same image.
        UnsupportedImage: The format cannot hold the image.
        StorageError: The store cannot be read, the target cannot be written, or a different file of that name
            is there.
    """
    use_threads(job.n_threads)
    store = open_store(job.store)
    decoded, _ = read_intact(store, record.stored)
    data = FORMATS[job.format](decoded.pixels, decoded.metadata)
    _check(record.stored.file.key, data, decoded.pixels, decoded.metadata)
    n_written = n_present = 0
    for name in (record.path, *record.origin.image.also_at):
        path = target_path(Path(job.target), name, job.format)
        if create_file(path, data):
            n_written += 1
        else:
            n_present += 1
    return Restored(n_written, n_present, len(data) * (n_written + n_present))


def target_path(target: Path, name: str, format_: Format) -> Path:
    """The path of an original's restored file.

    Raises:
        StorageError: The name would lead out of the target.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or {"..", "."} & set(parts) or "\0" in name:
        raise StorageError(f"name: expected a path below the source, found {name!r}")
    suffix = f".{format_}"
    last = parts[-1] if parts[-1].lower().endswith(suffix) else parts[-1] + suffix
    return target.joinpath(*parts[:-1], last)


def _check(key: str, data: bytes, pixels: NDArray[np.uint8], metadata: Metadata) -> None:
    """Raise unless another program will see in the file what was decoded."""
    opened = open_picture(data, max_pixels=pixels.shape[0] * pixels.shape[1])
    shown = opened.pixels
    if pixels.shape[2] < 3 and shown.shape[2] >= 3:  # WebP holds grey as RGB
        shown = np.concatenate([shown[:, :, :1], shown[:, :, 3:]], axis=2)
    if not np.array_equal(shown, pixels) or not same_metadata(opened.metadata, metadata):
        raise VerificationMismatch(f"{key}: the file written does not read back as the same image")

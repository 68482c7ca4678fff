"""Row → stored bitstream → image file, compared at every step of the way back.

A row's path below its source becomes a path below the target, with the suffix of the format after its own
if that is another one. What the target cannot hold under that name gets another one, and what the format
cannot hold gets another format; the summary lists each. Files are made whole and never replaced, and what
is to be written is read back first.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inr import Decoded
from inr.bitstream import Metadata
from tasks.catalogue.versions import names_of
from tasks.errors import StorageError, UnsupportedImage, VerificationMismatch
from tasks.originals.forms import lifted
from tasks.originals.lossless import same_metadata
from tasks.originals.names import escaped, plain_path, target_path
from tasks.originals.opening import open_picture
from tasks.originals.writing import FORMATS
from tasks.plan.restoring import Restoring
from tasks.steps.threads import use_threads
from tasks.steps.verify import read_intact
from tasks.store.files import create_file
from tasks.store.locations import local_path, open_store
from tasks.wording import counted

Format = Literal["png", "webp"]
KEPT_FAILURES = 500

# What a system says of a path that its disk cannot hold: too long, of other characters, a file in place of a
# folder, or the reverse; or that another file has, from before, or where small letters are large ones, too.
NOT_HELD = frozenset(
    {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
)


@dataclass(frozen=True)
class RestoreJob:
    """The store, the target and the format that all images of a run have in common.

    Attributes:
        store: URL of the archive.
        target: Folder to restore into, as a path or ``file:`` URI.
        format: Format of the files written.
        n_threads: Threads of each worker.
    """

    store: str
    target: str
    format: Format
    n_threads: int


@dataclass(frozen=True)
class Restored:
    """The result of one row.

    Attributes:
        n_written: Files written.
        n_present: Files that were there already.
        n_bytes: Bytes of all of these.
        renamed: Each name, as its row has it, whose file got another one, and that path below the target.
    """

    n_written: int
    n_present: int
    n_bytes: int
    renamed: tuple[tuple[str, str], ...] = ()


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
        renamed: Every name whose file got another one, and that path below the target.
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
    renamed: list[tuple[str, str]] = field(default_factory=list)
    wall_seconds: float = 0.0

    def add(self, restored: Restored) -> None:
        """Count an image."""
        self.n_restored += 1
        self.n_written += restored.n_written
        self.n_present += restored.n_present
        self.n_bytes += restored.n_bytes
        self.renamed += restored.renamed

    def fail(self, path: str, error: BaseException) -> None:
        """Count a failure."""
        self.n_failed += 1
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append((path, f"{type(error).__name__}: {error}"))

    @property
    def n_done(self) -> int:
        """Number of images so far."""
        return self.n_restored + self.n_failed

    @property
    def n_bad(self) -> int:
        """None: what is in an archive was no bad original."""
        return 0

    def headline(self) -> str:
        """One line that says what the run did."""
        if not self.n_planned:
            return "nothing to restore: no archived image is selected"
        present = f", {self.n_present} there already" if self.n_present else ""
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        renamed = f", {len(self.renamed)} under another name" if self.renamed else ""
        restored = f"{self.n_restored} of {counted(self.n_planned, 'image')} restored"
        return f"{restored}: {counted(self.n_written, 'file')} written{present}{renamed}{failed}"


def restore_image(wanted: Restoring, job: RestoreJob) -> Restored:
    """Write the files of one archived image, its copies included.

    Raises:
        VerificationMismatch: The stored file is not what the row says, or a file that was written does
            not read back as the same image.
        UnsupportedImage: No format can hold the image.
        StorageError: The store cannot be read, or the target cannot be written.
    """
    use_threads(job.n_threads)
    record, target = wanted.record, local_path(job.target)
    decoded, _ = read_intact(open_store(job.store), record.stored)
    format_, data = _file_of(decoded, record.stored.file.key, job.format)
    n_written, renamed, names = 0, [], names_of(record)
    for name, is_own in zip(names, wanted.own_names, strict=True):
        path, is_new = _written(_places(wanted, name, target, format_, is_own=is_own), data)
        n_written += is_new
        if not is_own or path != target_path(target, name, f".{job.format}"):
            renamed.append((name, escaped(os.fsencode(path.relative_to(target)))))
    return Restored(n_written, len(names) - n_written, len(data) * len(names), tuple(renamed))


def _file_of(decoded: Decoded, key: str, wanted: Format) -> tuple[str, bytes]:
    """The format that holds an image, the one that is wanted if it can, and the file."""
    errors: list[UnsupportedImage] = []
    for format_ in sorted(FORMATS, key=lambda format_: format_ != wanted):
        try:
            data = FORMATS[format_](decoded.pixels, decoded.metadata)
            _check(key, data, decoded.pixels, decoded.metadata)
        except UnsupportedImage as error:
            errors.append(error)
        else:
            return format_, data
    raise errors[0]


def _places(
    wanted: Restoring, name: str, target: Path, format_: str, *, is_own: bool
) -> Iterator[tuple[Path, bool]]:
    """Paths for a file, the best one first, and whether another one follows."""
    setting, image = wanted.record.origin.setting, wanted.record.origin.image
    marks, suffix = f"{image.digest[:12]}-{setting.archive_digest[:8]}", f".{format_}"
    if is_own:
        yield target_path(target, name, suffix), True
    yield plain_path(target, name, marks, suffix, in_its_folder=True), True
    yield plain_path(target, name, marks, suffix, in_its_folder=False), False


def _written(places: Iterator[tuple[Path, bool]], data: bytes) -> tuple[Path, bool]:
    """The first path that the target can hold, and whether the file is new there."""
    for path, has_next in places:
        try:
            return path, create_file(path, data)
        except StorageError as error:
            cause = error.__cause__
            if not (has_next and isinstance(cause, OSError) and cause.errno in NOT_HELD):
                raise
    raise AssertionError("the last place is returned or raised")


def _check(key: str, data: bytes, pixels: NDArray[np.uint8], metadata: Metadata) -> None:
    """Raise unless another program will see in the file what was decoded."""
    opened = open_picture(data, max_pixels=pixels.shape[0] * pixels.shape[1])
    try:
        shown = lifted(opened.pixels, pixels.shape[2])  # WebP holds grey as RGB, and no alpha that is opaque
    except UnsupportedImage:  # colours or alpha that the image does not have
        shown = opened.pixels
    if not np.array_equal(shown, pixels) or not same_metadata(opened.metadata, metadata):
        raise VerificationMismatch(f"{key}: the file written does not read back as the same image")

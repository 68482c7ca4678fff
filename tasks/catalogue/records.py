"""An image at each stage of its life, as the tasks know it.

A file of a source is `Listed`; once it was read it is `Planned`; once its file is in the store it is
`Stored`; once that was verified it is `Archived`. `Failed` is the other end, reached from any of the first
three. Every class is frozen and complete: None is a value only where an attribute says what it means.
`tasks.catalogue.rows` makes the row of the table ``images`` of each end; CATALOGUE.md describes it.
"""

import functools
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version

import inr
from inr.bitstream import FORMAT_VERSION
from tasks.catalogue.recipe import Recipe, Setting
from tasks.errors import TooManyPixels, UnsuitableFile, UnsupportedImage
from tasks.originals.listing import SourceFile, SourceImage

# The errors of a file that could not be read, and of an image that was, which are its own fault. That an
# image which was read is a file no more is another one's.
BAD_FILES = frozenset({UnsuitableFile.__name__})
BAD_IMAGES = frozenset({UnsupportedImage.__name__, TooManyPixels.__name__})
MAX_MESSAGE = 2000  # characters of an error that a row keeps
LOSSLESS = "lossless"  # in place of the model, where a file without loss is stored


class Status(StrEnum):
    """The ways in which an image ends, as rows of ``images`` have them; given up it has no file any more."""

    ARCHIVED = "archived"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Maker:
    """The program that made something, and the kind of machine that it ran on."""

    format_version: int
    encoder_version: str
    torch_version: str
    python_version: str
    machine: str

    @classmethod
    def here(cls) -> "Maker":
        """This program on this machine."""
        return cls(
            format_version=FORMAT_VERSION,
            encoder_version=inr.__version__,
            torch_version=_torch_version(),
            python_version=platform.python_version(),
            machine=f"{platform.system()} {platform.machine()}",
        )


@functools.cache
def _torch_version() -> str:
    return version("torch")  # read from a file, which takes milliseconds each time


@dataclass(frozen=True)
class Listed:
    """A file of a source that could not be read, so that only its place is known."""

    run_id: str
    file: SourceFile
    setting: Setting
    maker: Maker

    @classmethod
    def of(cls, run_id: str, recipe: Recipe, file: SourceFile) -> "Listed":
        """A file of a run that begins now, under a recipe."""
        return cls(run_id, file, Setting.of(recipe), Maker.here())

    @property
    def path(self) -> str:
        """Path below the source, fit to be shown."""
        return self.file.path


@dataclass(frozen=True)
class Planned:
    """An image of which only the bytes of its file were looked at."""

    run_id: str
    image: SourceImage
    setting: Setting
    maker: Maker

    @classmethod
    def of(cls, run_id: str, recipe: Recipe, image: SourceImage) -> "Planned":
        """An image of a run that begins now, under a recipe."""
        return cls(run_id, image, Setting.of(recipe), Maker.here())

    @property
    def path(self) -> str:
        """Path below the source, fit to be shown."""
        return self.image.path


@dataclass(frozen=True)
class PictureFacts:
    """The facts of an original that were seen when it was opened.

    Attributes:
        source_format: The file's format, as Pillow names it.
        source_mode: The file's colour mode, as Pillow names it.
        width: Pixels, after orientation.
        height: Pixels, after orientation.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
        icc_n_bytes: Size of the ICC profile; 0 without one.
        exif_n_bytes: Size of the EXIF block; 0 without one.
        notes: Sentences on what was converted or dropped, and on why it is stored as it is.
    """

    source_format: str
    source_mode: str
    width: int
    height: int
    channels: int
    icc_n_bytes: int
    exif_n_bytes: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Effort:
    """The fits and the time that it took to make a file.

    Attributes:
        attempts: Fits, restarts aside; 0 where none was needed.
        restarts: Fits that collapsed and were begun again with another seed.
        refits: Fits with a smaller λ that the contract took; None without a contract.
        fit_seconds: Time from the start of the encoder to the last report of a fit; of images that were
            fitted together, each one's share of it.
        encode_seconds: Time in the encoder, shared likewise.
        device: Device of the fits, ``cpu`` or ``cuda``; None if no fit came to its end.
        n_threads: Threads of each fit.
        n_steps: Optimiser steps of a whole fit; None where no fit was begun.
        budget_seconds: Time of the image, in seconds, for which these were chosen; None if they were not.
    """

    attempts: int
    restarts: int
    refits: int | None
    fit_seconds: float
    encode_seconds: float
    device: str | None
    n_threads: int
    n_steps: int | None
    budget_seconds: float | None


@dataclass(frozen=True)
class StoredFile:
    """An object of the store, with the digests of what it decodes to.

    Attributes:
        key: Key of the object.
        bitstream_digest: SHA-256 of its bytes.
        symbols_digest: SHA-256 of its symbols; a file without loss has none, and the digest of nothing.
        pixels_digest: SHA-256 of its pixels.
        n_bytes: Size of the object.
        rate_bpp: 8 · `n_bytes` over the image's pixels.
        psnr_db: PSNR of its pixels against the original, in dB, as the encoder measured it; colours of fully
            transparent pixels count only where the config keeps them.
    """

    key: str
    bitstream_digest: str
    symbols_digest: str
    pixels_digest: str
    n_bytes: int
    rate_bpp: float
    psnr_db: float


@dataclass(frozen=True)
class NetworkFacts:
    """The network of a bitstream: λ of its fit, its weights and latents, and the estimate of the file's bits.

    A bitstream of the mean colour alone has no weights.
    """

    rd_lambda: float
    n_parameters: int
    estimated_rate_bits: float


@dataclass(frozen=True)
class Stored:
    """An image whose file is in the store, and not verified yet.

    Attributes:
        planned: The image as it was planned.
        picture: Facts of the original.
        effort: Fits and time.
        file: The object.
        network: The network; None for a file without loss.
    """

    planned: Planned
    picture: PictureFacts
    effort: Effort
    file: StoredFile
    network: NetworkFacts | None

    @property
    def path(self) -> str:
        """Path below the source, fit to be shown."""
        return self.planned.path

    @property
    def model(self) -> str:
        """The model as rows have it: `LOSSLESS` for a file without loss."""
        return LOSSLESS if self.network is None else self.planned.setting.model


@dataclass(frozen=True)
class Verification:
    """The stored file, measured against its original.

    Attributes:
        psnr_db: PSNR over all channels of the 8-bit images, in dB, without the colours of fully transparent
            pixels unless the config keeps them; infinite if all that counts is equal.
        ms_ssim: MS-SSIM, 0 to 1; None for images too small for it.
        decode_seconds: Time to decode.
        verify_seconds: Time for all of the verification.
        verified_at: Time at which it ended, in UTC.
    """

    psnr_db: float
    ms_ssim: float | None
    decode_seconds: float
    verify_seconds: float
    verified_at: datetime


@dataclass(frozen=True)
class Archived:
    """An image whose stored file was verified."""

    stored: Stored
    verification: Verification
    recorded_at: datetime

    @property
    def origin(self) -> Planned:
        """The image as it was listed or planned."""
        return self.stored.planned

    @property
    def path(self) -> str:
        """Path below the source, fit to be shown."""
        return self.stored.path


@dataclass(frozen=True)
class Failed:
    """An image that could not be archived.

    Attributes:
        known: The last stage that it reached.
        error_type: Name of the error that ended it.
        error_message: Message of that error.
        recorded_at: Time at which it failed, in UTC.
    """

    known: Listed | Planned | Stored
    error_type: str
    error_message: str
    recorded_at: datetime

    @classmethod
    def of(cls, known: Listed | Planned | Stored, error: BaseException) -> "Failed":
        """The failure that an error is; its message is cut after `MAX_MESSAGE` characters."""
        name = type(error).__name__
        return cls(known, name, str(error)[:MAX_MESSAGE] or name, now())

    @property
    def origin(self) -> Listed | Planned:
        """The image as it was listed or planned."""
        return self.known.planned if isinstance(self.known, Stored) else self.known

    @property
    def is_bad(self) -> bool:
        """Whether it failed by its own fault, and not by one of the store, a worker or this program."""
        return self.error_type in (BAD_IMAGES if isinstance(self.origin, Planned) else BAD_FILES)

    @property
    def stored(self) -> Stored | None:
        """The image as it was stored before it failed; None if it failed before it was stored."""
        return self.known if isinstance(self.known, Stored) else None

    @property
    def path(self) -> str:
        """Path below the source, fit to be shown."""
        return self.known.path


Outcome = Archived | Failed


def now() -> datetime:
    """The time, in UTC, as rows carry it."""
    return datetime.now(UTC)

"""Stored bitstream → decoded again → compared, by the rules of "verified means" (law 2).

Everything is compared with what is in the store now, not with what an encoder had in memory.
"""

import dataclasses
import hashlib
import math
import time
from dataclasses import dataclass
from datetime import datetime

import torch
from prefect import task

import inr
from inr import BitstreamError, Decoded, Metadata
from inr.metrics import ms_ssim, psnr_db
from tasks.catalogue.records import ARCHIVED, LOSSLESS, CatalogueRecord, now
from tasks.errors import ObjectMissing, UnsupportedImage, VerificationMismatch
from tasks.originals.listing import SourceImage
from tasks.originals.lossless import decode_lossless, same_metadata
from tasks.originals.opening import Picture, open_original
from tasks.plan import claims
from tasks.steps.compress import ArchiveJob
from tasks.store.locations import open_store
from tasks.store.objects import MAX_BITSTREAM_BYTES, ObjectStore

PSNR_TOLERANCE_DB = 1e-6


@dataclass(frozen=True)
class VerificationReport:
    """What the decoded file is like, measured against its original.

    Attributes:
        psnr_db: PSNR over all channels of the 8-bit images, in dB; infinite if they are equal.
        ms_ssim: MS-SSIM; None for images too small for it.
        decode_seconds: Time to decode.
        verify_seconds: Time for all of the verification.
        verified_at: When it ended, in UTC.
    """

    psnr_db: float
    ms_ssim: float | None
    decode_seconds: float
    verify_seconds: float
    verified_at: datetime


@task(task_run_name="verify {image.path}")
def verify(image: SourceImage, record: CatalogueRecord, job: ArchiveJob) -> CatalogueRecord:
    """Prefect's view of `verify_image`."""
    return verify_image(image, record, job)


def verify_image(image: SourceImage, record: CatalogueRecord, job: ArchiveJob) -> CatalogueRecord:
    """Verify what `compress` stored, against the original; what does not hold is removed.

    Returns:
        The row with status ``archived``.

    Raises:
        VerificationMismatch: The stored bitstream is not what the row says.
        SourceError, StorageError: The original or the store cannot be read.
    """
    store = open_store(job.store)
    torch.set_num_threads(job.n_threads)
    started = time.perf_counter()
    picture = open_original(image, job.options)
    try:
        report = verify_bitstream(store, record, picture, started)
    except VerificationMismatch:
        claims.discard(store, record)
        raise
    return dataclasses.replace(
        record,
        **{field.name: getattr(report, field.name) for field in dataclasses.fields(report)},
        status=ARCHIVED,
        recorded_at=now(),
    )


def verify_bitstream(
    store: ObjectStore, record: CatalogueRecord, original: Picture, started: float
) -> VerificationReport:
    """Decode the stored bitstream of a row and compare it with the row and the original.

    Args:
        store: Where the bitstream is.
        record: A row with status ``stored`` or ``archived``.
        original: The picture that was encoded.
        started: `time.perf_counter` when verification began.

    Raises:
        VerificationMismatch: Any of digest, container, symbols, pixels, metadata, PSNR disagrees.
        StorageError: The store cannot be read.
    """
    decoded, decode_seconds = read_intact(store, record)
    _equal(record, "image size", original.pixels.shape, decoded.pixels.shape)
    if not _same_metadata(record, original.metadata, decoded.metadata):
        _mismatch(record, "metadata", original.metadata, decoded.metadata)
    measured = psnr_db(reference=original.pixels, decoded=decoded.pixels)
    claimed = record.psnr_db if record.psnr_db is not None else math.nan
    if not (measured == claimed or abs(measured - claimed) <= PSNR_TOLERANCE_DB):
        _mismatch(record, "PSNR in dB", claimed, measured)
    if record.min_psnr_db is not None and measured < record.min_psnr_db:
        _mismatch(record, "PSNR in dB, by contract", f"at least {record.min_psnr_db}", measured)
    quality = ms_ssim(reference=original.pixels, decoded=decoded.pixels)
    return VerificationReport(measured, quality, decode_seconds, time.perf_counter() - started, now())


def read_intact(store: ObjectStore, record: CatalogueRecord) -> tuple[Decoded, float]:
    """What a row's stored bitstream decodes to, and the seconds that decoding took.

    Raises:
        VerificationMismatch: Digest, size, container, symbols or pixels are not the row's, or it is missing.
        StorageError: The store cannot be read.
    """
    decoded, decode_seconds = _decoded(_stored(store, record), record)
    _equal(record, "symbols digest", record.symbols_digest, decoded.symbols_digest)
    _equal(record, "pixels digest", record.pixels_digest, decoded.pixels_digest)
    return decoded, decode_seconds


def _stored(store: ObjectStore, record: CatalogueRecord) -> bytes:
    expected = record.n_bytes or 0
    try:
        bitstream = store.get(record.key or "", max_bytes=max(expected, MAX_BITSTREAM_BYTES))
    except ObjectMissing as error:
        raise VerificationMismatch(str(error)) from error
    _equal(record, "SHA-256", record.bitstream_digest, hashlib.sha256(bitstream).hexdigest())
    _equal(record, "size in bytes", expected, len(bitstream))
    return bitstream


def _decoded(bitstream: bytes, record: CatalogueRecord) -> tuple[Decoded, float]:
    started = time.perf_counter()
    try:
        if record.model == LOSSLESS:
            decoded = decode_lossless(bitstream, max_pixels=(record.width or 1) * (record.height or 1))
        else:
            decoded = inr.decode(bitstream)
    except (BitstreamError, UnsupportedImage) as error:
        raise VerificationMismatch(f"{record.key}: {type(error).__name__}: {error}") from error
    return decoded, time.perf_counter() - started


def _same_metadata(record: CatalogueRecord, original: Metadata, decoded: Metadata) -> bool:
    return same_metadata(original, decoded) if record.model == LOSSLESS else original == decoded


def _equal(record: CatalogueRecord, what: str, expected: object, found: object) -> None:
    if expected != found:
        _mismatch(record, what, expected, found)


def _mismatch(record: CatalogueRecord, what: str, expected: object, found: object) -> None:
    raise VerificationMismatch(f"{record.key}: {what}: expected {expected!s:.200}, found {found!s:.200}")

"""Stored file → decoded again → compared with the encoder's digests and with the original (law 2).

Everything is compared with what is in the store now, not with what an encoder had in memory.
"""

import hashlib
import time
from typing import NoReturn

import inr
from inr import BitstreamError, Decoded, Metadata
from inr.metrics import ms_ssim, psnr_db, visible_pixels
from tasks.catalogue.records import Archived, Stored, Verification, now
from tasks.errors import MemoryTooSmall, ObjectMissing, UnsupportedImage, VerificationMismatch
from tasks.originals.lossless import decode_lossless, same_metadata
from tasks.originals.opening import Picture, open_original
from tasks.plan import claims
from tasks.steps.jobs import ArchiveJob
from tasks.steps.threads import use_threads
from tasks.store.locations import open_store
from tasks.store.objects import MAX_BITSTREAM_BYTES, ObjectStore

PSNR_TOLERANCE_DB = 1e-6


def verify_image(stored: Stored, job: ArchiveJob) -> Archived:
    """Verify what `compress` stored, against the original; what does not hold is removed.

    Raises:
        VerificationMismatch: The stored file is not what was encoded.
        SourceError, UnsupportedImage: The original cannot be read, or has changed.
        StorageError: The store cannot be read.
    """
    use_threads(job.n_threads, with_torch=True)
    store = open_store(job.store)
    started = time.perf_counter()
    picture = open_original(stored.planned.image, job.options)
    try:
        verification = verify_stored(store, stored, picture, started)
    except VerificationMismatch:
        claims.discard(store, stored)
        raise
    return Archived(stored, verification, now())


def verify_stored(store: ObjectStore, stored: Stored, original: Picture, started: float) -> Verification:
    """Decode a stored file and compare it with its record and with the original.

    Args:
        store: The store that holds the file.
        stored: The image as it was stored.
        original: The picture that was encoded.
        started: `time.perf_counter` when verification began.

    Raises:
        VerificationMismatch: Any of digest, container, symbols, pixels, metadata, PSNR disagrees.
        StorageError: The store cannot be read.
    """
    decoded, decode_seconds = read_intact(store, stored)
    _equal(stored, "image size", original.pixels.shape, decoded.pixels.shape)
    if not _same_metadata(stored, original.metadata, decoded.metadata):
        _mismatch(stored, "metadata", original.metadata, decoded.metadata)
    setting, reference = stored.planned.setting, original.pixels
    visible = None if setting.keeps_hidden else visible_pixels(reference)
    measured = psnr_db(reference=reference, decoded=decoded.pixels, visible=visible)
    claimed = stored.file.psnr_db
    if not (measured == claimed or abs(measured - claimed) <= PSNR_TOLERANCE_DB):
        _mismatch(stored, "PSNR in dB", claimed, measured)
    least = setting.min_psnr_db
    if least is not None and measured < least:
        _mismatch(stored, "PSNR in dB, by contract", f"at least {least}", measured)
    shown = decoded.pixels if visible is None else decoded.pixels.copy()
    if visible is not None:
        shown[~visible, :-1] = reference[~visible, :-1]
    quality = ms_ssim(reference=reference, decoded=shown)
    return Verification(measured, quality, decode_seconds, time.perf_counter() - started, now())


def read_intact(store: ObjectStore, stored: Stored) -> tuple[Decoded, float]:
    """Read and decode a stored file; returns the decoded image, and the seconds that decoding took.

    Raises:
        VerificationMismatch: The file is missing, or differs in digest, size, container, symbols or pixels.
        StorageError: The store cannot be read.
    """
    decoded, decode_seconds = _decoded(_read(store, stored), stored)
    _equal(stored, "symbols digest", stored.file.symbols_digest, decoded.symbols_digest)
    _equal(stored, "pixels digest", stored.file.pixels_digest, decoded.pixels_digest)
    return decoded, decode_seconds


def _read(store: ObjectStore, stored: Stored) -> bytes:
    file = stored.file
    try:
        data = store.get(file.key, max_bytes=max(file.n_bytes, MAX_BITSTREAM_BYTES))
    except ObjectMissing as error:
        raise VerificationMismatch(str(error)) from error
    _equal(stored, "SHA-256", file.bitstream_digest, hashlib.sha256(data).hexdigest())
    _equal(stored, "size in bytes", file.n_bytes, len(data))
    return data


def _decoded(data: bytes, stored: Stored) -> tuple[Decoded, float]:
    started = time.perf_counter()
    try:
        if stored.network is None:
            facts = stored.picture
            n_pixels = facts.width * facts.height
            decoded = decode_lossless(data, max_pixels=n_pixels, channels=facts.channels)
        else:
            decoded = inr.decode(data)
    except MemoryTooSmall:  # says nothing about the file
        raise
    except (BitstreamError, UnsupportedImage) as error:
        raise VerificationMismatch(f"{stored.file.key}: {type(error).__name__}: {error}") from error
    return decoded, time.perf_counter() - started


def _same_metadata(stored: Stored, original: Metadata, decoded: Metadata) -> bool:
    return same_metadata(original, decoded) if stored.network is None else original == decoded


def _equal(stored: Stored, what: str, expected: object, found: object) -> None:
    if expected != found:
        _mismatch(stored, what, expected, found)


def _mismatch(stored: Stored, what: str, expected: object, found: object) -> NoReturn:
    message = f"{what}: expected {expected!s:.200}, found {found!s:.200}"
    raise VerificationMismatch(f"{stored.file.key}: {message}")

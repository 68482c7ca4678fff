"""One image → stored bitstream, or lossless file, and the row of what was made, not yet verified.

Order of writes: the claim, then the bitstream. Both are conditional, so of two runs that race for
one image the first to store wins, and the other takes over the winner's claim.
"""

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from prefect import get_run_logger, task

import inr
from inr import CodecConfig, Contract, Encoded, Progress
from inr.metrics import bpp
from inr.network import digest_pixels, digest_symbols
from tasks.catalogue import lookup
from tasks.catalogue.contract import Fitted, fit_to_contract
from tasks.catalogue.records import (
    BITSTREAM_SUFFIX,
    LOSSLESS,
    STORED,
    CatalogueRecord,
    now,
    object_key,
    planned_record,
)
from tasks.errors import StorageError
from tasks.originals.listing import SourceImage
from tasks.originals.lossless import lossless_suffix, to_lossless
from tasks.originals.opening import Picture, open_original
from tasks.plan import claims
from tasks.plan.claims import Claim
from tasks.settings import Device, RunOptions
from tasks.steps.deadlines import FitWatch, at_most_every
from tasks.store.locations import open_store
from tasks.store.objects import MAX_BITSTREAM_BYTES, ObjectStore

SECONDS_BETWEEN_LOG_LINES = 30.0


@dataclass(frozen=True, kw_only=True)
class ArchiveJob:
    """What every image of a run has in common.

    Attributes:
        run_id: Names the run in rows and part names.
        store: URL of the store.
        config: How to encode.
        options: How to work.
        n_threads: Torch threads per fit.
        contract: What every image must reach, if anything.
    """

    run_id: str
    store: str
    config: CodecConfig
    options: RunOptions
    n_threads: int = 1
    contract: Contract | None = None


@task(task_run_name="compress {image.path}")
def compress(image: SourceImage, job: ArchiveJob) -> CatalogueRecord:
    """Prefect's view of `compress_image`."""
    logger = get_run_logger()
    return compress_image(image, job, report=at_most_every(SECONDS_BETWEEN_LOG_LINES, _log_with(logger.info)))


def compress_image(
    image: SourceImage, job: ArchiveJob, *, report: Callable[[Progress], None] | None = None
) -> CatalogueRecord:
    """Encode an image and store it, or take over what a killed run left stored.

    Returns:
        The row with status ``stored``: all but what verification adds.

    Raises:
        SourceError: The file changed since it was planned, or cannot be read.
        UnsupportedImage: See `tasks.originals.opening`.
        EncodeError: The fit failed or ran out of time.
        StorageError: The store refused.
    """
    store = open_store(job.store)
    planned = planned_record(job.run_id, job.config, image, job.contract)
    if claim := claims.claimed(store, image.digest, planned.archive_digest):
        return _taken_over(claim, planned)
    picture = open_original(image, job.options)
    torch.set_num_threads(job.n_threads)
    watch = FitWatch(run_id=job.run_id, deadline_seconds=job.options.deadline_seconds, report=report)
    started = time.perf_counter()
    fitted = fit_to_contract(
        job.config, job.contract, lambda config: fit(picture, config, job.options.device, watch)[0]
    )
    data = fitted.encodings[-1].bitstream if fitted.is_met else to_lossless(picture)
    suffix = BITSTREAM_SUFFIX if fitted.is_met else lossless_suffix(data)
    record = dataclasses.replace(
        planned,
        **_of_picture(picture),
        **_of_fits(fitted, job.contract),
        **(_of_encoded(fitted.encodings[-1]) if fitted.is_met else _of_lossless(picture)),
        **_of_file(data, picture),
        status=STORED,
        recorded_at=now(),
        key=object_key(image.digest, planned.archive_digest, suffix),
        fit_seconds=watch.fit_seconds,
        encode_seconds=time.perf_counter() - started,
        n_threads=job.n_threads,
    )
    if job.contract and not fitted.is_met:
        record = dataclasses.replace(record, notes=(*record.notes, fitted.describe(job.contract)))
    return store_claimed(store, Claim(record, _history(fitted)), data)


def fit(picture: Picture, config: CodecConfig, device: Device, watch: FitWatch) -> tuple[Encoded, float]:
    """Encode a picture; returns what came of it and the seconds that it took."""
    started = time.perf_counter()
    encoded = inr.encode(picture.pixels, config, metadata=picture.metadata, device=device, on_progress=watch)
    return encoded, time.perf_counter() - started


def store_claimed(store: ObjectStore, claim: Claim, bitstream: bytes) -> CatalogueRecord:
    """Store claim and bitstream; returns the row that belongs to what is stored in the end."""
    record = claim.record
    image_digest, key = record.image_digest or "", record.key or ""
    claims.write_claim(store, claim)
    if store.put(key, bitstream):
        return record
    stored = hashlib.sha256(store.get(key, max_bytes=MAX_BITSTREAM_BYTES)).hexdigest()
    if stored == record.bitstream_digest:
        return record
    if other := claims.read_claim(store, image_digest, record.archive_digest, stored):
        return _taken_over(other, record)
    recorded = lookup.find(store, image_digest, record.archive_digest)
    if recorded is not None and recorded.bitstream_digest == stored:
        return dataclasses.replace(recorded, run_id=record.run_id, status=STORED)
    store.delete(key)  # neither claimed nor recorded: nobody can say what it is
    if not store.put(key, bitstream):
        raise StorageError(f"{key}: another writer is replacing it")
    return record


def _taken_over(claim: Claim, planned: CatalogueRecord) -> CatalogueRecord:
    return dataclasses.replace(
        claim.record,
        run_id=planned.run_id,
        source_uri=planned.source_uri,
        source_path=planned.source_path,
        also_at=planned.also_at,
    )


def _of_picture(picture: Picture) -> dict[str, Any]:
    height, width, channels = picture.pixels.shape
    return {
        "source_format": picture.format,
        "source_mode": picture.mode,
        "width": width,
        "height": height,
        "channels": channels,
        "icc_n_bytes": len(picture.metadata.icc_profile or b""),
        "exif_n_bytes": len(picture.metadata.exif or b""),
        "notes": picture.notes,
    }


def _of_file(data: bytes, picture: Picture) -> dict[str, Any]:
    height, width, _ = picture.pixels.shape
    return {
        "bitstream_digest": hashlib.sha256(data).hexdigest(),
        "n_bytes": len(data),
        "rate_bpp": bpp(n_bytes=len(data), width=width, height=height),
    }


def _of_fits(fitted: Fitted, contract: Contract | None) -> dict[str, Any]:
    return {
        "attempts": fitted.n_attempts,
        "restarts": sum(encoded.restarts for encoded in fitted.encodings),
        "refits": max(0, len(fitted.encodings) - 1) if contract else None,
        "device": fitted.encodings[-1].device if fitted.encodings else None,
    }


def _of_lossless(picture: Picture) -> dict[str, Any]:
    return {
        "model": LOSSLESS,
        "symbols_digest": digest_symbols(()),
        "pixels_digest": digest_pixels(picture.pixels),
        "psnr_db": math.inf,
    }


def _of_encoded(encoded: Encoded) -> dict[str, Any]:
    return {
        "symbols_digest": encoded.symbols_digest,
        "pixels_digest": encoded.pixels_digest,
        "rd_lambda": encoded.rd_lambda,
        "n_parameters": encoded.n_parameters,
        "estimated_rate_bits": encoded.estimated_rate_bits,
        "psnr_db": encoded.psnr_db,
    }


def _history(fitted: Fitted) -> tuple[Progress, ...]:
    """Every report of every fit, numbered through."""
    points: list[Progress] = []
    for encoded in fitted.encodings:
        before = points[-1].attempt if points else 0
        points += [dataclasses.replace(point, attempt=before + point.attempt) for point in encoded.history]
    return tuple(points)


def _log_with(log: Callable[[str], None]) -> Callable[[Progress], None]:
    def line(progress: Progress) -> None:
        log(
            f"attempt {progress.attempt}, step {progress.step} of {progress.n_steps}: "
            f"{progress.estimated_bpp:.3f} bpp, {progress.psnr_db:.2f} dB"
        )

    return line

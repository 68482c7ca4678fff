"""One image → its file in the store, a bitstream or a file without loss, not yet verified.

Order of writes: the claim, then the file. Both are conditional, so of two runs that race for one image the
first to store wins, and the other takes over the winner's claim.
"""

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable

import torch
from prefect import get_run_logger, task

import inr
from inr import CodecConfig, Encoded, Progress
from inr.metrics import bpp
from inr.network import digest_pixels, digest_symbols
from tasks.catalogue import lookup
from tasks.catalogue.contract import Fitted, fit_to_contract
from tasks.catalogue.keys import BITSTREAM_SUFFIX, object_key
from tasks.catalogue.records import Effort, NetworkFacts, PictureFacts, Planned, Stored, StoredFile
from tasks.errors import StorageError
from tasks.originals.listing import SourceImage
from tasks.originals.lossless import lossless_suffix, to_lossless
from tasks.originals.opening import Picture, open_original
from tasks.plan import claims
from tasks.plan.claims import Claim
from tasks.settings import Device
from tasks.steps.deadlines import FitWatch, at_most_every
from tasks.steps.jobs import ArchiveJob
from tasks.store.locations import open_store
from tasks.store.objects import MAX_BITSTREAM_BYTES, ObjectStore

SECONDS_BETWEEN_LOG_LINES = 30.0


@task(task_run_name="compress {image.path}")
def compress(image: SourceImage, job: ArchiveJob) -> Stored:
    """Prefect's view of `compress_image`."""
    logger = get_run_logger()
    return compress_image(image, job, report=at_most_every(SECONDS_BETWEEN_LOG_LINES, _log_with(logger.info)))


def compress_image(
    image: SourceImage, job: ArchiveJob, *, report: Callable[[Progress], None] | None = None
) -> Stored:
    """Encode an image and store it, or take over what a killed run left stored.

    Raises:
        SourceError: The file changed since it was planned, or cannot be read.
        UnsupportedImage: See `tasks.originals.opening`.
        EncodeError: The fit failed or ran out of time.
        StorageError: The store refused.
    """
    store = open_store(job.store)
    planned = Planned.of(job.run_id, job.recipe, image)
    if claim := claims.claimed(store, image.digest, planned.setting.archive_digest):
        return _taken_over(claim.stored, planned)
    picture = open_original(image, job.options)
    torch.set_num_threads(job.n_threads)
    watch = FitWatch(run_id=job.run_id, deadline_seconds=job.options.deadline_seconds, report=report)
    started = time.perf_counter()
    contract = job.recipe.contract
    fitted = fit_to_contract(
        job.recipe.config, contract, lambda config: fit(picture, config, job.options.device, watch)[0]
    )
    data = fitted.encodings[-1].bitstream if fitted.is_met else to_lossless(picture)
    notes = (fitted.describe(contract),) if contract and not fitted.is_met else ()
    stored = Stored(
        planned=planned,
        picture=_picture_facts(picture, notes),
        effort=Effort(
            attempts=fitted.n_attempts,
            restarts=sum(encoded.restarts for encoded in fitted.encodings),
            refits=max(0, len(fitted.encodings) - 1) if contract else None,
            fit_seconds=watch.fit_seconds,
            encode_seconds=time.perf_counter() - started,
            device=fitted.encodings[-1].device if fitted.encodings else None,
            n_threads=job.n_threads,
        ),
        file=_stored_file(planned, picture, data, fitted.encodings[-1] if fitted.is_met else None),
        network=_network_facts(fitted.encodings[-1]) if fitted.is_met else None,
    )
    return store_claimed(store, Claim(stored, _history(fitted)), data)


def fit(picture: Picture, config: CodecConfig, device: Device, watch: FitWatch) -> tuple[Encoded, float]:
    """Encode a picture; returns what came of it and the seconds that it took."""
    started = time.perf_counter()
    encoded = inr.encode(picture.pixels, config, metadata=picture.metadata, device=device, on_progress=watch)
    return encoded, time.perf_counter() - started


def store_claimed(store: ObjectStore, claim: Claim, data: bytes) -> Stored:
    """Store claim and file; returns what belongs to the file that is stored in the end."""
    stored = claim.stored
    key, names = stored.file.key, (stored.planned.image.digest, stored.planned.setting.archive_digest)
    claims.write_claim(store, claim)
    if store.put(key, data):
        return stored
    found = hashlib.sha256(store.get(key, max_bytes=MAX_BITSTREAM_BYTES)).hexdigest()
    if found == stored.file.bitstream_digest:
        return stored
    if other := claims.read_claim(store, *names, found):
        return _taken_over(other.stored, stored.planned)
    recorded = lookup.find(store, *names)
    if recorded is not None and recorded.stored.file.bitstream_digest == found:
        return _taken_over(recorded.stored, stored.planned)
    store.delete(key)  # neither claimed nor recorded: nobody can say what it is
    if not store.put(key, data):
        raise StorageError(f"{key}: another writer is replacing it")
    return stored


def _taken_over(stored: Stored, planned: Planned) -> Stored:
    """What another run stored, as this run has found the image; who made it stays."""
    here = dataclasses.replace(stored.planned, run_id=planned.run_id, image=planned.image)
    return dataclasses.replace(stored, planned=here)


def _picture_facts(picture: Picture, notes: tuple[str, ...]) -> PictureFacts:
    height, width, channels = picture.pixels.shape
    return PictureFacts(
        source_format=picture.format,
        source_mode=picture.mode,
        width=width,
        height=height,
        channels=channels,
        icc_n_bytes=len(picture.metadata.icc_profile or b""),
        exif_n_bytes=len(picture.metadata.exif or b""),
        notes=(*picture.notes, *notes),
    )


def _stored_file(planned: Planned, picture: Picture, data: bytes, encoded: Encoded | None) -> StoredFile:
    """The file of an encoding, or without one the file without loss."""
    height, width, _ = picture.pixels.shape
    suffix = BITSTREAM_SUFFIX if encoded else lossless_suffix(data)
    return StoredFile(
        key=object_key(planned.image.digest, planned.setting.archive_digest, suffix),
        bitstream_digest=hashlib.sha256(data).hexdigest(),
        symbols_digest=encoded.symbols_digest if encoded else digest_symbols(()),
        pixels_digest=encoded.pixels_digest if encoded else digest_pixels(picture.pixels),
        n_bytes=len(data),
        rate_bpp=bpp(n_bytes=len(data), width=width, height=height),
        psnr_db=encoded.psnr_db if encoded else math.inf,
    )


def _network_facts(encoded: Encoded) -> NetworkFacts:
    return NetworkFacts(encoded.rd_lambda, encoded.n_parameters, encoded.estimated_rate_bits)


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

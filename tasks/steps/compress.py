"""Images → their files in the store, bitstreams or files without loss, not verified yet.

Before an image is opened the store is asked whether another run fits it, has stored it, or has archived it:
no fit is made twice. Whatever ends one image of a group ends that image alone.
"""

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import inr
from inr import ContractMissed, Encoded, EncodeRequest, InrError, Progress
from inr.encoder import steps_of
from inr.metrics import bpp
from inr.network import digest_pixels, digest_symbols
from tasks.catalogue import lookup
from tasks.catalogue.keys import BITSTREAM_SUFFIX, object_key, object_keys
from tasks.catalogue.records import (
    Archived,
    Effort,
    NetworkFacts,
    PictureFacts,
    Planned,
    Stored,
    StoredFile,
)
from tasks.errors import BudgetTooSmall, FittedElsewhere, RunCancelled
from tasks.originals.listing import SourceImage
from tasks.originals.lossless import lossless_suffix
from tasks.originals.opening import Picture, open_original
from tasks.plan import claims
from tasks.plan.claims import Claim
from tasks.plan.leases import Leases
from tasks.plan.timing import steps_until
from tasks.steps.choosing import Lossless, notes_on_bitstream
from tasks.steps.deadlines import FitWatch, heed
from tasks.steps.jobs import ArchiveJob
from tasks.steps.storing import store_claimed, taken_over
from tasks.steps.threads import the_device, use_threads
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore

Report = Callable[[Mapping[str, Progress]], None]  # path of an image → progress of its fit


def compress_images(
    images: Sequence[SourceImage], job: ArchiveJob, *, report: Report | None = None
) -> list[Stored | Archived | Exception]:
    """Encode a group of images and store them, or take over what another run has stored or archived.

    Args:
        images: The group; its fits go to the codec together.
        job: Parameters of the run.
        report: Called with the progress of the fits that go on, by the path of the image.

    Returns:
        For each image, in order, what was stored, or its record if it is archived, or what ended it: a
        `SourceError` if the file cannot be read or has changed, `UnsupportedImage`, an `EncodeError` of its
        fit, a `StorageError`; `FittedElsewhere` if another run fits it now.

    Raises:
        ConfigError: The device of the job is not there.
    """
    use_threads(job.n_threads, with_torch=True)
    store = open_store(job.store)
    planned = [Planned.of(job.run_id, job.recipe, image) for image in images]
    with Leases(store) as leases:
        begun = [_begin(store, leases, each, job) for each in planned]
        opened = [each for each in begun if isinstance(each, _Opened)]
        fitted = [each for each in opened if each.takes_fit]
        made = iter(_encode(fitted, job, leases, report))
        of_one = job if job.seconds is None else dataclasses.replace(job, seconds=job.seconds / len(images))
        return [
            _finish(store, each, next(made) if each.takes_fit else _Made(None, 0.0, 0.0, None), of_one)
            if isinstance(each, _Opened)
            else each
            for each in begun
        ]


def _heard(leases: Leases, report: Report | None) -> Report:
    """A report that is also a sign of life for those who wait for the images."""

    def told(progress: Mapping[str, Progress]) -> None:
        leases.hear()
        if report is not None:
            report(progress)

    return told


@dataclass(frozen=True)
class _Opened:
    """An image of the group that has to be encoded.

    Attributes:
        planned: The image.
        picture: Its picture.
        lossless: Its file without loss.
        takes_fit: False if that file is better than any bitstream that can be hoped for.
        open_seconds: Time that it took to open it.
        seconds: Time that it took to see whether it takes a fit.
    """

    planned: Planned
    picture: Picture
    lossless: Lossless
    takes_fit: bool
    open_seconds: float
    seconds: float


@dataclass(frozen=True)
class _Made:
    """The end of an image's fits, and what they took; the result is None if there were none.

    Attributes:
        result: What the encoder made of the image, or the error that ended it.
        fit_seconds: Seconds of the fits.
        encode_seconds: Seconds of the encoder in all.
        n_steps: Steps of each fit.
    """

    result: Encoded | InrError | None
    fit_seconds: float
    encode_seconds: float
    n_steps: int | None


def _begin(
    store: ObjectStore, leases: Leases, planned: Planned, job: ArchiveJob
) -> Stored | Archived | _Opened | Exception:
    """Take over what another run has made of an image, or else open the image."""
    names = (planned.image.digest, planned.setting.archive_digest)
    try:
        if not leases.take(*names):
            return FittedElsewhere(f"{planned.path}: another run fits it")
        if claim := claims.claimed(store, *names):
            claims.mark_taken(store, *names)
            return taken_over(claim.stored, planned)
        if archived := _archived(store, *names):
            return archived
        started = time.perf_counter()
        picture, ready = open_original(planned.image, job.options), time.perf_counter()
        lossless = Lossless(picture, planned.image, job.recipe, job.options)
        takes_fit = not lossless.needs_no_fit()
        return _Opened(planned, picture, lossless, takes_fit, ready - started, time.perf_counter() - ready)
    except Exception as error:  # of one picture: it is that picture's result, and its neighbours go on
        return error


def _archived(store: ObjectStore, image: str, archive: str) -> Archived | None:
    """The record of an image that was archived since it was planned; without a file, no catalogue is read."""
    keys = object_keys(image, archive)
    if not {found.key for found in store.objects(keys[0].rpartition("/")[0])} & set(keys):
        return None
    return lookup.archived_among(store, archive, [image]).get(image)


def _encode(opened: Sequence[_Opened], job: ArchiveJob, leases: Leases, report: Report | None) -> list[_Made]:
    """Encode pictures. They share the time that no fit takes; waiting for the card is no time of theirs."""
    if not opened:
        return []
    with the_device(job.options.device, waits=leases.hear):
        return _encode_now(opened, job, _heard(leases, report))


def _encode_now(opened: Sequence[_Opened], job: ArchiveJob, report: Report) -> list[_Made]:
    recipe, started = job.recipe, time.perf_counter()
    requests = [
        EncodeRequest(
            each.picture.pixels, recipe.config, each.picture.metadata, recipe.contract, recipe.n_steps
        )
        for each in opened
    ]
    try:
        n_steps = _n_steps(opened, requests, job)
    except (BudgetTooSmall, RunCancelled) as error:
        return [_Made(error, 0.0, 0.0, None)] * len(opened)

    def named(progress: Mapping[int, Progress]) -> None:
        report({opened[number].planned.path: where for number, where in progress.items()})

    watch = FitWatch(run_id=job.run_id, deadline_seconds=job.options.deadline_seconds, report=named)
    requests = [dataclasses.replace(request, n_steps=n_steps) for request in requests]
    results = inr.encode_many(requests, device=job.options.device, on_progress=watch)
    rest = (time.perf_counter() - started - watch.busy_seconds) / len(opened)
    seconds = [watch.fit_seconds.get(number, 0.0) for number in range(len(opened))]
    return [_Made(result, fit, fit + rest, n_steps) for result, fit in zip(results, seconds, strict=True)]


def _n_steps(opened: Sequence[_Opened], requests: Sequence[EncodeRequest], job: ArchiveJob) -> int:
    """The steps of each fit: those with which the group, verification too, ends in its time, if it has one.

    Raises:
        BudgetTooSmall: These are too few.
        RunCancelled: The run was stopped meanwhile.
    """
    recipe, seconds = job.recipe, job.budget_seconds
    if seconds is None:
        return steps_of(recipe.config, recipe.n_steps)
    # They were opened before this, and are once more to be verified.
    around = sum(2 * each.open_seconds + each.seconds for each in opened)
    ends_at, goes_on = time.perf_counter() + seconds - around, partial(heed, job.run_id)
    return steps_until(ends_at, requests, recipe, job.options.device, checked=True, heed=goes_on)


def _finish(store: ObjectStore, opened: _Opened, made: _Made, job: ArchiveJob) -> Stored | Exception:
    """Store the bitstream of an image, or a file without loss where that is the better one."""
    started, result = time.perf_counter(), made.result
    try:
        if isinstance(result, InrError) and not isinstance(result, ContractMissed):
            return result
        encoded = result if isinstance(result, Encoded) else None
        if encoded is not None and opened.lossless.is_better_than(encoded):
            encoded = None
        if encoded is None:
            data, notes = opened.lossless.file.data, opened.lossless.notes(result)
        else:
            data = encoded.bitstream
            notes = notes_on_bitstream(opened.picture, job.recipe.config, encoded)
        seconds = opened.seconds + made.encode_seconds + time.perf_counter() - started
        stored = Stored(
            planned=opened.planned,
            picture=_picture_facts(opened.picture, (*opened.picture.notes, *notes)),
            effort=_effort(dataclasses.replace(made, encode_seconds=seconds), job),
            file=_stored_file(opened, data, encoded),
            network=_network_facts(encoded) if encoded else None,
        )
        return store_claimed(store, Claim(stored, result.history if result else ()), data)
    except Exception as error:  # of one picture: it is that picture's result, and its neighbours go on
        return error


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
        notes=notes,
    )


def _effort(made: _Made, job: ArchiveJob) -> Effort:
    result = made.result
    assert result is None or isinstance(result, Encoded | ContractMissed)
    n_fits = len(result.attempts) if result else 0
    n_refits = result.n_refits if result else 0
    return Effort(
        attempts=n_fits,
        restarts=result.restarts if result else 0,
        refits=n_refits if job.recipe.contract else None,
        fit_seconds=made.fit_seconds,
        encode_seconds=made.encode_seconds,
        device=result.device if result and n_fits else None,
        n_threads=job.n_threads,
        n_steps=made.n_steps if n_fits else None,
        budget_seconds=job.budget_seconds,
    )


def _stored_file(opened: _Opened, data: bytes, encoded: Encoded | None) -> StoredFile:
    """The file of an encoding, or without one the file without loss."""
    planned, (height, width, _) = opened.planned, opened.picture.pixels.shape
    suffix = BITSTREAM_SUFFIX if encoded else lossless_suffix(data)
    return StoredFile(
        key=object_key(planned.image.digest, planned.setting.archive_digest, suffix),
        bitstream_digest=hashlib.sha256(data).hexdigest(),
        symbols_digest=encoded.symbols_digest if encoded else digest_symbols(()),
        pixels_digest=encoded.pixels_digest if encoded else digest_pixels(opened.lossless.file.pixels),
        n_bytes=len(data),
        rate_bpp=bpp(n_bytes=len(data), width=width, height=height),
        psnr_db=encoded.psnr_db if encoded else math.inf,
    )


def _network_facts(encoded: Encoded) -> NetworkFacts:
    return NetworkFacts(encoded.rd_lambda, encoded.n_parameters, encoded.estimated_rate_bits)

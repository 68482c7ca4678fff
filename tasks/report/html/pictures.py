"""Original and reconstruction of an image, small enough to be part of a page.

An original is shown only if it still is the file that was archived, by its digest; a reconstruction
only if the stored bitstream is what its row says. What is not shown is told.
"""

import base64
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.catalogue.records import CatalogueRecord
from tasks.errors import SourceError, StorageError, UnsupportedImage, VerificationMismatch
from tasks.originals.opening import open_picture
from tasks.originals.reading import read_source
from tasks.settings import RunOptions
from tasks.steps.verify import read_intact
from tasks.store.objects import ObjectStore

MAX_SIDE = 640
QUALITIES = (90, 75, 50, 25)
MAX_PICTURE_BYTES = 150_000
MAX_PROFILE_BYTES = 16_384


@dataclass(frozen=True)
class Pair:
    """What is shown of an image.

    Attributes:
        record: Its row.
        width: Of the pictures, in pixels.
        height: Likewise.
        original: WebP as a ``data:`` URI; None if it is not shown.
        reconstruction: Likewise.
        note: Why one of them is not shown; empty if both are.
    """

    record: CatalogueRecord
    width: int
    height: int
    original: str | None
    reconstruction: str | None
    note: str

    @property
    def is_reduced(self) -> bool:
        """Whether the pictures are smaller than the image."""
        return self.width < (self.record.width or 0)


def pairs(
    store: ObjectStore, records: Iterable[CatalogueRecord], options: RunOptions, max_pixels: int | None
) -> Iterator[Pair]:
    """The pictures of rows, in their order.

    Args:
        store: The archive.
        records: Rows with status ``archived``.
        options: Limits of what is read.
        max_pixels: Of all images together; those that would exceed it are told without pictures.
    """
    left = max_pixels
    for record in records:
        n_pixels = (record.width or 0) * (record.height or 0)
        if left is None or n_pixels <= left:
            left = None if left is None else left - n_pixels
            yield _pair(store, record, options)
        else:
            yield _without(record, "No pictures, since images of this page are large: inr report shows them.")


def _pair(store: ObjectStore, record: CatalogueRecord, options: RunOptions) -> Pair:
    try:
        decoded = read_intact(store, record)[0]
    except (VerificationMismatch, StorageError) as error:
        return _without(record, f"The stored bitstream cannot be shown: {error}")
    width, height = _shown_size(decoded.pixels)
    profile = decoded.metadata.icc_profile
    reconstruction = _data_uri(decoded.pixels, profile)
    try:
        original = _data_uri(_original(record, decoded.pixels.shape, options), profile)
    except (SourceError, UnsupportedImage) as error:
        return Pair(record, width, height, None, reconstruction, f"The original cannot be shown: {error}")
    return Pair(record, width, height, original, reconstruction, "")


def _without(record: CatalogueRecord, note: str) -> Pair:
    return Pair(record, 0, 0, None, None, note)


def _original(record: CatalogueRecord, shape: tuple[int, ...], options: RunOptions) -> NDArray[np.uint8]:
    data = read_source(record.source_uri, max_bytes=options.max_file_bytes)
    if hashlib.sha256(data).hexdigest() != record.image_digest:
        raise SourceError("the file has changed since it was archived")
    pixels = open_picture(data, max_pixels=options.max_pixels).pixels
    if pixels.shape != shape:
        raise SourceError(f"expected {shape}, found {pixels.shape}")
    return pixels


def _shown_size(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    scale = min(1.0, MAX_SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _data_uri(pixels: NDArray[np.uint8], profile: bytes | None) -> str:
    """A WebP of at most about `MAX_PICTURE_BYTES`."""
    image = Image.fromarray(pixels.squeeze(axis=2) if pixels.shape[2] == 1 else pixels)
    size = _shown_size(pixels)
    shown = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
    kept = profile if profile and len(profile) <= MAX_PROFILE_BYTES else b""
    for quality in QUALITIES:
        out = io.BytesIO()
        shown.save(out, "WEBP", quality=quality, icc_profile=kept)
        if out.tell() <= MAX_PICTURE_BYTES:
            break
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"

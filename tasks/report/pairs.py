"""Originals beside what their stored bitstreams decode to, reduced for pages; each is opened once.

An original is shown only if it still is the file that was archived, by its digest; a reconstruction
only if the stored bitstream is what its row says. A note says why something is not shown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.catalogue.records import CatalogueRecord
from tasks.errors import SourceError, StorageError, UnsupportedImage, VerificationMismatch
from tasks.originals.listing import SourceImage
from tasks.originals.opening import open_original
from tasks.settings import RunOptions
from tasks.steps.verify import read_intact
from tasks.store.objects import ObjectStore

MAX_SIDE = 640
TOO_LARGE = "No pictures, since images of this page are large: inr report shows them."


@dataclass(frozen=True)
class Pair:
    """An archived image as pages show it.

    Attributes:
        record: Its row.
        original: The original, at most `MAX_SIDE` pixels a side; None if it cannot be shown.
        reconstruction: What the stored bitstream decodes to, of the same size; None if it cannot be shown.
        profile: The ICC profile of both, if there is one.
        note: Why one of them is not shown; empty if both are.
    """

    record: CatalogueRecord
    original: Image.Image | None
    reconstruction: Image.Image | None
    profile: bytes | None
    note: str


def pairs(
    store: ObjectStore, records: Iterable[CatalogueRecord], options: RunOptions, max_pixels: int | None
) -> Iterator[Pair]:
    """The pictures of rows, in their order.

    Args:
        store: The archive.
        records: Rows with status ``archived``.
        options: Limits of what is read.
        max_pixels: Largest number of pixels of all images together, since each is decoded; those that
            would exceed it get a note and no pictures. No limit if None.
    """
    left = max_pixels
    for record in records:
        n_pixels = (record.width or 0) * (record.height or 0)
        if left is None or n_pixels <= left:
            left = None if left is None else left - n_pixels
            yield _pair(store, record, options)
        else:
            yield Pair(record, None, None, None, TOO_LARGE)


def _pair(store: ObjectStore, record: CatalogueRecord, options: RunOptions) -> Pair:
    try:
        decoded, _ = read_intact(store, record)
    except (VerificationMismatch, StorageError) as error:
        return Pair(record, None, None, None, f"The stored bitstream cannot be shown: {error}")
    profile, reconstruction = decoded.metadata.icc_profile, reduced(decoded.pixels)
    try:
        original = reduced(_original(record, decoded.pixels.shape, options))
    except (SourceError, UnsupportedImage) as error:
        return Pair(record, None, reconstruction, profile, f"The original cannot be shown: {error}")
    return Pair(record, original, reconstruction, profile, "")


def _original(record: CatalogueRecord, shape: tuple[int, ...], options: RunOptions) -> NDArray[np.uint8]:
    image = SourceImage(
        record.image_digest or "", record.source_uri, record.source_path, record.source_n_bytes or 0
    )
    pixels = open_original(image, options).pixels
    if pixels.shape != shape:
        raise SourceError(f"expected {shape}, found {pixels.shape}")
    return pixels


def reduced(pixels: NDArray[np.uint8]) -> Image.Image:
    """The picture of u8 [H, W, C] pixels, with at most `MAX_SIDE` pixels a side."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    scale = min(1.0, MAX_SIDE / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)

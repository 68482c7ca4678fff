"""Originals beside what their stored bitstreams decode to, reduced for pages; each is opened once.

An original is shown only if it still is the file that was archived, by its digest; a reconstruction
only if the stored bitstream is what its row says. A note says why something is not shown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.catalogue.records import Archived
from tasks.errors import SourceError, StorageError, UnsupportedImage, VerificationMismatch
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
        image: The image, as its row has it.
        original: The original, at most `MAX_SIDE` pixels a side; None if it cannot be shown.
        reconstruction: The decoded bitstream, of the same size; None if it cannot be shown.
        profile: The ICC profile of both, if there is one.
        note: Why one of them is not shown; empty if both are.
    """

    image: Archived
    original: Image.Image | None
    reconstruction: Image.Image | None
    profile: bytes | None
    note: str


def pairs(
    store: ObjectStore, images: Iterable[Archived], options: RunOptions, max_pixels: int | None
) -> Iterator[Pair]:
    """The pictures of archived images, in their order.

    Args:
        store: The archive.
        images: The images.
        options: Limits of what is read.
        max_pixels: Largest number of pixels of all images together, since each is decoded; those that
            would exceed it get a note and no pictures. No limit if None.
    """
    left = max_pixels
    for image in images:
        n_pixels = image.stored.picture.width * image.stored.picture.height
        if left is None or n_pixels <= left:
            left = None if left is None else left - n_pixels
            yield _pair(store, image, options)
        else:
            yield Pair(image, None, None, None, TOO_LARGE)


def _pair(store: ObjectStore, image: Archived, options: RunOptions) -> Pair:
    try:
        decoded, _ = read_intact(store, image.stored)
    except (VerificationMismatch, StorageError) as error:
        return Pair(image, None, None, None, f"The stored bitstream cannot be shown: {error}")
    profile, reconstruction = decoded.metadata.icc_profile, reduced(decoded.pixels)
    try:
        original = reduced(_original(image, decoded.pixels.shape, options))
    except (SourceError, UnsupportedImage) as error:
        return Pair(image, None, reconstruction, profile, f"The original cannot be shown: {error}")
    return Pair(image, original, reconstruction, profile, "")


def _original(image: Archived, shape: tuple[int, ...], options: RunOptions) -> NDArray[np.uint8]:
    pixels = open_original(image.origin.image, options).pixels
    if pixels.shape != shape:
        raise SourceError(f"expected {shape}, found {pixels.shape}")
    return pixels


def reduced(pixels: NDArray[np.uint8]) -> Image.Image:
    """The picture of u8 [H, W, C] pixels, with at most `MAX_SIDE` pixels a side."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    scale = min(1.0, MAX_SIDE / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)

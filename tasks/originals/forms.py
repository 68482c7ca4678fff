"""The same pixels in fewer channels, or as a palette: forms in which files without loss are smaller.

`lifted` undoes what `reduced` does.
"""

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UnsupportedImage
from tasks.wording import counted

Pixels = NDArray[np.uint8]

OPAQUE = 255
MAX_COLOURS = 256  # of a palette


def reduced(pixels: Pixels) -> Pixels:
    """The pixels, u8 [H, W, C], without alpha where all is opaque, and in grey where no colour is."""
    pixels = without_opaque_alpha(pixels)
    if pixels.shape[2] >= 3 and _is_grey(pixels):
        pixels = np.concatenate([pixels[:, :, :1], pixels[:, :, 3:]], axis=2)
    return np.ascontiguousarray(pixels)


def without_opaque_alpha(pixels: Pixels) -> Pixels:
    """The pixels, u8 [H, W, C], without alpha where it is opaque everywhere."""
    is_opaque = pixels.shape[2] % 2 == 0 and (pixels[:, :, -1] == OPAQUE).all()
    return pixels[:, :, :-1] if is_opaque else pixels


def lifted(pixels: Pixels, channels: int) -> Pixels:
    """The pixels, u8 [H, W, C], in so many channels, exactly.

    Raises:
        UnsupportedImage: They have colours, or alpha that hides, for which there would be no channel.
    """
    if pixels.shape[2] % 2 == 0 and channels % 2:
        if (pixels[:, :, -1] != OPAQUE).any():
            raise UnsupportedImage(f"expected {counted(channels, 'channel')}, found alpha that is not opaque")
        pixels = pixels[:, :, :-1]
    if pixels.shape[2] >= 3 and channels < 3:
        if not _is_grey(pixels):
            raise UnsupportedImage(f"expected {counted(channels, 'channel')}, found colours")
        pixels = np.concatenate([pixels[:, :, :1], pixels[:, :, 3:]], axis=2)
    if pixels.shape[2] < 3 <= channels:
        pixels = np.concatenate([np.repeat(pixels[:, :, :1], 3, axis=2), pixels[:, :, 1:]], axis=2)
    if pixels.shape[2] % 2 and channels % 2 == 0:
        pixels = np.concatenate([pixels, np.full_like(pixels[:, :, :1], OPAQUE)], axis=2)
    return np.ascontiguousarray(pixels)


def indexed(pixels: Pixels) -> tuple[Pixels, Pixels] | None:
    """Indices u8 [H, W] into a palette u8 [colours, C] with those pixels; None if there are more colours."""
    height, width, channels = pixels.shape
    packed = np.zeros((height, width), dtype=np.uint32)
    for channel in range(channels):
        packed = packed << np.uint32(8) | pixels[:, :, channel].astype(np.uint32)
    colours = np.unique(packed)
    if len(colours) > MAX_COLOURS:
        return None
    shifts = np.arange(channels - 1, -1, -1, dtype=np.uint32) * 8
    palette = (colours[:, None] >> shifts & 255).astype(np.uint8)
    return np.searchsorted(colours, packed).astype(np.uint8), palette


def _is_grey(pixels: Pixels) -> bool:
    return all(np.array_equal(pixels[:, :, 0], pixels[:, :, n]) for n in (1, 2))

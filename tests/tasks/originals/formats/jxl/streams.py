"""JPEG XL streams of every kind: real ones by libjxl, and their pixels under headers written here."""

from collections.abc import Sequence

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from tasks.originals.formats.jxl.boxes import CODESTREAM, codestream

Field = tuple[int, int]  # a number, and its bits
SRGB: tuple[Field, ...] = ((1, 1),)
GREY: tuple[Field, ...] = ((0, 1), (0, 1), (1, 2), (1, 2), (0, 1), (2, 2), (11, 4), (1, 2))
PLAIN: tuple[Field, ...] = ((0, 1),)  # no extra fields


def encoded(pixels: NDArray[np.generic], **options: object) -> bytes:
    """The codestream of pixels, without loss unless the options say otherwise."""
    options = {"lossless": True, "effort": 3, "numthreads": 1, **options}
    return codestream(bytes(imagecodecs.jpegxl_encode(pixels, **options)))


def packed(*fields: Field) -> bytes:
    """Fields as bits, from the least significant one of each byte on."""
    number = at = 0
    for value, n_bits in fields:
        number |= value << at
        at += n_bits
    return number.to_bytes(-(-at // 8), "little")


def side(length: int) -> tuple[Field, ...]:
    """The fields of a side in one of the four ranges."""
    selector, n_bits = next((n, bits) for n, bits in enumerate((9, 13, 18, 30)) if length <= 1 << bits)
    return ((selector, 2), (length - 1, n_bits))


def size(width: int, height: int) -> tuple[Field, ...]:
    """The fields of a size, neither in eights nor by a ratio."""
    return ((0, 1), *side(height), (0, 3), *side(width))


def extra(
    orientation: int = 1, shown: tuple[Field, ...] = (), preview: int = 0, animation: int = 0
) -> tuple[Field, ...]:
    """The extra fields: orientation, the size to be shown in, and flags."""
    return ((1, 1), (orientation - 1, 3), (bool(shown), 1), *shown, (preview, 1), (animation, 1))


def header(
    size: Sequence[Field],
    fields: Sequence[Field] = PLAIN,
    depth: Sequence[Field] = ((0, 1), (0, 2)),
    channels: Sequence[Field] = ((0, 2),),
    colours: Sequence[Field] = SRGB,
) -> bytes:
    """A header of a picture without loss, as libjxl writes it where nothing else is said."""
    tone = ((1, 1),) if fields != PLAIN else ()
    return CODESTREAM + packed(
        *size, (0, 1), *fields, *depth, (1, 1), *channels, (0, 1), *colours, *tone, (0, 2), (1, 1)
    )

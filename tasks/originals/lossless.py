"""Pictures stored without loss: an image file that any program opens, in place of a bitstream.

WebP where it holds the picture exactly, and PNG otherwise. The file is opened by `tasks.originals.opening`
like any other that comes from outside.
"""

import numpy as np

from inr import Decoded
from inr.bitstream import Metadata
from inr.errors import SelfCheckFailed
from inr.network import digest_pixels, digest_symbols
from tasks.errors import UnsupportedImage
from tasks.originals.opening import Picture, format_of, open_picture
from tasks.originals.writing import to_png, to_webp

EXIF_HEADER = b"Exif\0\0"
SUFFIXES = {"WEBP": ".webp", "PNG": ".png"}


def to_lossless(picture: Picture) -> bytes:
    """The file of a picture, which was opened again and compared.

    Raises:
        SelfCheckFailed: No format holds it.
    """
    for write in (to_webp, to_png):
        try:
            data = write(picture.pixels, picture.metadata)
        except UnsupportedImage:  # too large for WebP
            continue
        decoded = decode_lossless(data, max_pixels=picture.pixels.size)
        if np.array_equal(decoded.pixels, picture.pixels) and same_metadata(
            decoded.metadata, picture.metadata
        ):
            return data
    raise SelfCheckFailed(f"{picture.format}: neither WebP nor PNG reads back as the same picture")


def lossless_suffix(data: bytes) -> str:
    """The suffix of a file of `to_lossless`, by what the file is: ``.webp`` or ``.png``.

    Raises:
        UnsupportedImage: It is no such file.
    """
    found = format_of(data)
    if found not in SUFFIXES:
        raise UnsupportedImage(f"expected a file of {' or '.join(SUFFIXES)}, found {found}")
    return SUFFIXES[found]


def decode_lossless(data: bytes, *, max_pixels: int) -> Decoded:
    """Decode a file of `to_lossless`; its symbols digest is that of no symbols.

    Raises:
        UnsupportedImage: It is no such file.
    """
    opened = open_picture(data, max_pixels=max_pixels)
    return Decoded(opened.pixels, opened.metadata, digest_symbols(()), digest_pixels(opened.pixels))


def same_metadata(first: Metadata, second: Metadata) -> bool:
    """Return whether ICC profile and EXIF are equal, byte for byte, whichever formats they went through."""
    return first.icc_profile == second.icc_profile and _bare(first.exif) == _bare(second.exif)


def _bare(exif: bytes | None) -> bytes | None:
    """An EXIF block without the header that JPEG puts before it, and WebP does not."""
    return exif.removeprefix(EXIF_HEADER) if exif else exif

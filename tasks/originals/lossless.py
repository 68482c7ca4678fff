"""Pictures stored without loss: an image file that other programs open, in place of a bitstream.

It is the smallest of what is tried: lossless JPEG XL, lossless WebP, PNG and PNG with a palette, without
alpha where all is opaque and without colour where all is grey. An original that is a PNG or a lossless WebP
may be kept as it is. The file is opened by `tasks.originals.opening` like any other that comes from outside.
"""

import functools
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inr import Decoded
from inr.bitstream import Metadata
from inr.errors import SelfCheckFailed
from inr.fit.hidden import filled
from inr.metrics import mse
from inr.network import digest_pixels, digest_symbols
from tasks.errors import UnsupportedImage
from tasks.originals.formats.exif import bare
from tasks.originals.formats.webp import chunks
from tasks.originals.forms import indexed, lifted, reduced
from tasks.originals.opening import Picture, format_of, open_picture
from tasks.originals.writing import jxl_holds, png_holds, png_of, to_jxl, to_webp

Visible = NDArray[np.bool_] | None
SUFFIXES = {"WEBP": ".webp", "PNG": ".png", "JXL": ".jxl"}
# Formats of originals that may be kept: what a lossy JPEG XL shows may differ from reader to reader.
KEPT = ("WEBP", "PNG")
# Of pictures above both, the best WebP takes half a minute a megapixel, the best JPEG XL a quarter of one.
_SLOW_PIXELS, _SLOW_BPP = 1 << 18, 6.0
_MOST_WHOLE = 3 << 22  # pixels for the best JPEG XL, which takes up to 214 bytes of memory for each
_PART = 2048  # pixels a side, over which libjxl makes light files three times as large as they could be


@dataclass(frozen=True)
class LosslessFile:
    """A file without loss: its bytes, and the pixels u8 [H, W, C] that it was seen to decode to."""

    data: bytes
    pixels: NDArray[np.uint8]

    @property
    def n_bytes(self) -> int:
        """Size of the file."""
        return len(self.data)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def to_lossless(picture: Picture, visible: Visible = None) -> LosslessFile:
    """The smallest file of a picture that was found, opened again and compared.

    Args:
        picture: The picture.
        visible: bool [H, W], whose False pixels are kept in alpha only; None if all is kept.

    Raises:
        SelfCheckFailed: No format holds it.
    """
    files = [
        data
        for pixels in _shown(picture, visible)
        for write in (_webps, _jxls, _pngs)
        for data in write(pixels, picture.metadata)
    ]
    for data in sorted(files, key=len):
        if file := _checked(data, picture, visible):
            return file
    raise SelfCheckFailed(f"{picture.format}: no file without loss reads back as the same picture")


def light_size(picture: Picture, visible: Visible = None) -> int:
    """About the size of the file of `to_lossless`, in a second a megapixel."""
    return min(_light_size(pixels, picture.metadata) for pixels in _shown(picture, visible))


def _light_size(pixels: NDArray[np.uint8], metadata: Metadata) -> int:
    sizes = []
    try:
        sizes.append(len(to_webp(pixels, metadata)))
    except UnsupportedImage:  # too large for WebP
        sizes.extend(map(len, _pngs(pixels, metadata)))
    is_drawn = 8 * min(sizes, default=0) <= _SLOW_BPP * pixels.shape[0] * pixels.shape[1]
    if is_drawn and jxl_holds(metadata):  # of a photograph JPEG XL makes a tenth less, which decides nothing
        sizes.append(sum(len(to_jxl(part, Metadata())) for part in _parts(pixels)))
    return min(sizes, default=sys.maxsize)


def _parts(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The pixels in parts of at most `_PART` a side."""
    for top in range(0, pixels.shape[0], _PART):
        for left in range(0, pixels.shape[1], _PART):
            yield pixels[top : top + _PART, left : left + _PART]


def kept_as_it_is(original: bytes, picture: Picture, visible: Visible = None) -> LosslessFile | None:
    """The original of a picture as its file without loss, if it is a PNG or a WebP without loss."""
    found = format_of(original)
    is_png = found == "PNG" and png_holds(picture.metadata)
    is_such_a_file = is_png or (found == "WEBP" and b"VP8L" in dict(chunks(original)))
    return _checked(original, picture, visible) if is_such_a_file else None


def _shown(picture: Picture, visible: Visible) -> Iterator[NDArray[np.uint8]]:
    """The pixels to write: as they are, and with one colour, black or the mean, in place of hidden ones."""
    yield reduced(picture.pixels)
    if visible is not None:
        yield reduced(filled(picture.pixels, visible))
        black = picture.pixels.copy()
        black[~visible, :-1] = 0
        yield reduced(black)


def _webps(pixels: NDArray[np.uint8], metadata: Metadata) -> Iterator[bytes]:
    try:
        light = to_webp(pixels, metadata)
        yield light
        if not _is_slow(pixels, light):
            yield to_webp(pixels, metadata, best=True)
    except UnsupportedImage:  # too large for WebP
        return


def _jxls(pixels: NDArray[np.uint8], metadata: Metadata) -> Iterator[bytes]:
    if not jxl_holds(metadata):
        return
    light = to_jxl(pixels, metadata)
    yield light
    if pixels.shape[0] * pixels.shape[1] <= _MOST_WHOLE and not _is_slow(pixels, light):
        yield to_jxl(pixels, metadata, best=True)


def _is_slow(pixels: NDArray[np.uint8], light: bytes) -> bool:
    """Whether the best file of a format would take long, by the light one."""
    n_pixels = pixels.shape[0] * pixels.shape[1]
    return bool(n_pixels > _SLOW_PIXELS and 8 * len(light) > _SLOW_BPP * n_pixels)


def _pngs(pixels: NDArray[np.uint8], metadata: Metadata) -> Iterator[bytes]:
    if not png_holds(metadata):
        return
    yield _png(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), metadata)
    if pixels.shape[2] == 1 and not (set(np.unique(pixels)) - {0, 255}):
        yield _png(Image.fromarray(pixels[:, :, 0]).convert("1"), metadata)
    if (found := indexed(pixels)) is not None:
        indices, palette = found
        image = Image.fromarray(indices).convert("P")
        colours = lifted(palette[None], 4)[0]
        image.putpalette(colours[:, :3].tobytes())
        opaque = bool((colours[:, 3] == 255).all())
        yield _png(image, metadata, None if opaque else colours[:, 3].tobytes())


def _png(image: Image.Image, metadata: Metadata, alphas: bytes | None = None) -> bytes:
    transparency = {} if alphas is None else {"transparency": alphas}
    return png_of(image, metadata, optimize=True, **transparency)


def _checked(data: bytes, picture: Picture, visible: Visible) -> LosslessFile | None:
    """The file, if it decodes to the picture."""
    height, width, channels = picture.pixels.shape
    try:
        decoded = decode_lossless(data, max_pixels=height * width, channels=channels)
    except UnsupportedImage:  # Pillow does not open all that it writes
        return None
    if decoded.pixels.shape != picture.pixels.shape:
        return None
    is_exact = mse(reference=picture.pixels, decoded=decoded.pixels, visible=visible) == 0
    if not is_exact or not same_metadata(decoded.metadata, picture.metadata):
        return None
    return LosslessFile(data, decoded.pixels)


def lossless_suffix(data: bytes) -> str:
    """The suffix of a file of `to_lossless`, by what the file is, one of `SUFFIXES`.

    Raises:
        UnsupportedImage: It is no such file.
    """
    found = format_of(data)
    if found not in SUFFIXES:
        raise UnsupportedImage(f"expected a file of {' or '.join(SUFFIXES)}, found {found}")
    return SUFFIXES[found]


def decode_lossless(data: bytes, *, max_pixels: int, channels: int) -> Decoded:
    """Decode a file of `to_lossless` into the picture's channels; its symbols digest is that of no symbols.

    Raises:
        UnsupportedImage: It is no such file.
    """
    opened = open_picture(data, max_pixels=max_pixels)
    pixels = lifted(opened.pixels, channels)
    return Decoded(pixels, opened.metadata, digest_symbols(()), digest_pixels(pixels))


def same_metadata(first: Metadata, second: Metadata) -> bool:
    """Return whether ICC profile, EXIF and XMP are equal, whichever formats they went through."""
    return _bare_parts(first) == _bare_parts(second)


def _bare_parts(metadata: Metadata) -> tuple[bytes | None, ...]:
    return metadata.icc_profile, metadata.exif and bare(metadata.exif), metadata.xmp

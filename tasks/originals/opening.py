"""The one place where a photograph becomes pixels: 8-bit samples, metadata, and notes on what was changed.

Grey, grey with alpha, RGB and RGBA of 8 bits pass as they are. Palettes, bilevel, CMYK and YCbCr are
converted, and a note says so. What would lose more than a note can say is refused by name: more than
8 bits per sample, floats, animations, several pages. Every limit is checked on the header, before
pixels are unpacked. What Pillow is silent about is asked of `tasks.originals.formats`: whether the pixels are
the file's, and what it carries beside them. The orientation is applied to the pixels, and EXIF and XMP then
say that these are upright; otherwise both are kept byte for byte, as the ICC profile is.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from inr.bitstream import MAX_SIDE, Metadata, check_metadata
from inr.errors import ConfigError
from tasks.errors import MemoryTooSmall, SourceError, TooManyPixels, UnsupportedImage
from tasks.originals.formats import bmp, gif, jpeg, png, ppm, tiff, webp
from tasks.originals.formats.carried import Carried
from tasks.originals.formats.exif import UPRIGHT, DamagedExif, upright
from tasks.originals.formats.jxl import reader as jxl
from tasks.originals.listing import SourceImage
from tasks.originals.reading import read_source
from tasks.settings import RunOptions
from tasks.wording import counted


class Reader(Protocol):
    """What a module of `tasks.originals.formats` does for its format."""

    def check(self, image: Image.Image, data: bytes) -> None:
        """Raise if the header shows that Pillow would read something else than the file's picture."""

    def carried(self, image: Image.Image, data: bytes) -> Carried:
        """Metadata to keep, and notes; before the pixels are loaded."""


FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", jxl.FORMAT)
BEGINNINGS = {
    **{png.MAGIC: "PNG", b"\xff\xd8\xff": "JPEG", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"GIF8": "GIF"},
    **{b"BM": "BMP", b"II+\0": "TIFF", b"MM\0+": "TIFF"},
}
NATIVE_MODES = ("L", "LA", "RGB", "RGBA")
CONVERTED_MODES = {
    "1": "L",
    "P": "RGB",
    "PA": "RGBA",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "RGBX": "RGB",
    "RGBa": "RGBA",
    "La": "LA",
}
WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}
READERS: dict[str, Reader] = {
    **{"PNG": png, "JPEG": jpeg, "MPO": jpeg, "WEBP": webp},
    **{"TIFF": tiff, "BMP": bmp, "GIF": gif, "PPM": ppm, jxl.FORMAT: jxl},
}
# Of memory, a pixel. Decoders take up to 17; where less than this is left, they may have had too little.
DECODER_BYTES = 32
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Picture:
    """An opened image.

    Attributes:
        pixels: u8 [H, W, C]; C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
        metadata: ICC profile, EXIF and XMP, as they were but for the orientation.
        format: The file's format, as Pillow names it.
        mode: The file's colour mode, as Pillow names it.
        notes: Sentences on what was changed or dropped.
    """

    pixels: NDArray[np.uint8]
    metadata: Metadata
    format: str
    mode: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Header:
    """The facts of a file that one read gives without unpacking a pixel.

    Attributes:
        digest: SHA-256 of the file's bytes.
        n_bytes: Size of the file.
        size: Width and height in pixels, before orientation; or why the image will be refused.
    """

    digest: str
    n_bytes: int
    size: tuple[int, int] | UnsupportedImage


def read_header(uri: str, options: RunOptions) -> Header:
    """Digest and size of an original, both from one read.

    Raises:
        SourceError: See `read_source`.
    """
    data = read_source(uri, max_bytes=options.max_file_bytes)
    digest = hashlib.sha256(data).hexdigest()
    try:
        return Header(digest, len(data), picture_size(data, max_pixels=options.max_pixels))
    except UnsupportedImage as error:
        return Header(digest, len(data), error)


def open_original(image: SourceImage, options: RunOptions) -> Picture:
    """Read an original, make sure that it still is the one with that digest, and open it.

    Raises:
        SourceError: It cannot be read, or has changed.
        UnsupportedImage: See `open_picture`.
    """
    return open_picture(read_original(image, options), max_pixels=options.max_pixels)


def read_original(image: SourceImage, options: RunOptions) -> bytes:
    """Read an original, and make sure that it still is the one with that digest.

    Raises:
        SourceError: It cannot be read, or has changed.
    """
    data = read_source(image.uri, max_bytes=options.max_file_bytes)
    digest = hashlib.sha256(data).hexdigest()
    if digest != image.digest:
        raise SourceError(f"the file has changed: expected SHA-256 {image.digest}, found {digest}")
    return data


def open_picture(data: bytes, *, max_pixels: int) -> Picture:
    """Open an image file of one of `FORMATS`.

    Args:
        data: The file's bytes, from anywhere.
        max_pixels: Largest width · height taken.

    Raises:
        UnsupportedImage: It is no image, is damaged, is too large or of a kind that is refused.
    """
    with _opened(data, max_pixels) as image:
        return _picture(image, data)


def format_of(data: bytes) -> str | None:
    """The format of a file, one of `FORMATS`, by its first bytes; None if it has none of them."""
    try:
        with _open(data) as image:
            return image.format
    except Exception:  # Pillow's readers of headers raise nearly anything on damaged bytes
        return None


def picture_size(data: bytes, *, max_pixels: int) -> tuple[int, int]:
    """Width and height, by the header alone, before orientation. Arguments and errors as `open_picture`."""
    with _opened(data, max_pixels) as image:
        return image.size


@contextmanager
def _opened(data: bytes, max_pixels: int) -> Iterator[Image.Image]:
    """An image whose header is fine; whatever is raised inside of its fault is `UnsupportedImage`."""
    if not data:
        raise UnsupportedImage("expected an image, found a file of 0 bytes")
    size = (0, 0)
    try:
        size = webp.canvas(data) if data[8:12] == b"WEBP" else size
        with _open(data) as image:
            size = image.size
            READERS[str(image.format)].check(image, data)
            _refuse(image, max_pixels)
            yield image
    except (UnsupportedImage, ImportError):  # a library that cannot be loaded is no fault of the picture
        raise
    except UnidentifiedImageError as error:
        raise UnsupportedImage(_what_it_is(data)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(f"expected at most {max_pixels} pixels: {error}") from error
    except MemoryError as error:
        raise MemoryTooSmall("does not fit into memory") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged bytes, or without memory
        _check_memory(min(size[0] * size[1], max_pixels), error)
        raise UnsupportedImage(f"damaged: {type(error).__name__}: {error}") from error


def _check_memory(n_pixels: int, error: Exception) -> None:
    """Raise if a decoder may have failed for want of memory, which none of them says in words of its own."""
    try:
        np.empty(n_pixels * DECODER_BYTES, dtype=np.uint8)
    except MemoryError:
        raise MemoryTooSmall(f"does not fit into memory: {error}") from error


def _what_it_is(data: bytes) -> str:
    """Why Pillow opens a file as none of `FORMATS`."""
    for start, format_ in BEGINNINGS.items():
        if data.startswith(start):
            return f"{format_}: damaged, or of a kind that is not supported"
    return f"expected one of {', '.join(FORMATS)}, found none of them"


def _open(data: bytes) -> Image.Image:
    shown = png.picture_alone(data) if data.startswith(png.MAGIC) else data
    return Image.open(io.BytesIO(shown), formats=FORMATS)


def _refuse(image: Image.Image, max_pixels: int) -> None:
    """Raise if the header alone shows that an image is not taken."""
    width, height = image.size
    if width < 1 or height < 1 or width * height > max_pixels:
        raise TooManyPixels(f"expected 1 to {max_pixels} pixels, found {width}x{height}")
    if max(width, height) > MAX_SIDE:
        raise UnsupportedImage(f"expected sides of at most {MAX_SIDE} pixels, found {width}x{height}")
    if image.format not in ("MPO", "TIFF") and getattr(image, "n_frames", 1) > 1:
        raise UnsupportedImage(f"{image.format}: expected one picture, found an animation")
    if image.mode not in NATIVE_MODES and image.mode not in CONVERTED_MODES:
        raise UnsupportedImage(f"{image.format}: colour mode {image.mode} is not supported")
    try:
        check_metadata(Metadata(image.info.get("icc_profile"), image.info.get("exif")))
    except ConfigError as error:
        raise UnsupportedImage(str(error)) from error


def _picture(image: Image.Image, data: bytes) -> Picture:
    format_, mode = str(image.format), image.mode
    found = READERS[format_].carried(image, data)
    oriented = _oriented(image, found)
    _note_missing_colours(image, found)
    converted = _convert(oriented, found.notes)
    if found.icc_profile and mode in ("CMYK", "YCbCr") and converted.mode != mode:
        found.notes.append(f"ICC profile dropped: it described {mode}")
        found.icc_profile = None
    pixels = np.array(converted, dtype=np.uint8)  # a copy: what Pillow shows cannot be written to
    return Picture(
        pixels=np.ascontiguousarray(pixels.reshape(converted.height, converted.width, -1)),
        metadata=found.metadata(),
        format=format_,
        mode=mode,
        notes=tuple(found.notes),
    )


def _oriented(image: Image.Image, found: Carried) -> Image.Image:
    """Load the pixels and turn them upright; what is carried then says that they are."""
    said = tiff.orientation(image) if image.format == "TIFF" else None
    try:
        turned = upright(found.exif, found.xmp, said)
    except DamagedExif as error:  # EXIF is a format of its own, and damaged blocks are common
        found.notes.append(f"EXIF cannot be read ({error}): kept as it is, orientation not applied")
        image.load()
        return image
    image.load()
    found.exif, found.xmp = turned.exif, turned.xmp
    if turned.orientation == UPRIGHT:
        return image
    found.notes.append(f"EXIF orientation {turned.orientation} applied")
    is_applied = image.format == "TIFF"  # by Pillow, as it loads the pixels
    return image if is_applied else image.transpose(TRANSPOSITIONS[turned.orientation])


def _note_missing_colours(image: Image.Image, found: Carried) -> None:
    """Note pixels for which the palette has no colour, and which Pillow shows as black."""
    if image.mode not in ("P", "PA"):
        return
    numbers = np.asarray(image).reshape(image.height, image.width, -1)[:, :, 0]
    n_colours, most = len(image.getpalette() or ()) // 3, int(numbers.max())
    if most >= n_colours:
        found.notes.append(
            f"damaged: a palette of {counted(n_colours, 'colour')}, and a pixel of number {most}"
        )


def _target_mode(image: Image.Image) -> str:
    """The native mode that holds all an image shows."""
    mode = CONVERTED_MODES.get(image.mode, image.mode)
    return WITH_ALPHA.get(mode, mode) if "transparency" in image.info else mode


def _convert(image: Image.Image, notes: list[str]) -> Image.Image:
    mode = _target_mode(image)
    if mode == image.mode:
        return image
    notes.append(f"converted from {image.mode} to {mode}")
    return image.convert(mode)

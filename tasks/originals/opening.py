"""The one place where a photograph becomes pixels: 8-bit samples, metadata, and notes on what was changed.

Grey, grey with alpha, RGB and RGBA of 8 bits pass as they are. Palettes, bilevel, CMYK and YCbCr are
converted, and a note says so. What would lose more than a note can say is refused by name: more than
8 bits per sample, floats, animations, several pages. Every limit is checked on the header, before
pixels are unpacked. EXIF orientation is applied to the pixels and removed from the EXIF block.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from inr.bitstream import Limits, Metadata
from tasks.errors import SourceError, UnsupportedImage
from tasks.originals.listing import SourceImage
from tasks.originals.reading import read_source
from tasks.settings import RunOptions

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
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
CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Picture:
    """An opened image.

    Attributes:
        pixels: u8 [H, W, C]; C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
        metadata: ICC profile and EXIF, as they were but for the orientation.
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
        return _picture(image)


def format_of(data: bytes) -> str | None:
    """The format of a file, one of `FORMATS`, by its first bytes; None if it has none of them."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.format
    except Exception:  # Pillow's readers of headers raise nearly anything on damaged bytes
        return None


def picture_size(data: bytes, *, max_pixels: int) -> tuple[int, int]:
    """Width and height, by the header alone, before orientation. Arguments and errors as `open_picture`."""
    with _opened(data, max_pixels) as image:
        return image.size


@contextmanager
def _opened(data: bytes, max_pixels: int) -> Iterator[Image.Image]:
    """An image whose header is fine; whatever is raised inside is `UnsupportedImage`."""
    if not data:
        raise UnsupportedImage("expected an image, found a file of 0 bytes")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _refuse(image, max_pixels)
            yield image
    except UnsupportedImage:
        raise
    except UnidentifiedImageError as error:
        raise UnsupportedImage(f"expected one of {', '.join(FORMATS)}, found none of them") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnsupportedImage(f"expected at most {max_pixels} pixels: {error}") from error
    except MemoryError as error:
        raise UnsupportedImage("does not fit into memory") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged bytes
        raise UnsupportedImage(f"damaged: {type(error).__name__}: {error}") from error


def _refuse(image: Image.Image, max_pixels: int) -> None:
    """Raise if the header alone shows that an image is not taken."""
    width, height = image.size
    if width < 1 or height < 1 or width * height > max_pixels:
        raise UnsupportedImage(f"expected 1 to {max_pixels} pixels, found {width}x{height}")
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise UnsupportedImage(f"{image.format}: expected one picture, found an animation or pages")
    if bits := _deep_samples(image):
        raise UnsupportedImage(f"{image.format}: expected 8 bits per sample, found {bits}")
    if image.mode not in NATIVE_MODES and image.mode not in CONVERTED_MODES:
        raise UnsupportedImage(f"{image.format}: colour mode {image.mode} is not supported")
    samples, most = width * height * CHANNELS[_target_mode(image)], Limits().max_samples
    if samples > most:
        raise UnsupportedImage(f"expected at most {most} samples, as decoders take, found {samples}")


def _deep_samples(image: Image.Image) -> str:
    """The sample depth if it is above 8 bits, else nothing.

    Pillow opens 16-bit RGB as mode RGB and drops the low half in silence; only the raw mode shows it.
    """
    if image.mode.startswith(("I", "F")):
        return f"mode {image.mode}"
    for tile in image.tile if isinstance(image, ImageFile.ImageFile) else ():
        for part in tile.args if isinstance(tile.args, tuple) else (tile.args,):
            if isinstance(part, str) and any(f";{bits}" in part for bits in ("12", "16", "32")):
                return f"raw mode {part}"
            if image.format == "PPM" and isinstance(part, int) and part > 255:
                return f"a maximum of {part}"
    return ""


def _picture(image: Image.Image) -> Picture:
    format_, mode, notes = str(image.format), image.mode, []
    image.load()
    if format_ == "MPO":
        notes.append("the first of several pictures in an MPO file is kept")
    profile = image.info.get("icc_profile")
    oriented, exif = _orient(image, notes)
    converted = _convert(oriented, notes)
    if profile and mode in ("CMYK", "YCbCr") and converted.mode != mode:
        notes.append(f"ICC profile dropped: it described {mode}")
        profile = None
    pixels = np.asarray(converted, dtype=np.uint8)
    _note_dropped(image, notes)
    return Picture(
        pixels=np.ascontiguousarray(pixels.reshape(converted.height, converted.width, -1)),
        metadata=Metadata(icc_profile=profile or None, exif=exif),
        format=format_,
        mode=mode,
        notes=tuple(notes),
    )


def _orient(image: Image.Image, notes: list[str]) -> tuple[Image.Image, bytes | None]:
    """Apply the EXIF orientation, if any; returns the image and the EXIF block to keep."""
    kept = image.info.get("exif") or None
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
        if orientation == 1 or orientation not in range(1, 9):
            return image, kept
        oriented = ImageOps.exif_transpose(image)
    except Exception as error:  # EXIF is a format of its own, and damaged blocks are common
        notes.append(f"EXIF cannot be read ({type(error).__name__}): kept as it is, orientation not applied")
        return image, kept
    notes.append(f"EXIF orientation {orientation} applied")
    return oriented, (oriented.info.get("exif") or None) if kept else None


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


def _note_dropped(image: Image.Image, notes: list[str]) -> None:
    if image.info.get("xmp") or "XML:com.adobe.xmp" in image.info:
        notes.append("XMP dropped")
    if image.format == "TIFF":
        notes.append("TIFF tags dropped")

"""Decoded pixels → a lossless image file that other programs open, with ICC profile, EXIF and XMP."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from inr.bitstream import Metadata
from tasks.errors import UnsupportedImage
from tasks.originals.formats.exif import bare
from tasks.originals.formats.jxl.boxes import codestream, in_boxes
from tasks.originals.formats.png import XMP_KEYWORD

PNG_PROFILE_BYTES = (1 << 20) - 1  # of the largest ICC profile with which Pillow opens a PNG
# Efforts of libjxl, of ten. The fifth makes a page in black and white smaller by two thirds than the fourth,
# the seventh line art by a sixth than the fifth, the tenth drawings by up to a third than the ninth. Seconds
# a megapixel: 0.2 to 0.5 and 1 to 4 for drawings, 1.5 and 17 for photographs, which the tenth makes 2 %
# smaller.
JXL_LIGHT, JXL_BEST = 7, 10


def png_holds(metadata: Metadata) -> bool:
    """Return whether a PNG with that metadata opens everywhere: some programs refuse large ICC profiles."""
    return len(metadata.icc_profile or b"") <= PNG_PROFILE_BYTES


def to_png(pixels: NDArray[np.uint8], metadata: Metadata) -> bytes:
    """A PNG file of u8 [H, W, C] pixels, C from 1 to 4.

    Raises:
        UnsupportedImage: The ICC profile is one with which many programs do not open a PNG.
    """
    if not png_holds(metadata):
        found = len(metadata.icc_profile or b"")
        raise UnsupportedImage(
            f"PNG cannot hold the ICC profile: expected at most {PNG_PROFILE_BYTES} bytes, with which all "
            f"programs open it, found {found}; WebP holds it"
        )
    return png_of(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), metadata)


def png_of(image: Image.Image, metadata: Metadata, **options: Any) -> bytes:
    """A PNG file of an image, with the options of Pillow's writer."""
    file, texts = io.BytesIO(), PngImagePlugin.PngInfo()
    if metadata.xmp:
        texts.add_itxt(XMP_KEYWORD, metadata.xmp)
    profile, exif = metadata.icc_profile, metadata.exif or b""
    image.save(file, "PNG", icc_profile=profile, exif=exif, pnginfo=texts, **options)
    return file.getvalue()


def to_webp(pixels: NDArray[np.uint8], metadata: Metadata, *, best: bool = False) -> bytes:
    """A lossless WebP file of u8 [H, W, C] pixels, C from 1 to 4; grey as RGB, since WebP has no grey.

    Args:
        pixels: The pixels.
        metadata: ICC profile, EXIF and XMP.
        best: As small as libwebp can, which takes up to fifty times as long.

    Raises:
        UnsupportedImage: WebP cannot hold it: more than 16383 pixels a side.
    """
    height, width, n_channels = pixels.shape
    if n_channels < 3:
        pixels = np.concatenate([np.repeat(pixels[:, :, :1], 3, axis=2), pixels[:, :, 1:]], axis=2)
    carried = {name: part or b"" for name, part in vars(metadata).items()}
    file, effort = io.BytesIO(), {"method": 6, "quality": 100} if best else {}
    # `exact`: colours under transparent pixels are part of the image.
    try:
        Image.fromarray(pixels).save(file, "WEBP", lossless=True, exact=True, **carried, **effort)
    except (OSError, ValueError) as error:
        raise UnsupportedImage(f"WebP cannot hold {width}x{height} pixels: {error}") from error
    return file.getvalue()


def jxl_holds(metadata: Metadata) -> bool:
    """Return whether a JPEG XL can be written with that metadata: imagecodecs writes no ICC profile."""
    return not metadata.icc_profile


def to_jxl(pixels: NDArray[np.uint8], metadata: Metadata, *, best: bool = False) -> bytes:
    """A lossless JPEG XL file of u8 [H, W, C] pixels, C from 1 to 4.

    Args:
        pixels: The pixels.
        metadata: EXIF and XMP.
        best: As small as libjxl can, which takes four to thirteen times as long.

    Raises:
        UnsupportedImage: There is an ICC profile, which could not be written.
    """
    import imagecodecs  # takes half a second, which a plan does without

    if not jxl_holds(metadata):
        raise UnsupportedImage("JPEG XL cannot be written with an ICC profile; WebP holds it")
    effort = JXL_BEST if best else JXL_LIGHT
    written = imagecodecs.jpegxl_encode(pixels, lossless=True, effort=effort, numthreads=1)
    return in_boxes(codestream(bytes(written)), metadata.exif and bare(metadata.exif), metadata.xmp)


FORMATS = {"png": to_png, "webp": to_webp}

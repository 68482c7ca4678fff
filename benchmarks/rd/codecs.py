"""The classical codecs that a benchmark compares with, each at its best settings for PSNR.

One table, `CODECS`: how to make a file at a setting, and how to read it. Encoders and decoders have one
thread.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Codec:
    """A baseline.

    Attributes:
        settings: Its settings, in words for a report.
        library: The package whose version goes with the results.
        grid: Its settings of quality, each a point of the curve.
        encode: uint8 [H, W, 3] and a value of `grid` → the file.
        decode: The file → uint8 [H, W, 3].
    """

    settings: str
    library: str
    grid: Sequence[float]
    encode: Callable[[Pixels, float], bytes]
    decode: Callable[[bytes], Pixels]


def _saved(pixels: Pixels, format_: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format_, **options)
    return stream.getvalue()


def _opened(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _jpeg(subsampling: str) -> Codec:
    return Codec(
        settings=f"Pillow, {subsampling}, optimised, progressive, the standard quantisation tables",
        library="pillow",
        grid=(3, 5, 8, 12, 18, 27, 40, 55, 70, 82, 90, 95),
        encode=lambda pixels, quality: _saved(
            pixels, "JPEG", quality=int(quality), subsampling=subsampling, optimize=True, progressive=True
        ),
        decode=_opened,
    )


def _jpeg_for_psnr(pixels: Pixels, step: float) -> bytes:
    """Equal steps for all frequencies, as squared error asks for, and MozJPEG's choice of scans."""
    import mozjpeg_lossless_optimization as mozjpeg

    tables = [[int(step)] * 64] * 2
    data = _saved(pixels, "JPEG", qtables=tables, subsampling="4:2:0", optimize=True, progressive=True)
    optimised: bytes = mozjpeg.optimize(data)
    return optimised


def _avif(subsampling: str) -> Codec:
    return Codec(
        settings=f"Pillow's libavif and libaom, {subsampling}, speed {AVIF_SPEED}, tune=psnr",
        library="pillow",
        grid=(12, 22, 33, 44, 55, 66, 77, 88),
        encode=lambda pixels, quality: _saved(
            pixels,
            "AVIF",
            quality=int(quality),
            subsampling=subsampling,
            speed=AVIF_SPEED,
            max_threads=1,
            advanced={"tune": "psnr"},
        ),
        decode=_opened,
    )


def _jpeg_xl(pixels: Pixels, distance: float) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpegxl_encode(pixels, distance=distance, effort=JPEG_XL_EFFORT, numthreads=1))


def _jpeg_xl_pixels(data: bytes) -> Pixels:
    import imagecodecs

    return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=1), dtype=np.uint8)


def _jpeg_2000(pixels: Pixels, rate: float) -> bytes:
    """A codestream of `rate` bits per pixel; `mct` is the colour transform, off in Pillow by default."""
    return _saved(
        pixels,
        "JPEG2000",
        no_jp2=True,
        irreversible=True,
        mct=1,
        quality_mode="rates",
        quality_layers=[24 / rate],
    )


AVIF_SPEED = 4  # 2 takes four times as long for 2.6 % on kodim15
JPEG_XL_EFFORT = 7  # 9 takes six times as long for the same curve of PSNR, within 0.1 % on kodim15
CODECS = {
    "JPEG 4:2:0": _jpeg("4:2:0"),
    "JPEG 4:4:4": _jpeg("4:4:4"),
    "AVIF 4:4:4": _avif("4:4:4"),
    "JPEG for PSNR": Codec(
        settings="Pillow, 4:2:0, flat quantisation tables, scans by MozJPEG without loss",
        library="mozjpeg-lossless-optimization",
        grid=(255, 160, 100, 65, 45, 30, 20, 13, 8),
        encode=_jpeg_for_psnr,
        decode=_opened,
    ),
    "WebP": Codec(
        settings="Pillow's libwebp, lossy, method 6",
        library="pillow",
        grid=(0, 6, 16, 30, 46, 62, 76, 86, 93),
        encode=lambda pixels, quality: _saved(pixels, "WEBP", quality=int(quality), method=6),
        decode=_opened,
    ),
    "JPEG 2000": Codec(
        settings="Pillow's OpenJPEG, irreversible 9/7, colour transform on, one quality layer by rate",
        library="pillow",
        grid=(0.06, 0.1, 0.16, 0.25, 0.4, 0.65, 1.0, 1.6, 2.4),
        encode=_jpeg_2000,
        decode=_opened,
    ),
    "JPEG XL": Codec(
        settings=f"imagecodecs' libjxl, effort {JPEG_XL_EFFORT}",
        library="imagecodecs",
        grid=(25, 16, 11, 7.5, 5, 3.4, 2.3, 1.5, 1.0, 0.6),
        encode=_jpeg_xl,
        decode=_jpeg_xl_pixels,
    ),
    "AVIF 4:2:0": _avif("4:2:0"),
}
# The JPEG that people have; the better one at each rate counts.
JPEGS = ("JPEG 4:2:0", "JPEG 4:4:4")


def origin(name: str) -> str:
    """The codec with all that its results depend on, in words."""
    codec = CODECS[name]
    return f"{name}: {codec.settings} ({codec.library} {version(codec.library)})"

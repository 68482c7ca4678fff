"""The JPEG baseline: Pillow, optimised Huffman tables, progressive scans, 4:2:0 and 4:4:4.

The quantisation tables are the standard ones that Pillow scales by quality. Both subsamplings are
tried at every quality, and at each rate the better one counts.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inr.metrics import bpp, psnr_db
from tasks.curves import Point, envelope, mean_curve

QUALITIES = (*range(1, 80), *range(80, 97, 2))
SUBSAMPLINGS = ("4:2:0", "4:4:4")
SETTINGS = (
    "Pillow, optimised, progressive, standard quantisation tables, "
    f"quality {QUALITIES[0]} to {QUALITIES[-1]} ({len(QUALITIES)} values), {' and '.join(SUBSAMPLINGS)}"
)

Curves = dict[str, list[Point]]


def encode_jpeg(pixels: NDArray[np.uint8], *, quality: int, subsampling: str) -> bytes:
    """One JPEG file of uint8 [H, W, 1 or 3]."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    options: dict[str, Any] = {} if pixels.shape[2] == 1 else {"subsampling": subsampling}
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, optimize=True, progressive=True, **options)
    return stream.getvalue()


def measure_jpeg(pixels: NDArray[np.uint8], *, quality: int, subsampling: str) -> Point:
    """Rate of the file and PSNR of what it decodes to."""
    height, width, channels = pixels.shape
    data = encode_jpeg(pixels, quality=quality, subsampling=subsampling)
    decoded = np.asarray(Image.open(io.BytesIO(data))).reshape(height, width, channels)
    return Point(
        bpp=bpp(n_bytes=len(data), width=width, height=height),
        psnr_db=psnr_db(reference=pixels, decoded=decoded),
    )


def measure_grid(pixels: NDArray[np.uint8]) -> Curves:
    """One curve per subsampling, with a point per quality."""
    return {
        subsampling: [measure_jpeg(pixels, quality=q, subsampling=subsampling) for q in QUALITIES]
        for subsampling in SUBSAMPLINGS
    }


def better(curves: Curves) -> list[Point]:
    """The better subsampling at each rate."""
    return envelope(*curves.values())


def better_mean(per_image: list[Curves]) -> list[Point]:
    """The mean over images of each subsampling, and the better mean at each rate."""
    return envelope(*(mean_curve([curves[name] for curves in per_image]) for name in SUBSAMPLINGS))

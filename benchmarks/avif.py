"""The AVIF baseline: Pillow's libavif, 4:4:4, at a slow speed."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inr.metrics import bpp, psnr_db
from tasks.curves import Point

QUALITIES = tuple(range(20, 93, 4))
SPEED = 2
SETTINGS = f"Pillow's libavif, 4:4:4, speed {SPEED}, quality {QUALITIES[0]} to {QUALITIES[-1]} by 4"


def encode_avif(pixels: NDArray[np.uint8], *, quality: int) -> bytes:
    """One AVIF file of uint8 [H, W, 3]."""
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(stream, "AVIF", quality=quality, subsampling="4:4:4", speed=SPEED, max_threads=1)
    return stream.getvalue()


def measure_avif(pixels: NDArray[np.uint8]) -> list[Point]:
    """The curve of an image: rate of each file, and PSNR of what it decodes to."""
    height, width, _ = pixels.shape
    curve = []
    for quality in QUALITIES:
        data = encode_avif(pixels, quality=quality)
        decoded = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        rate = bpp(n_bytes=len(data), width=width, height=height)
        curve.append(Point(rate, psnr_db(reference=pixels, decoded=decoded)))
    return curve

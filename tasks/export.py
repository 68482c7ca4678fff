"""Decoded pixels → an image file that any program opens, with its ICC profile and EXIF block."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inr.bitstream import Metadata

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def to_png(pixels: NDArray[np.uint8], metadata: Metadata) -> bytes:
    """A PNG file of u8 [H, W, C] pixels, C from 1 to 4."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    file = io.BytesIO()
    image.save(file, "PNG", icc_profile=metadata.icc_profile, exif=metadata.exif or b"")
    return file.getvalue()

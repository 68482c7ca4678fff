"""Lossy WebP as a yardstick: what a picture costs there says where no fit can be worth its time."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inr.metrics import mse
from tasks.originals.forms import lifted


@dataclass(frozen=True)
class Lossy:
    """A picture as lossy WebP.

    Attributes:
        n_bytes: Size of the file, without metadata.
        error: Mean squared error over the samples that count, of pixels in [0, 1].
    """

    n_bytes: int
    error: float


def lossy_webp(
    pixels: NDArray[np.uint8], quality: int, visible: NDArray[np.bool_] | None = None
) -> Lossy | None:
    """Measure a picture as lossy WebP.

    Args:
        pixels: u8 [H, W, C], C from 1 to 4.
        quality: 0 to 100, as libwebp has it.
        visible: bool [H, W]; where it is False, only alpha counts.

    Returns:
        Size and error; None if WebP cannot hold the picture.
    """
    channels = pixels.shape[2]
    shown, file = lifted(pixels, 4 if channels % 2 == 0 else 3), io.BytesIO()
    try:
        Image.fromarray(shown).save(file, "WEBP", quality=quality)
    except (OSError, ValueError):
        return None
    with Image.open(file) as opened:
        decoded = np.asarray(opened.convert("RGB" if shown.shape[2] == 3 else "RGBA"))
    return Lossy(len(file.getvalue()), mse(reference=shown, decoded=decoded, visible=visible))

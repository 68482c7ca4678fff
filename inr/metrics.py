"""Quality and size of a file. Arguments are keyword-only, so that none can be swapped."""

import math

import numpy as np
from numpy.typing import NDArray

_MS_SSIM_MIN_SIDE = 161  # five scales of an 11-pixel window


def mse(*, reference: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """Mean squared error over all samples, of pixels scaled to [0, 1].

    Args:
        reference: uint8 [height, width, channels].
        decoded: uint8 of the same shape.

    Raises:
        ValueError: The shapes differ.
    """
    if reference.shape != decoded.shape:
        raise ValueError(
            f"mse: expected two images of one shape, found {reference.shape} and {decoded.shape}"
        )
    total = 0.0
    for rows in range(0, len(reference), 256):  # in strips: a 45-megapixel image as float64 is a gigabyte
        difference = reference[rows : rows + 256].astype(np.int32) - decoded[rows : rows + 256]
        total += float(np.square(difference).sum(dtype=np.int64))
    return total / reference.size / 255**2


def psnr_db(*, reference: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio over all samples, in dB; infinite for equal images."""
    error = mse(reference=reference, decoded=decoded)
    return -10 * math.log10(error) if error > 0 else math.inf


def ms_ssim(*, reference: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float | None:
    """Multi-scale SSIM (Wang et al. 2003), 0 to 1, mean over channels; None if a side is under 161 pixels."""
    if reference.shape != decoded.shape:
        raise ValueError(
            f"ms_ssim: expected two images of one shape, found {reference.shape} and {decoded.shape}"
        )
    if min(reference.shape[:2]) < _MS_SSIM_MIN_SIDE:
        return None
    import torch  # a second, and only this measure needs it
    from pytorch_msssim import ms_ssim as _ms_ssim

    a, b = (torch.tensor(image).permute(2, 0, 1)[None].float() for image in (reference, decoded))
    return float(_ms_ssim(a, b, data_range=255.0))


def bpp(*, n_bytes: int, width: int, height: int) -> float:
    """Bits per pixel of a file: 8 · bytes / (width · height)."""
    return 8 * n_bytes / (width * height)

"""Quality and size of a file. Arguments are keyword-only, so that none can be swapped."""

import math

import numpy as np
from numpy.typing import NDArray

_MS_SSIM_MIN_SIDE = 161  # five scales of an 11-pixel window


def visible_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """The pixels that a viewer sees, bool [height, width]; None if all are, or there is no alpha.

    Args:
        pixels: uint8 [height, width, channels]; with 2 or 4 channels, the last is alpha.
    """
    if pixels.shape[2] % 2:
        return None
    visible: NDArray[np.bool_] = pixels[:, :, -1] > 0
    return None if visible.all() else visible


def mse(
    *, reference: NDArray[np.uint8], decoded: NDArray[np.uint8], visible: NDArray[np.bool_] | None = None
) -> float:
    """Mean squared error over all samples that count, of pixels scaled to [0, 1].

    Args:
        reference: uint8 [height, width, channels].
        decoded: uint8 of the same shape.
        visible: bool [height, width]; where it is False, only the last channel, alpha, counts.

    Raises:
        ValueError: The shapes differ.
    """
    if reference.shape != decoded.shape:
        raise ValueError(
            f"mse: expected two images of one shape, found {reference.shape} and {decoded.shape}"
        )
    total, n_hidden = 0, 0
    for top in range(0, len(reference), 256):  # in strips: a 45-megapixel image as float64 is a gigabyte
        rows = slice(top, top + 256)
        difference = reference[rows].astype(np.int32) - decoded[rows]
        if visible is not None:
            difference[~visible[rows], :-1] = 0
            n_hidden += int((~visible[rows]).sum())
        total += int(np.square(difference).sum(dtype=np.int64))
    n_counted: int = reference.size - n_hidden * (reference.shape[2] - 1)
    return total / n_counted / 255**2


def psnr_db(
    *, reference: NDArray[np.uint8], decoded: NDArray[np.uint8], visible: NDArray[np.bool_] | None = None
) -> float:
    """Peak signal-to-noise ratio in dB, over the samples that count in `mse`; infinite if they are equal."""
    return psnr_of(mse(reference=reference, decoded=decoded, visible=visible))


def psnr_of(error: float) -> float:
    """The PSNR in dB of a mean squared error of pixels in [0, 1]; infinite for none."""
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

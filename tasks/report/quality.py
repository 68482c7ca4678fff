"""The quality of a decoded image against its original: PSNR, MS-SSIM and FLIP."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inr.metrics import ms_ssim, psnr_db

PIXELS_PER_DEGREE = 67  # FLIP's own default: a 4K screen 0.7 m wide seen from 0.7 m


@dataclass(frozen=True)
class Quality:
    """The measures of one pair.

    Attributes:
        psnr_db: PSNR in dB over all samples of all channels; infinite for equal images.
        ms_ssim: MS-SSIM, 0 to 1, mean over channels; None if a side is under 161 pixels.
        flip: FLIP, from 0 for equal images to 1, see `flip`; None where flip-evaluator is not installed.
    """

    psnr_db: float
    ms_ssim: float | None
    flip: float | None


def measure_quality(*, reference: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> Quality:
    """Every measure of two images, uint8 [H, W, C] of one shape.

    Raises:
        ValueError: The shapes differ.
    """
    return Quality(
        psnr_db=psnr_db(reference=reference, decoded=decoded),
        ms_ssim=ms_ssim(reference=reference, decoded=decoded),
        flip=flip(reference=reference, decoded=decoded),
    )


def flip(*, reference: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float | None:
    """Mean LDR-FLIP (Andersson et al. 2020): the difference that is seen when two images alternate.

    Pixels are taken as sRGB, seen at `PIXELS_PER_DEGREE`; alpha does not count.

    Args:
        reference: uint8 [H, W, C], C from 1 to 4.
        decoded: uint8 of the same shape.

    Returns:
        FLIP, from 0 for equal images to 1; None where the package flip-evaluator (extra `perceptual`) is not
        installed.
    """
    try:
        import flip_evaluator
    except ImportError:
        return None
    pair = (_as_srgb(reference), _as_srgb(decoded))
    _, mean, _ = flip_evaluator.evaluate(
        *pair, "LDR", applyMagma=False, parameters={"ppd": float(PIXELS_PER_DEGREE)}
    )
    return float(mean)


def _as_srgb(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The colours as float32 [H, W, 3] in [0, 1]."""
    colours = pixels[:, :, :3] if pixels.shape[2] >= 3 else np.repeat(pixels[:, :, :1], 3, axis=2)
    return np.ascontiguousarray(colours, dtype=np.float32) / np.float32(255)

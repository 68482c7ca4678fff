"""Samples that nobody sees, the colours of fully transparent pixels, on their way into a fit.

They cost bits only where a fit tries to meet them. So they weigh nothing in its loss, and the mean colour of
what is seen stands in their place: then a channel of one visible value is a constant.
"""

import numpy as np
from numpy.typing import NDArray


def filled(pixels: NDArray[np.uint8], visible: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The image with the mean visible colour in place of hidden colours; with black if nothing is visible.

    Args:
        pixels: uint8 [height, width, channels], alpha last.
        visible: bool [height, width].
    """
    seen = pixels[visible][:, :-1]
    out = pixels.copy()
    out[~visible, :-1] = np.rint(seen.mean(0)).astype(np.uint8) if len(seen) else 0
    return out


def sample_weights(visible: NDArray[np.bool_], channels: int) -> NDArray[np.float32]:
    """Weights of samples in the mean squared error, float32 [height, width, channels], of mean one.

    Args:
        visible: bool [height, width]; where it is False, only the last channel, alpha, counts.
        channels: Channels, alpha included.
    """
    weights = np.ones((*visible.shape, channels), dtype=np.float32)
    weights[~visible, :-1] = 0
    weights /= weights.mean(dtype=np.float64)
    return weights

"""The planes of an image that need no network: channels of one value, and colours that repeat the first.

`split` leaves what a network codes, `merge` puts the rest back; both are exact.
"""

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import Planes

Pixels = NDArray[np.uint8]


def planes_of(pixels: Pixels) -> Planes:
    """The planes of an image, uint8 [height, width, channels], that need no network."""
    least, most = pixels.min((0, 1)), pixels.max((0, 1))
    constants = {n: int(value) for n, value in enumerate(least) if value == most[n]}
    colours_vary = pixels.shape[2] >= 3 and not {0, 1, 2} & constants.keys()
    is_grey = colours_vary and all(np.array_equal(pixels[:, :, 0], pixels[:, :, n]) for n in (1, 2))
    return Planes(constants, is_grey)


def split(pixels: Pixels, planes: Planes) -> Pixels:
    """The channels that a network codes: uint8 [height, width, 0 to 4]."""
    coded = planes.coded(pixels.shape[2])
    return pixels if len(coded) == pixels.shape[2] else np.ascontiguousarray(pixels[:, :, coded])


def merge(coded: Pixels | None, planes: Planes, shape: tuple[int, int, int]) -> Pixels:
    """The whole image.

    Args:
        coded: The channels that a network gave, uint8 [height, width, 1 to 4]; None without a network.
        planes: The others.
        shape: Height, width and channels of the image.
    """
    if coded is not None and coded.shape == shape:
        return coded
    pixels = np.empty(shape, dtype=np.uint8)
    for channel, value in planes.constants.items():
        pixels[:, :, channel] = value
    for n, channel in enumerate(planes.coded(shape[2])):
        assert coded is not None  # a file without a network has constants alone
        pixels[:, :, channel] = coded[:, :, n]
    if planes.is_grey:
        pixels[:, :, 1:3] = pixels[:, :, :1]
    return pixels

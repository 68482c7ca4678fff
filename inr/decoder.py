"""Bytes → symbols → pixels. It loads NumPy, numba and constriction, and no code that fits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import Limits, Metadata, unpack
from inr.coding.planes import merge
from inr.families import read_network
from inr.network import digest_pixels, digest_symbols


@dataclass(frozen=True)
class Decoded:
    """The contents of a bitstream.

    Attributes:
        pixels: uint8 [height, width, channels].
        metadata: ICC profile, EXIF and XMP, byte for byte.
        symbols_digest: SHA-256 of the network's symbols, see `network.digest_symbols`; of none without one.
        pixels_digest: SHA-256 of the pixels, row by row, channels interleaved.
    """

    pixels: NDArray[np.uint8]
    metadata: Metadata
    symbols_digest: str
    pixels_digest: str


def decode(bitstream: bytes, *, limits: Limits = Limits()) -> Decoded:
    """Decode a bitstream.

    Args:
        bitstream: The bytes of one file.
        limits: The most that may be allocated.

    Raises:
        BitstreamError: One of its subclasses says what is wrong with the bytes.
    """
    container = unpack(bitstream, limits)
    network = read_network(container)
    shape = (container.height, container.width, container.channels)
    pixels = merge(None if network is None else network.render(), container.planes, shape)
    symbols = () if network is None else network.symbols
    return Decoded(pixels, container.metadata, digest_symbols(symbols), digest_pixels(pixels))

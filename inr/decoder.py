"""Bytes → symbols → pixels. Never imports the trainer or the encoder."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inr.bitstream import Container, Limits, Metadata, TensorCoding, unpack
from inr.cnn.architecture import LatentPyramid
from inr.coding.coder import Symbols
from inr.mlp.architecture import CoordinateMLP

Architecture = CoordinateMLP | LatentPyramid


@dataclass(frozen=True)
class Decoded:
    """What a bitstream holds.

    Attributes:
        pixels: uint8 [height, width, channels].
        metadata: ICC profile and EXIF, byte for byte.
        symbols_digest: SHA-256 of the network's symbols, see `digest_symbols`.
        pixels_digest: SHA-256 of the pixels, row by row, channels interleaved.
    """

    pixels: NDArray[np.uint8]
    metadata: Metadata
    symbols_digest: str
    pixels_digest: str


@dataclass(frozen=True)
class Network:
    """A bitstream's network: its architecture, symbols and side information, all exact integers."""

    architecture: Architecture
    symbols: Sequence[Symbols]
    codings: list[TensorCoding]


def digest_symbols(symbols: Sequence[Symbols]) -> str:
    """SHA-256 of all tensors in wire order, each symbol as a little-endian int32, in hexadecimal."""
    digest = hashlib.sha256()
    for tensor in symbols:
        for row in tensor.reshape(-1, tensor.shape[-1]):
            digest.update(row.astype("<i4").tobytes())
    return digest.hexdigest()


def digest_pixels(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of uint8 [height, width, channels] in that order, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def read_network(container: Container) -> Network:
    """Decode a container's network.

    Raises:
        InvalidField: A field of its sections is out of range, or the payload is not decodable.
    """
    architecture = _read_architecture(container)
    codings = architecture.codings_from_bytes(container.tensors)
    return Network(architecture, architecture.read_payload(container.payload, codings), codings)


def _read_architecture(container: Container) -> Architecture:
    if container.family == "mlp":
        return CoordinateMLP.from_bytes(container.architecture, container.channels)
    return LatentPyramid.from_bytes(
        container.architecture, channels=container.channels, width=container.width, height=container.height
    )


@contextmanager
def _exact_float32() -> Iterator[None]:
    """Sums of integers need true float32 products: no TF32, no bfloat16, whatever the process prefers."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def render(network: Network, *, width: int, height: int) -> NDArray[np.uint8]:
    """Evaluate a decoded network: uint8 [height, width, channels]."""
    with torch.no_grad(), _exact_float32():
        return network.architecture.render(network.symbols, network.codings, width=width, height=height)


def decode(bitstream: bytes, *, limits: Limits = Limits()) -> Decoded:
    """Decode a bitstream.

    Args:
        bitstream: The bytes of one file.
        limits: What to allocate at most.

    Raises:
        BitstreamError: One of its subclasses says what is wrong with the bytes.
    """
    container = unpack(bitstream, limits)
    network = read_network(container)
    pixels = render(network, width=container.width, height=container.height)
    return Decoded(pixels, container.metadata, digest_symbols(network.symbols), digest_pixels(pixels))

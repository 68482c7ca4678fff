"""A family's network as the rest of the codec sees it, and the digests of what it holds."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import Container
from inr.coding.coder import Symbols
from inr.errors import TooMuchWork


@dataclass(frozen=True)
class Sections:
    """The sections of a container that a family writes.

    Attributes:
        architecture: The network's shape.
        tensors: Side information of its tensors.
        payload: The range coder's output, whole 32-bit words.
    """

    architecture: bytes
    tensors: bytes
    payload: bytes


@dataclass(frozen=True)
class TensorSize:
    """The share of one coded tensor.

    Attributes:
        name: Layer and kind, or grid of latents.
        shape: [out, in] of a matrix, [out] of a vector, [height, width] of a grid of latents.
        step: Quantisation step; in turns for sine layers, full scale for the output of `mlp`. None if the
            tensor is not coded, since all of its symbols are zero.
        n_symbols: Weights or latents.
        n_zero: Number of symbols that are zero.
        bits: Information of the symbols under their integer tables.
        part: What it belongs to: `network`, `levels` or `hyperlatents`.
    """

    name: str
    shape: tuple[int, ...]
    step: float | None
    n_symbols: int
    n_zero: int
    bits: float
    part: str = "network"


class Network(Protocol):
    """One image's network: exact integers, and the pixels that follow from them."""

    @property
    def family(self) -> str:
        """Name of the model family, one of `bitstream.FAMILIES`."""

    @property
    def symbols(self) -> Sequence[Symbols]:
        """All coded tensors, in wire order."""

    @property
    def architecture(self) -> dict[str, int]:
        """Every field of the architecture by name, for people."""

    @property
    def n_parameters(self) -> int:
        """Coded integers: weights, and latents where the family has some."""

    @property
    def multiply_adds_per_pixel(self) -> int:
        """Multiply-adds that a decoder needs for a pixel, biases aside."""

    def sections(self) -> Sections:
        """Write the network."""

    def render(self) -> NDArray[np.uint8]:
        """Evaluate the network at every pixel: uint8 [height, width, channels]."""

    def sizes(self) -> list[TensorSize]:
        """Measure each tensor's share of the payload."""


def check_work(container: Container, multiply_adds: int) -> None:
    """Refuse a network that would take more work than the reader of its container allows.

    Raises:
        TooMuchWork: It would.
    """
    most = container.max_multiply_adds
    if most is not None and multiply_adds > most:
        n_bytes = sum(container.section_bytes.values())
        raise TooMuchWork(
            f"work: expected at most {most} multiply-adds for a file of {n_bytes} bytes, "
            f"found {multiply_adds}"
        )


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

"""Files put together byte by byte, so that any field can be wrong; what is not named is in order.

The smallest images of both families, with nothing coded: one neuron and one sine, and one level of latents
under a prior. `mlp_file` and `cnn_file` take any field in place of their own, as bytes.
"""

import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np

from inr.bitstream import signed_varint, varint
from inr.cnn.prior import Prior, priors
from inr.coding.coder import PayloadWriter, table
from inr.coding.pmf import uniform_counts

INVALID = "InvalidField"
TOO_MUCH = "TooMuchWork"
Refusal = tuple[str, str, str, Callable[[], bytes]]  # name, the product's error, the second decoder's rule
MAGIC = b"\x89INR"
ONE_NEURON = varint(1) + bytes([1, 1, 1])
MATRIX = bytes([40, 0]) + signed_varint(0) + varint(0)  # step, mean, low, range
PHASE = varint(1) + bytes([0]) + varint(0)  # levels, mean, range
OFFSET = bytes([40]) + signed_varint(0) + varint(0)  # step, low, range
METADATA = varint(3) + varint(4) + varint(3) + zlib.compress(b"ICCEXIFXMP", 9)


def changed(data: bytes, at: int, value: int) -> bytes:
    """The bytes with another one in a place."""
    return data[:at] + bytes([value]) + data[at + 1 :]


def section(data: bytes) -> bytes:
    """A section with its length."""
    return varint(len(data)) + data


def sealed(data: bytes) -> bytes:
    """A file without its CRC, with its length and its CRC."""
    data = data[:8] + struct.pack("<I", len(data) + 4) + data[12:]
    return data + struct.pack("<I", zlib.crc32(data))


def file(
    architecture: bytes,
    tensors: bytes,
    *,
    payload: bytes = b"",
    metadata: bytes = b"",
    family: int = 1,
    channels: int = 1,
    planes: int = 0,
    constants: bytes = b"",
    width: bytes = varint(3),
    height: bytes = varint(2),
    sections: bytes | None = None,
    after: bytes = b"",
) -> bytes:
    """A file; `sections` stands in the place of all four, `after` follows them."""
    four = b"".join(map(section, (architecture, tensors, metadata, payload)))
    head = MAGIC + bytes([1, family, channels, planes]) + bytes(4)
    return sealed(head + width + height + constants + (four if sections is None else sections) + after)


def mlp_file(
    architecture: bytes = ONE_NEURON, tensors: bytes = MATRIX + PHASE + MATRIX + OFFSET, **other
) -> bytes:
    """A file of family `mlp`."""
    return file(architecture, tensors, **other)


@cache
def colour_prior() -> Prior:
    """The prior for RGB with the most levels, the first of these."""
    return max((each for each in priors() if each.channels == 3), key=lambda each: each.n_levels)


@cache
def grey_prior() -> Prior:
    """The prior for grey with the most levels, the first of these."""
    return max((each for each in priors() if each.channels == 1), key=lambda each: each.n_levels)


def n_matrices(known: Prior, n_levels: int = 1) -> int:
    """Matrices of a file with so many levels."""
    return 6 + 2 * (n_levels > 1) + known.n_residuals


def cnn_file(architecture: bytes | None = None, tensors: bytes | None = None, **other) -> bytes:
    """A file of family `cnn`, of one level."""
    known = colour_prior()
    if architecture is None:
        architecture = bytes([1, known.number, 12])
    if tensors is None:
        tensors = bytes(2 * n_matrices(known)) + varint(0)
    return file(architecture, tensors, **{"family": 2, "channels": 3} | other)


def offsets_payload(symbols: list[int], n: int) -> bytes:
    """The payload of symbols from 0 to n - 1, all as probable."""
    writer = PayloadWriter()
    writer.all(np.array(symbols, np.int32), table(uniform_counts(n)))
    return writer.to_bytes()


def with_offsets(symbols: list[int], n: int, payload: bytes | None = None) -> bytes:
    """A file of family `mlp` whose offsets, a channel each, are all that is coded."""
    offset = bytes([40]) + signed_varint(0) + varint(n - 1)
    coded = offsets_payload(symbols, n) if payload is None else payload
    return mlp_file(tensors=MATRIX + PHASE + MATRIX + offset, payload=coded, channels=len(symbols))

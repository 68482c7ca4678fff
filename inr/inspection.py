"""The shares of a bitstream: its sections, parts and tensors, without rendering it."""

from collections.abc import Sequence
from dataclasses import dataclass

from inr.bitstream import FORMAT_VERSION, Limits, unpack
from inr.families import read_network
from inr.metrics import bpp
from inr.network import TensorSize


@dataclass(frozen=True)
class SectionSize:
    """A part of the file and its size in bytes, its length prefix included."""

    name: str
    n_bytes: int


@dataclass(frozen=True)
class PartSize:
    """All tensors of one part of the model together: its network, or a kind of its latents."""

    name: str
    n_symbols: int
    n_zero: int
    bits: float


@dataclass(frozen=True)
class Inspection:
    """A bitstream taken apart; sizes are in bytes unless the name says otherwise.

    Without a network, `architecture` and `tensors` are empty. `constants` are the values of the channels that
    have one value at every pixel, by their number; `is_grey` says that channels 1 and 2 repeat channel 0.
    """

    format_version: int
    n_bytes: int
    width: int
    height: int
    channels: int
    constants: dict[int, int]
    is_grey: bool
    model: str
    architecture: dict[str, int]
    sections: tuple[SectionSize, ...]
    parts: tuple[PartSize, ...]
    tensors: tuple[TensorSize, ...]
    n_parameters: int
    rate_bpp: float
    multiply_adds_per_pixel: int
    icc_bytes: int
    exif_bytes: int
    xmp_bytes: int


def inspect(bitstream: bytes, *, limits: Limits = Limits()) -> Inspection:
    """Take a bitstream apart without rendering it.

    Raises:
        BitstreamError: One of its subclasses says what is wrong with the bytes.
    """
    container = unpack(bitstream, limits)
    network = read_network(container)
    tensors = () if network is None else tuple(network.sizes())
    return Inspection(
        format_version=FORMAT_VERSION,
        n_bytes=len(bitstream),
        width=container.width,
        height=container.height,
        channels=container.channels,
        constants=dict(container.planes.constants),
        is_grey=container.planes.is_grey,
        model=container.family,
        architecture={} if network is None else network.architecture,
        sections=tuple(SectionSize(name, size) for name, size in container.section_bytes.items()),
        parts=_parts(tensors),
        tensors=tensors,
        n_parameters=0 if network is None else network.n_parameters,
        rate_bpp=bpp(n_bytes=len(bitstream), width=container.width, height=container.height),
        multiply_adds_per_pixel=0 if network is None else network.multiply_adds_per_pixel,
        icc_bytes=len(container.metadata.icc_profile or b""),
        exif_bytes=len(container.metadata.exif or b""),
        xmp_bytes=len(container.metadata.xmp or b""),
    )


def _parts(tensors: Sequence[TensorSize]) -> tuple[PartSize, ...]:
    """The parts in the order in which their first tensors stand."""
    names = dict.fromkeys(tensor.part for tensor in tensors)
    members = {name: [tensor for tensor in tensors if tensor.part == name] for name in names}
    return tuple(
        PartSize(
            name,
            sum(tensor.n_symbols for tensor in its),
            sum(tensor.n_zero for tensor in its),
            sum(tensor.bits for tensor in its),
        )
        for name, its in members.items()
    )

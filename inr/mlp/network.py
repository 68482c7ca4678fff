"""Family `mlp`: a network's symbols with their side information; its sections, read and written."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import MAX_SYMBOL, Container, Reader, signed_varint, varint
from inr.coding.coder import PayloadReader, PayloadWriter
from inr.coding.pmf import N_SCALES
from inr.coding.tensors import Geometric, Increments, TensorCoding, Uniform
from inr.mlp.architecture import CoordinateMLP, TensorSpec
from inr.mlp.steps import MAX_QUARTER_LEVELS, N_STEPS
from inr.mlp.synthesis import synthesize
from inr.network import Sections, TensorSize, check_work


@dataclass(frozen=True, eq=False, kw_only=True)
class MlpNetwork:
    """A network of sine layers for one image. See `inr.network.Network`.

    Attributes:
        shape: Its architecture.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        symbols: int32 tensors in wire order.
        step_indices: For each tensor, the number that names its step: levels in a quarter turn for phases,
            an index of `steps.step_size` for the others.
        codings: For each tensor, the law that codes it.
    """

    family: ClassVar[str] = "mlp"

    shape: CoordinateMLP
    width: int
    height: int
    symbols: Sequence[NDArray[np.int32]]
    step_indices: Sequence[int]
    codings: Sequence[TensorCoding]

    @classmethod
    def read(cls, container: Container) -> "MlpNetwork":
        """Decode the network of a container.

        Raises:
            InvalidField: A field of its sections is out of range, or the payload is not decodable.
        """
        shape = CoordinateMLP.from_bytes(container.architecture, container.channels)
        step_indices, codings = read_side_information(shape, container.tensors)
        check_work(container, shape.work(container.width * container.height))
        payload = PayloadReader(container.payload)
        symbols = [
            coding.read(payload, spec.shape) for spec, coding in zip(shape.specs, codings, strict=True)
        ]
        payload.end()
        return cls(
            shape=shape,
            width=container.width,
            height=container.height,
            symbols=symbols,
            step_indices=step_indices,
            codings=codings,
        )

    @property
    def architecture(self) -> dict[str, int]:
        """Every field of the architecture by name."""
        return asdict(self.shape)

    @property
    def n_parameters(self) -> int:
        """Number of coded weights."""
        return self.shape.n_parameters

    @property
    def multiply_adds_per_pixel(self) -> int:
        """Multiply-adds of the matrices that a pixel passes."""
        return self.shape.multiply_adds_per_pixel

    def sections(self) -> Sections:
        """Write the network."""
        payload = PayloadWriter()
        for coding, tensor in zip(self.codings, self.symbols, strict=True):
            coding.write(payload, tensor)
        tensors = write_side_information(self.shape, self.step_indices, self.codings)
        return Sections(self.shape.to_bytes(), tensors, payload.to_bytes())

    def render(self) -> NDArray[np.uint8]:
        """Evaluate the network at every pixel: uint8 [height, width, channels]."""
        return synthesize(self.shape, self.symbols, self.step_indices, width=self.width, height=self.height)

    def sizes(self) -> list[TensorSize]:
        """Measure each tensor's share of the payload."""
        return [
            TensorSize(
                name=spec.name,
                shape=spec.shape,
                step=spec.step(index),
                n_symbols=tensor.size,
                n_zero=int((tensor == 0).sum()),
                bits=coding.bits(tensor),
            )
            for spec, tensor, index, coding in zip(
                self.shape.specs, self.symbols, self.step_indices, self.codings, strict=True
            )
        ]


def write_side_information(
    shape: CoordinateMLP, step_indices: Sequence[int], codings: Sequence[TensorCoding]
) -> bytes:
    """The tensors section (FORMAT.md, section 5)."""
    out = b""
    for spec, step_index, coding in zip(shape.specs, step_indices, codings, strict=True):
        out += varint(step_index) if spec.is_phase else bytes([step_index])
        out += bytes([coding.mean_index]) if isinstance(coding, Geometric | Increments) else b""
        out += b"" if spec.is_phase else signed_varint(coding.low)
        out += varint(coding.high - coding.low)
    return out


def read_side_information(shape: CoordinateMLP, data: bytes) -> tuple[list[int], list[TensorCoding]]:
    """Read a tensors section: step indices and codings, in wire order.

    Raises:
        InvalidField: A field is out of its range.
    """
    reader = Reader(data, "tensors")
    step_indices, codings = [], list[TensorCoding]()
    for spec in shape.specs:
        if spec.is_phase:
            step_indices.append(reader.varint(f"{spec.name} levels", 1, MAX_QUARTER_LEVELS))
        else:
            step_indices.append(reader.byte(f"{spec.name} step", 0, N_STEPS - 1))
        codings.append(_read_coding(spec, reader))
    reader.end()
    return step_indices, codings


def _read_coding(spec: TensorSpec, reader: Reader) -> TensorCoding:
    if spec.is_phase:
        mean_index = reader.byte(f"{spec.name} mean", 0, N_SCALES - 1)
        return Increments(mean_index, reader.varint(f"{spec.name} range", 0, MAX_SYMBOL))
    mean_index = reader.byte(f"{spec.name} mean", 0, N_SCALES - 1) if spec.is_matrix else 0
    low = reader.signed(f"{spec.name} low", -MAX_SYMBOL, MAX_SYMBOL)
    high = low + reader.varint(f"{spec.name} range", 0, MAX_SYMBOL - low)
    return Geometric(mean_index, low, high) if spec.is_matrix else Uniform(low, high)

"""Family `cnn`: a pyramid of latents and its networks; their sections, read and written."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import Container, Reader, varint
from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.arithmetic import MAX_REACH, Ints, Latents
from inr.cnn.context import ContextModel
from inr.cnn.grids import coding_order
from inr.cnn.levels import level_bits, read_level, write_level
from inr.cnn.synthesis import Synthesis
from inr.coding.coder import PayloadReader, PayloadWriter, Symbols
from inr.coding.pmf import N_SCALES, SCALE_BITS, SCALES
from inr.coding.tensors import Geometric
from inr.errors import InvalidField
from inr.network import Sections, TensorSize, check_work

_MAX_ROW_SUM = 1 << 15  # of magnitudes in a row of a matrix, so that no sum leaves 32 bits
_MAX_FILTER_SUM = 1 << 11  # for `filters` and `upsampling`, whose inputs are larger


def largest_symbol(mean_index: int) -> int:
    """Largest magnitude of a symbol in a matrix of that mean magnitude."""
    return min(2047, 16 + (int(SCALES[mean_index]) << 4 >> SCALE_BITS))


def largest_row_sum(name: str) -> int:
    """Most that `row_sums` may be in the matrix of that name."""
    return _MAX_FILTER_SUM if name in ("filters", "upsampling") else _MAX_ROW_SUM


def row_sums(shape: LatentPyramid, name: str, integers: Ints) -> NDArray[np.int64]:
    """Sums of magnitudes of a matrix that bound the arithmetic's sums: int64, one or more for each row."""
    magnitudes = np.abs(integers).astype(np.int64)
    if name == "parents":  # a grid meets its own block alone
        starts = [grid.first_column for grid in shape.grids]
        of_blocks: NDArray[np.int64] = np.add.reduceat(magnitudes, starts, axis=1)
        return of_blocks
    if name == "filters":  # its taps but the first are applied twice
        magnitudes[:, 1:] *= 2
    of_rows: NDArray[np.int64] = magnitudes.sum(axis=1)
    return of_rows


@dataclass(frozen=True)
class MatrixCoding:
    """Side information of a matrix.

    Attributes:
        exponent: A symbol stands for itself times 2**-exponent; 0: all symbols are zero and not coded.
        mean_index: Index of the symbols' mean magnitude in pmf.SCALES; 0 where none is coded.
    """

    exponent: int
    mean_index: int

    @property
    def law(self) -> Geometric:
        """The law that codes the symbols."""
        largest = largest_symbol(self.mean_index) if self.exponent else 0
        return Geometric(self.mean_index, -largest, largest)


@dataclass(frozen=True)
class Weights:
    """A matrix as the arithmetic has it: int32 integers, each standing for itself times 2**-exponent."""

    integers: Ints
    exponent: int


@dataclass(frozen=True, eq=False, kw_only=True)
class CnnNetwork:
    """Latents and networks of one image. See `inr.network.Network`.

    Attributes:
        shape: The architecture.
        matrices: int32, the symbols of the networks' matrices, in wire order.
        codings: The matrices' side information.
        levels: int16 [height, width], the latents of each grid in wire order: levels, finest first, then
            hyperlatents.
        reaches: For each grid, the largest distance of a latent from what it is relative to.
    """

    family: ClassVar[str] = "cnn"

    shape: LatentPyramid
    matrices: Sequence[Ints]
    codings: Sequence[MatrixCoding]
    levels: Sequence[Latents]
    reaches: Sequence[int]

    @classmethod
    def read(cls, container: Container) -> "CnnNetwork":
        """Decode the network of a container.

        Raises:
            InvalidField: A field of its sections is out of range, or the payload is not decodable.
        """
        shape = LatentPyramid.from_bytes(
            container.architecture,
            channels=container.channels,
            width=container.width,
            height=container.height,
        )
        codings, reaches = read_side_information(shape, container.tensors)
        check_work(container, shape.work(reaches))
        payload = PayloadReader(container.payload)
        matrices = [
            coding.law.read(payload, size)
            for size, coding in zip(shape.matrices.values(), codings, strict=True)
        ]
        context = context_model(shape, weights_of(shape, matrices, codings))
        found: list[Latents | None] = [None] * len(reaches)
        for place in coding_order(shape.n_levels):
            size = shape.grid_shapes[place]
            found[place] = read_level(payload, context, place, found, size, reaches[place])
        payload.end()
        levels = [latents for latents in found if latents is not None]
        return cls(shape=shape, matrices=matrices, codings=codings, levels=levels, reaches=reaches)

    @property
    def symbols(self) -> list[Symbols]:
        """All coded tensors in wire order: matrices, then grids."""
        return [*self.matrices, *self.levels]

    @property
    def architecture(self) -> dict[str, int]:
        """Every field of the architecture by name."""
        return self.shape.fields()

    @property
    def n_parameters(self) -> int:
        """Coded integers: weights and latents."""
        return self.shape.n_parameters

    @property
    def multiply_adds_per_pixel(self) -> int:
        """Multiply-adds that a decoder needs for a pixel."""
        return self.shape.multiply_adds_per_pixel

    @cached_property
    def weights(self) -> dict[str, Weights]:
        """The matrices as the arithmetic has them, by name."""
        return weights_of(self.shape, self.matrices, self.codings)

    def sections(self) -> Sections:
        """Write the network: matrices first, then grids from the coarsest on."""
        payload, context = PayloadWriter(), context_model(self.shape, self.weights)
        for coding, matrix in zip(self.codings, self.matrices, strict=True):
            coding.law.write(payload, matrix)
        for place in coding_order(self.shape.n_levels):
            write_level(payload, context, place, self.levels, self.reaches[place])
        tensors = write_side_information(self.codings, self.reaches)
        return Sections(self.shape.to_bytes(), tensors, payload.to_bytes())

    def render(self) -> NDArray[np.uint8]:
        """Evaluate the synthesis at every pixel: uint8 [height, width, channels]."""
        return synthesis(self.shape, self.weights).render(self.levels[: self.shape.n_levels])

    def sizes(self) -> list[TensorSize]:
        """Measure the share of each matrix and grid in the payload."""
        context = context_model(self.shape, self.weights)
        steps = [2.0**-coding.exponent if coding.exponent else None for coding in self.codings]
        steps += [1.0] * len(self.levels)
        bits = [c.law.bits(matrix) for c, matrix in zip(self.codings, self.matrices, strict=True)]
        bits += [level_bits(context, place, self.levels, reach) for place, reach in enumerate(self.reaches)]
        names = [(name, "network") for name in self.shape.matrices]
        names += [(grid.name, "hyperlatents" if grid.is_hyper else "levels") for grid in self.shape.grids]
        return [
            TensorSize(name, tensor.shape, step, tensor.size, int((tensor == 0).sum()), its_bits, part)
            for (name, part), tensor, step, its_bits in zip(names, self.symbols, steps, bits, strict=True)
        ]


def write_side_information(codings: Sequence[MatrixCoding], reaches: Sequence[int]) -> bytes:
    """The tensors section: exponent and mean of each matrix, then the reach of each grid."""
    of_matrices = bytes(value for coding in codings for value in (coding.exponent, coding.mean_index))
    return of_matrices + b"".join(map(varint, reaches))


def read_side_information(shape: LatentPyramid, data: bytes) -> tuple[list[MatrixCoding], list[int]]:
    """Read a tensors section: side information of each matrix, and the reach of each grid.

    Raises:
        InvalidField: A field is out of its range.
    """
    reader, codings = Reader(data, "tensors"), []
    for name in shape.matrices:
        exponent = reader.byte(f"{name} exponent", 0, shape.exponent(name))
        mean_index = reader.byte(f"{name} mean", 0, N_SCALES - 1 if exponent else 0)
        codings.append(MatrixCoding(exponent, mean_index))
    reaches = [reader.varint(f"{grid.name} reach", 0, MAX_REACH) for grid in shape.grids]
    reader.end()
    return codings, reaches


def weights_of(
    shape: LatentPyramid, matrices: Sequence[Ints], codings: Sequence[MatrixCoding]
) -> dict[str, Weights]:
    """The weights that symbols stand for, by name of the matrix: its prior's, and what the file adds.

    Raises:
        InvalidField: A row's magnitudes sum to more than the arithmetic has room for.
    """
    found = {}
    for name, symbols, coding in zip(shape.matrices, matrices, codings, strict=True):
        exponent = shape.exponent(name)
        integers = shape.known(name) + (symbols << (exponent - coding.exponent))
        most, largest = largest_row_sum(name), int(row_sums(shape, name, integers).max())
        if largest > most:
            raise InvalidField(
                f"{name}: a row's magnitudes expected to sum to at most {most}, found {largest}"
            )
        found[name] = Weights(integers, exponent)
    return found


def context_model(shape: LatentPyramid, weights: dict[str, Weights]) -> ContextModel:
    """The context model among the networks."""
    layers = [weights[name] for name in CONTEXT_MATRICES]
    integers, exponents = zip(*((layer.integers, layer.exponent) for layer in layers), strict=True)
    return ContextModel(shape.n_levels, integers, exponents)


def synthesis(shape: LatentPyramid, weights: dict[str, Weights]) -> Synthesis:
    """The synthesis among the networks."""
    none = Weights(np.zeros((0, 4), dtype=np.int32), 0)  # of one level
    filters, upsampling = (weights.get(name, none) for name in ("filters", "upsampling"))
    first, second = weights["synthesis0"], weights["synthesis1"]
    residuals = [weights[name] for name in shape.residual_matrices]
    return Synthesis(
        filters.integers,
        upsampling.integers,
        first.integers,
        second.integers,
        tuple(layer.integers for layer in residuals),
        tuple(layer.exponent for layer in (filters, upsampling, first, second, *residuals)),
    )

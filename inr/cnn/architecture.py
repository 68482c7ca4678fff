"""Family `cnn`: a pyramid of integer latents, the model that codes them, and a small synthesis.

`LatentPyramid` says which tensors there are, how their side information is written, and how payload,
symbols and pixels follow from each other. The class of codec is that of COOL-CHIC (arXiv 2212.05458) and
C3 (arXiv 2312.02753).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import Reader, TensorCoding, varint
from inr.cnn.context import MAX_LATENT, NEIGHBOURS, ContextModel, Ints, Latents, walk_level
from inr.cnn.prior import N_GAINS, NO_GAIN, prior, priors
from inr.cnn.synthesis import Synthesis
from inr.coding.coder import PayloadReader, PayloadWriter, Symbols, TensorSize, information, tensor_bits
from inr.coding.pmf import MAX_REACH, N_SCALES, SCALE_BITS, SCALES, laplace_counts
from inr.errors import InvalidField

MAX_LEVELS = 8
MAX_CONTEXT_WIDTH = 32
MAX_SYNTHESIS_WIDTH = 64
MIN_EXPONENT, MAX_EXPONENT = 3, 15
_SMALL_REACH = 24  # tables up to here are kept, half a megabyte each
MAX_PIXELS = 1 << 25  # of an image, so that its latents are not over 256 MiB
MAX_ROW_SUM = 1 << 15  # of magnitudes in a row of a matrix, so that no sum leaves 32 bits
MAX_FILTER_SUM = 1 << 11


@cache
def compiled_kernels() -> ModuleType | None:
    """exact_kernels.py where numba is installed; without it NumPy computes the same integers."""
    try:
        from inr.cnn import kernels as exact_kernels
    except ImportError:
        return None
    return exact_kernels


def largest_symbol(mean_index: int) -> int:
    """Largest magnitude of a weight in a tensor of that mean magnitude."""
    return min(2047, 16 + (int(SCALES[mean_index]) << 4 >> SCALE_BITS))


def largest_row_sum(name: str) -> int:
    """Most that the magnitudes in a row of the matrix of that name may sum to."""
    return MAX_FILTER_SUM if name == "upsampling" else MAX_ROW_SUM


@dataclass(frozen=True)
class LatentPyramid:
    """Architecture of one network.

    Attributes:
        channels: Of the image, 1 to 4.
        width: Of the image, in pixels.
        height: Of the image.
        n_levels: Grids of latents, each half the size of the one before, 1 to 8.
        context_width: Neurons in each of the two hidden layers of the context model, 2 to 32.
        synthesis_width: Neurons in the hidden layer of the synthesis, 2 to 64.
        n_residuals: 3x3 layers at its end, 0 to 2.
        prior: Number of the networks that its own are told as differences from; 0 for none. The three
            fields above are then those of the prior.
        gain: Of the prior, in quarter octaves, see prior.py; NO_GAIN without one.
    """

    channels: int
    width: int
    height: int
    n_levels: int
    context_width: int
    synthesis_width: int
    n_residuals: int
    prior: int = 0
    gain: int = NO_GAIN

    @property
    def level_shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each level, finest first."""
        return tuple((-(-self.height >> n), -(-self.width >> n)) for n in range(self.n_levels))

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """Name and shape of the networks' tensors, in wire order; their last columns meet a constant one."""
        hidden, wide, channels = self.context_width, self.synthesis_width, self.channels
        shapes = {
            "context0": (hidden, len(NEIGHBOURS) + 1),
            "context1": (hidden, hidden + 1),
            "context2": (2, hidden + 1),
            "upsampling": (self.n_levels - 1, 4),
            "synthesis0": (wide, self.n_levels + 1),
            "synthesis1": (channels, wide + 1),
        }
        shapes |= {f"residual{n}": (channels, 9 * channels + 1) for n in range(self.n_residuals)}
        return {name: shape for name, shape in shapes.items() if shape[0]}

    @property
    def n_weights(self) -> int:
        """Weights of the networks."""
        n_weights: int = sum(math.prod(shape) for shape in self.matrices.values())
        return n_weights

    @property
    def n_parameters(self) -> int:
        """Coded integers: weights and latents."""
        return self.n_weights + sum(math.prod(shape) for shape in self.level_shapes)

    @property
    def multiply_adds_per_pixel(self) -> int:
        """Of a decoder, biases aside."""
        hidden, wide, channels = self.context_width, self.synthesis_width, self.channels
        context = hidden * (len(NEIGHBOURS) + hidden + 2)
        n_latents = sum(math.prod(shape) for shape in self.level_shapes)
        doubled = sum(6 * (self.n_levels - 1 - n) * 0.25**n for n in range(self.n_levels - 1))
        synthesis = wide * (self.n_levels + channels) + self.n_residuals * 9 * channels**2
        return round(context * n_latents / (self.width * self.height) + doubled) + synthesis

    def to_bytes(self) -> bytes:
        """The architecture section."""
        widths = bytes([self.n_levels, self.context_width, self.synthesis_width, self.n_residuals])
        return widths + bytes([self.prior, self.gain] if self.prior else [])

    @classmethod
    def from_bytes(cls, data: bytes, *, channels: int, width: int, height: int) -> "LatentPyramid":
        """Read an architecture section.

        Raises:
            InvalidField: A field is out of its range, or the image is too large for the family.
        """
        if width * height > MAX_PIXELS:
            raise InvalidField(f"size: expected at most {MAX_PIXELS} pixels, found {width} x {height}")
        reader = Reader(data, "architecture")
        n_levels = reader.byte("levels", 1, MAX_LEVELS)
        context_width = reader.byte("context width", 2, MAX_CONTEXT_WIDTH)
        synthesis_width = reader.byte("synthesis width", 2, MAX_SYNTHESIS_WIDTH)
        n_residuals = reader.byte("residual layers", 0, 2)
        fields = (n_levels, context_width, synthesis_width, n_residuals)
        if reader.position == len(data):
            return cls(channels, width, height, *fields)
        number = reader.byte("prior", 1, len(priors()))
        gain = reader.byte("gain", 0, N_GAINS - 1)
        reader.end()
        known = prior(number)
        if (context_width, synthesis_width, n_residuals) != known.widths or n_levels > known.n_levels:
            raise InvalidField(
                f"prior {number}: expected at most {known.n_levels} levels and widths {known.widths}, "
                f"found {n_levels} and {fields[1:]}"
            )
        if channels not in (known.channels, known.channels + 1):
            raise InvalidField(
                f"prior {number}: expected {known.channels} channels or one more, found {channels}"
            )
        return cls(channels, width, height, *fields, number, gain)

    def codings_to_bytes(self, codings: Sequence[TensorCoding]) -> bytes:
        """The tensors section: of each matrix exponent and mean, of each level its reach."""
        out = bytearray()
        n_matrices = len(self.matrices)
        for coding in codings[:n_matrices]:
            assert coding.mean_index is not None
            out += bytes([coding.step_index, coding.mean_index])
        return bytes(out) + b"".join(varint(coding.high) for coding in codings[n_matrices:])

    def codings_from_bytes(self, data: bytes) -> list[TensorCoding]:
        """Read a tensors section.

        Raises:
            InvalidField: A field is out of its range.
        """
        reader = Reader(data, "tensors")
        codings = []
        for name in self.matrices:
            exponent = reader.byte(f"{name} exponent", *self.exponent_range(name))
            mean = reader.byte(f"{name} mean", 0, N_SCALES - 1 if exponent else 0)
            codings.append(matrix_coding(exponent, mean))
        for level in range(self.n_levels):
            codings.append(level_coding(reader.varint(f"level {level} reach", 0, MAX_REACH)))
        reader.end()
        return codings

    def _split(self, symbols: Sequence[Symbols]) -> tuple[list[NDArray[np.int32]], list[Latents]]:
        """Matrices, and levels where they are given."""
        n_matrices = len(self.matrices)
        return (
            [tensor.astype(np.int32, copy=False) for tensor in symbols[:n_matrices]],
            [tensor.astype(np.int16, copy=False) for tensor in symbols[n_matrices:]],
        )

    def exponent_range(self, name: str) -> tuple[int, int]:
        """Least and largest exponent of a matrix's symbols; 0 where all are zero and not coded."""
        if not self.prior:
            return MIN_EXPONENT, MAX_EXPONENT
        return 0, prior(self.prior).exponent(name, self.gain)

    def known(self, name: str) -> Ints:
        """What a matrix is told as a difference from, in units of its prior's exponent: int32."""
        return prior(self.prior).matrix(name, self.channels, self.n_levels, self.gain)

    def _weights(self, name: str, symbols: Ints, exponent: int) -> tuple[Ints, int]:
        """A matrix as the arithmetic has it: its integers, and their exponent.

        Raises:
            InvalidField: A row's magnitudes sum to more than the arithmetic has room for.
        """
        if self.prior:
            finest = prior(self.prior).exponent(name, self.gain)
            symbols, exponent = self.known(name) + (symbols << (finest - exponent)), finest
        most = largest_row_sum(name)
        found = int(np.abs(symbols).sum(axis=1).max())
        if found > most:
            raise InvalidField(f"{name}: a row's magnitudes expected to sum to at most {most}, found {found}")
        return symbols, exponent

    def networks(
        self, symbols: Sequence[Symbols], codings: Sequence[TensorCoding]
    ) -> tuple[ContextModel, Synthesis]:
        """Context model and synthesis of the matrices' symbols.

        Raises:
            InvalidField: A row's magnitudes sum to more than the arithmetic has room for.
        """
        matrices = zip(self.matrices, self._split(symbols)[0], codings, strict=False)
        named, exponents = {}, {}
        for name, matrix, coding in matrices:
            named[name], exponents[name] = self._weights(name, matrix, coding.step_index)
        context = [f"context{n}" for n in range(3)]
        synthesis = [
            "upsampling",
            "synthesis0",
            "synthesis1",
            *(f"residual{n}" for n in range(self.n_residuals)),
        ]
        no_filters = np.zeros((0, 4), dtype=np.int32)
        return (
            ContextModel(tuple(named[name] for name in context), tuple(exponents[name] for name in context)),
            Synthesis(
                named.get("upsampling", no_filters),
                named["synthesis0"],
                named["synthesis1"],
                tuple(named[name] for name in synthesis[3:]),
                tuple(exponents.get(name, MIN_EXPONENT) for name in synthesis),
            ),
        )

    def write_payload(self, symbols: Sequence[Symbols], codings: Sequence[TensorCoding]) -> bytes:
        """Code all symbols: matrices, then levels from the coarsest on."""
        writer = PayloadWriter()
        n_matrices = len(self.matrices)
        for tensor, coding in zip(symbols[:n_matrices], codings[:n_matrices], strict=True):
            writer.tensor(tensor, coding)
        levels = self._split(symbols)[1]
        context, _ = self.networks(symbols, codings)
        for level in reversed(range(self.n_levels)):
            reach = codings[n_matrices + level].high
            if reach:
                laws, relative = level_laws(context, levels[level])
                writer.under(relative + reach, _tables(reach), laws)
        return writer.to_bytes()

    def read_payload(self, payload: bytes, codings: Sequence[TensorCoding]) -> list[Symbols]:
        """The inverse of `write_payload`: matrices, then levels, finest first.

        Raises:
            InvalidField: The payload is not one that an encoder writes.
        """
        reader = PayloadReader(payload)
        n_matrices = len(self.matrices)
        matrices = [
            reader.tensor(shape, coding)
            for shape, coding in zip(self.matrices.values(), codings[:n_matrices], strict=True)
        ]
        context, _ = self.networks(matrices, codings)
        levels: list[Symbols] = []
        for level in reversed(range(self.n_levels)):
            reach = codings[n_matrices + level].high
            levels.insert(0, _read_level(context, self.level_shapes[level], reach, reader))
        return matrices + levels

    def render(
        self,
        symbols: Sequence[Symbols],
        codings: Sequence[TensorCoding],
        *,
        width: int,
        height: int,
    ) -> NDArray[np.uint8]:
        """Pixels of the symbols: uint8 [height, width, channels]; the size is the architecture's own."""
        assert (width, height) == (self.width, self.height)
        _, synthesis = self.networks(symbols, codings)
        return synthesis.render(self._split(symbols)[1], compiled_kernels())

    def sizes(self, symbols: Sequence[Symbols], codings: Sequence[TensorCoding]) -> list[TensorSize]:
        """What each matrix and level takes in the payload."""
        n_matrices = len(self.matrices)
        found = [
            TensorSize(
                name, matrix.shape, 2.0**-coding.step_index, matrix.size, int((matrix == 0).sum()), bits
            )
            for name, matrix, coding, bits in zip(
                self.matrices, symbols, codings, map(tensor_bits, symbols[:n_matrices], codings), strict=False
            )
        ]
        context, _ = self.networks(symbols, codings)
        for n, (latents, coding) in enumerate(
            zip(self._split(symbols)[1], codings[n_matrices:], strict=True)
        ):
            bits = level_bits(context, latents, coding.high)
            zeros = int((latents == 0).sum())
            found.append(TensorSize(f"level{n}", latents.shape, 1.0, latents.size, zeros, bits))
        return found


def matrix_coding(exponent: int, mean_index: int) -> TensorCoding:
    """Side information of a matrix; with exponent 0, of one whose symbols are all zero."""
    largest = largest_symbol(mean_index) if exponent else 0
    return TensorCoding(exponent, -largest, largest, mean_index)


def level_coding(reach: int) -> TensorCoding:
    """Side information of a level: the largest distance of a latent from what it is relative to."""
    return TensorCoding(0, -reach, reach)


def _tables(reach: int) -> NDArray[np.float64]:
    return _small_tables(reach) if reach <= _SMALL_REACH else _new_tables(reach)


def _new_tables(reach: int) -> NDArray[np.float64]:
    counts = laplace_counts(reach)
    return counts.reshape(-1, counts.shape[-1]).astype(np.float64)


_small_tables = lru_cache(maxsize=_SMALL_REACH)(_new_tables)


def level_laws(context: ContextModel, latents: Latents) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Law of each latent of a level, and the latent less what it is relative to, in coding order."""
    laws, relative = [], []

    def take(
        rows: NDArray[np.int64], columns: NDArray[np.int64], law: NDArray[np.int32], whole: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        found = latents[rows, columns].astype(np.int32)
        laws.append(law.copy())
        relative.append(found - whole)
        return found

    height, width = latents.shape
    walk_level(context, height, width, take, compiled_kernels())
    return np.concatenate(laws), np.concatenate(relative)


def level_bits(context: ContextModel, latents: Latents, reach: int) -> float:
    """Information of a level's latents under the tables that code them, in bits."""
    if not reach:
        return 0.0
    laws, relative = level_laws(context, latents)
    found, n_times = np.unique(laws * np.int64(2 * reach + 1) + relative + reach, return_counts=True)
    return float(n_times @ information(laplace_counts(reach)).reshape(-1)[found])


def _read_level(context: ContextModel, shape: tuple[int, int], reach: int, reader: PayloadReader) -> Latents:
    tables = _tables(reach) if reach else None

    def read(
        rows: NDArray[np.int64], columns: NDArray[np.int64], law: NDArray[np.int32], whole: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        found = whole + (reader.under(tables, law) - np.int32(reach) if tables is not None else 0)
        if np.abs(found).max() > MAX_LATENT:
            raise InvalidField(f"payload: latents expected within ±{MAX_LATENT}, found {np.abs(found).max()}")
        return found

    return walk_level(context, *shape, read, compiled_kernels())

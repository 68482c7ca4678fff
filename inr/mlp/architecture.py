"""Family `mlp`: (x, y) → Fourier features → sine layers → channels (the patent's Fig. 3).

`synthesize` is what a decoder does with the integer symbols: all sums are of integers below 2**24
in magnitude, which float32 holds exactly in any order, and everything between two sums is a short,
fixed sequence of single IEEE 754 operations. So the pixels are the same on every machine, thread
count and device (FORMAT.md, section 7). Its differentiable twin is in mlp_gradient.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inr.bitstream import MAX_SYMBOL, Reader, TensorCoding, signed_varint, varint
from inr.coding.coder import Symbols, TensorSize, decode_tensors, encode_tensors, tensor_bits
from inr.coding.pmf import N_SCALES
from inr.errors import InvalidField
from inr.fit.quantizer import MAX_QUARTER_LEVELS, N_STEPS, step_size

MAX_WIDTH = 512
MAX_DEPTH = 16
MAX_FREQUENCIES = 32
MAX_SPACING = 4

# Cycles per half of the longer side, 2**(k/4 - 2) in units of 2**-16, rounded.
FREQUENCIES = (
    16384, 19484, 23170, 27554, 32768, 38968, 46341, 55109, 65536, 77936, 92682, 110218, 131072,
    155872, 185364, 220436, 262144, 311744, 370728, 440872, 524288, 623487, 741455, 881744, 1048576,
    1246974, 1482910, 1763488, 2097152, 2493948, 2965821, 3526975, 4194304, 4987896, 5931642, 7053950,
    8388608, 9975792, 11863283, 14107901, 16777216, 19951585, 23726566, 28215802, 33554432, 39903169,
    47453133, 56431603, 67108864,
)  # fmt: skip

# sin(2πr) on [-1/2, 1/2] as r · (c0 + r²(c1 + r²(c2 + r²·c3))), minimax, error below 2.6e-4.
SINE = (6.278635025024414, -41.09372329711914, 77.93028259277344, -56.08626174926758)

_TURN_BITS = 16  # phases of Fourier features, in units of 2**-16 turn
_MAX_AMPLITUDE_BITS = 14
_EXACT_BITS = 23  # |sum| < 2**23 leaves float32 a bit to spare
_TILE_PIXELS = 8192  # what fits the cache


@dataclass(frozen=True)
class TensorSpec:
    """Name and shape of a coded tensor: a matrix of weights, a vector of phases, or the output's offsets."""

    name: str
    shape: tuple[int, ...]

    @property
    def is_matrix(self) -> bool:
        """Whether the tensor is a weight matrix."""
        return len(self.shape) == 2

    @property
    def is_phase(self) -> bool:
        """Whether the tensor holds a sine layer's phases, which ascend (inr/mlp/fit/symmetry.py)."""
        return self.name.endswith(".phase")

    def step(self, step_index: int) -> float:
        """Quantisation step, in turns for sine layers and full scale for the output."""
        return 1 / (4 * step_index) if self.is_phase else step_size(step_index)


@dataclass(frozen=True)
class CoordinateMLP:
    """Architecture of one network.

    Attributes:
        channels: Outputs, 1 to 4.
        width: Neurons in each sine layer, 1 to 512.
        depth: Sine layers, 1 to 16.
        n_frequencies: Fourier features per axis, each a sine and a cosine, 1 to 32.
        spacing: Quarter octaves between frequencies, 1 to 4.
    """

    channels: int
    width: int
    depth: int
    n_frequencies: int
    spacing: int

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """Tensors in wire order: each layer's matrix [out, in], then its vector [out]."""
        fan_in = [4 * self.n_frequencies] + [self.width] * self.depth
        fan_out = [self.width] * self.depth + [self.channels]
        names = [f"sine{i}" for i in range(self.depth)] + ["output"]
        return tuple(
            TensorSpec(f"{name}.{kind}", shape)
            for name, n_in, n_out in zip(names, fan_in, fan_out, strict=True)
            for kind, shape in (
                ("weight", (n_out, n_in)),
                ("phase" if name != "output" else "offset", (n_out,)),
            )
        )

    @property
    def n_parameters(self) -> int:
        """Coded weights."""
        return sum(math.prod(spec.shape) for spec in self.specs)

    @property
    def multiply_adds_per_pixel(self) -> int:
        """Of the matrices a pixel passes; the first layer is evaluated per row and per column."""
        return (self.depth - 1) * self.width**2 + self.channels * self.width

    def to_bytes(self) -> bytes:
        """The architecture section."""
        return varint(self.width) + bytes([self.depth, self.n_frequencies, self.spacing])

    @classmethod
    def from_bytes(cls, data: bytes, channels: int) -> "CoordinateMLP":
        """Read an architecture section.

        Raises:
            InvalidField: A field is out of its range.
        """
        reader = Reader(data, "architecture")
        width = reader.varint("width", 1, MAX_WIDTH)
        depth = reader.byte("depth", 1, MAX_DEPTH)
        n_frequencies = reader.byte("frequencies", 1, MAX_FREQUENCIES)
        spacing = reader.byte("spacing", 1, MAX_SPACING)
        reader.end()
        if (n_frequencies - 1) * spacing >= len(FREQUENCIES):
            raise InvalidField(
                f"architecture: highest frequency expected below {len(FREQUENCIES)}, "
                f"found {(n_frequencies - 1) * spacing}"
            )
        return cls(channels, width, depth, n_frequencies, spacing)

    def codings_to_bytes(self, codings: Sequence[TensorCoding]) -> bytes:
        """The tensors section: the side information of each tensor, in wire order."""
        out = b""
        for spec, coding in zip(self.specs, codings, strict=True):
            out += varint(coding.step_index) if spec.is_phase else bytes([coding.step_index])
            out += b"" if coding.mean_index is None else bytes([coding.mean_index])
            out += b"" if spec.is_phase else signed_varint(coding.low)
            out += varint(coding.high - coding.low)
        return out

    def codings_from_bytes(self, data: bytes) -> list[TensorCoding]:
        """Read a tensors section.

        Raises:
            InvalidField: A field is out of its range.
        """
        reader = Reader(data, "tensors")
        codings = []
        for spec in self.specs:
            mean_index, low = None, 0
            if spec.is_phase:
                step_index = reader.varint(f"{spec.name} levels", 1, MAX_QUARTER_LEVELS)
            else:
                step_index = reader.byte(f"{spec.name} step", 0, N_STEPS - 1)
            if spec.is_phase or spec.is_matrix:
                mean_index = reader.byte(f"{spec.name} mean", 0, N_SCALES - 1)
            if not spec.is_phase:
                low = reader.signed(f"{spec.name} low", -MAX_SYMBOL, MAX_SYMBOL)
            high = low + reader.varint(f"{spec.name} range", 0, MAX_SYMBOL - low)
            codings.append(TensorCoding(step_index, low, high, mean_index))
        reader.end()
        return codings

    def write_payload(self, symbols: Sequence[Symbols], codings: Sequence[TensorCoding]) -> bytes:
        """Code all symbols, in wire order."""
        return encode_tensors(symbols, codings)

    def read_payload(self, payload: bytes, codings: Sequence[TensorCoding]) -> list[Symbols]:
        """The inverse of `write_payload`.

        Raises:
            InvalidField: The payload is not one that an encoder writes.
        """
        return decode_tensors(payload, [spec.shape for spec in self.specs], codings)

    def render(
        self,
        symbols: Sequence[Symbols],
        codings: Sequence[TensorCoding],
        *,
        width: int,
        height: int,
    ) -> NDArray[np.uint8]:
        """Pixels of the symbols: uint8 [height, width, channels]."""
        return synthesize(self, symbols, codings, width=width, height=height)

    def sizes(self, symbols: Sequence[Symbols], codings: Sequence[TensorCoding]) -> list[TensorSize]:
        """What each tensor takes in the payload."""
        return [
            TensorSize(
                name=spec.name,
                shape=spec.shape,
                step=spec.step(coding.step_index),
                n_symbols=tensor.size,
                n_zero=int((tensor == 0).sum()),
                bits=tensor_bits(tensor, coding),
            )
            for spec, tensor, coding in zip(self.specs, symbols, codings, strict=True)
        ]

    def axis_phases(self, n_pixels: int, longer_side: int) -> NDArray[np.int64]:
        """Phases of an axis's Fourier features, int64 [n_pixels, n_frequencies], in units of 2**-16 turn.

        Pixel centres lie at (2i + 1 - n) / longer_side, so the longer axis spans [-1, 1].
        """
        frequencies = np.array(FREQUENCIES[:: self.spacing][: self.n_frequencies], dtype=np.int64)
        centres = 2 * np.arange(n_pixels, dtype=np.int64) + 1 - n_pixels
        phases: NDArray[np.int64] = centres[:, None] * frequencies // longer_side
        return phases & ((1 << _TURN_BITS) - 1)

    def axis_features(self, n_pixels: int, longer_side: int) -> torch.Tensor:
        """Fourier features of an axis for the differentiable twin, float32 [n_pixels, 2 · n_frequencies]."""
        angles = torch.from_numpy(self.axis_phases(n_pixels, longer_side)) * (2 * math.pi / (1 << _TURN_BITS))
        return torch.cat([angles.sin(), angles.cos()], dim=1).float()


def _sine_table() -> NDArray[np.float64]:
    turns = np.arange(1 << _TURN_BITS) / (1 << _TURN_BITS)
    table: NDArray[np.float64] = np.rint(np.sin(2 * math.pi * turns) * (1 << _MAX_AMPLITUDE_BITS))
    return table


def _integer_features(phases: NDArray[np.int64], amplitude_bits: int) -> torch.Tensor:
    both = np.concatenate([phases, phases + (1 << (_TURN_BITS - 2))], axis=1) & ((1 << _TURN_BITS) - 1)
    shift = _MAX_AMPLITUDE_BITS - amplitude_bits
    table = np.floor((_sine_table() + (1 << shift >> 1)) / (1 << shift))
    return torch.from_numpy(table[both].astype(np.float32))


def _amplitude_bits(weight: Symbols) -> int:
    """Bits of the activations that a matrix meets, so that no sum can leave float32's exact integers."""
    largest_row = int(np.abs(weight.astype(np.int64)).sum(axis=1).max())
    return min(_MAX_AMPLITUDE_BITS, _EXACT_BITS - largest_row.bit_length())


def _sine_(sums: torch.Tensor, scale: float, phase: torch.Tensor, amplitude_bits: int) -> torch.Tensor:
    """Integer sums → turns → sine → integers of `amplitude_bits`, in place; one rounding per operation."""
    turns = sums.mul_(scale).add_(phase)
    turns.sub_(turns.round())
    square = turns * turns
    c0, c1, c2, c3 = (c * (1 << amplitude_bits) for c in SINE)
    sine = square * c3
    sine.add_(c2).mul_(square).add_(c1).mul_(square).add_(c0).mul_(turns)
    return sine.round_()


def synthesize(
    network: CoordinateMLP,
    symbols: Sequence[Symbols],
    codings: Sequence[TensorCoding],
    *,
    width: int,
    height: int,
) -> NDArray[np.uint8]:
    """Evaluate the network of the given symbols at every pixel, exactly.

    Args:
        network: Architecture.
        symbols: int32 tensors in wire order.
        codings: Their side information; only the steps are used.
        width: Pixels.
        height: Pixels.

    Returns:
        uint8 [height, width, channels].
    """
    weights, biases = symbols[0::2], symbols[1::2]
    bits = [_amplitude_bits(weight) for weight in weights]
    scales = [step_size(coding.step_index) * 2.0**-b for coding, b in zip(codings[0::2], bits, strict=True)]
    matrices = [torch.from_numpy(weight.astype(np.float32)).T.contiguous() for weight in weights]
    # A single float32 division each: phases are fractions of a turn.
    phases = [
        torch.from_numpy(phase.astype(np.float32) / np.float32(4 * coding.step_index))
        for phase, coding in zip(biases[:-1], codings[1:-1:2], strict=True)
    ]
    offset = torch.from_numpy((biases[-1] * step_size(codings[-1].step_index)).astype(np.float32))

    longer = max(width, height)
    half = 2 * network.n_frequencies
    by_column = _integer_features(network.axis_phases(width, longer), bits[0]) @ matrices[0][:half]
    by_row = _integer_features(network.axis_phases(height, longer), bits[0]) @ matrices[0][half:]

    pixels = np.empty((height, width, network.channels), dtype=np.uint8)
    n_columns = min(width, _TILE_PIXELS)
    n_rows = max(1, _TILE_PIXELS // n_columns)
    for top in range(0, height, n_rows):
        for left in range(0, width, n_columns):
            rows, columns = by_row[top : top + n_rows], by_column[left : left + n_columns]
            hidden = (rows[:, None] + columns[None]).flatten(0, 1)
            for layer in range(network.depth):
                hidden = _sine_(hidden, scales[layer], phases[layer], bits[layer + 1]) @ matrices[layer + 1]
            levels = hidden.mul_(scales[-1] * 255).add_(offset * 255).round_().clamp_(0, 255)
            tile = levels.to(torch.uint8).view(len(rows), len(columns), network.channels)
            pixels[top : top + n_rows, left : left + n_columns] = tile.numpy()
    return pixels

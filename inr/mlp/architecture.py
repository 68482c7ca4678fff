"""Family `mlp`: the shape of a network from (x, y) through Fourier features and sine layers to channels.

`CoordinateMLP` knows its tensors, and writes and reads the architecture section (FORMAT.md, section 4).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import Reader, varint
from inr.errors import InvalidField
from inr.mlp.steps import step_size

MAX_NEURONS = 512
MAX_DEPTH = 16
MAX_FREQUENCIES = 32
MAX_SPACING = 4
MATRIX_PRODUCT = 1 << 5  # multiply-adds of large matrix products that take the time of one elsewhere
SINE = 1 << 6  # multiply-adds of large matrix products that take the time of a sine
TURN_BITS = 16  # phases of Fourier features, in units of 2**-16 turn

# Cycles per half of the longer side, 2**(k/4 - 2) in units of 2**-16, rounded.
FREQUENCIES = (
    16384, 19484, 23170, 27554, 32768, 38968, 46341, 55109, 65536, 77936, 92682, 110218, 131072,
    155872, 185364, 220436, 262144, 311744, 370728, 440872, 524288, 623487, 741455, 881744, 1048576,
    1246974, 1482910, 1763488, 2097152, 2493948, 2965821, 3526975, 4194304, 4987896, 5931642, 7053950,
    8388608, 9975792, 11863283, 14107901, 16777216, 19951585, 23726566, 28215802, 33554432, 39903169,
    47453133, 56431603, 67108864,
)  # fmt: skip


@dataclass(frozen=True)
class TensorSpec:
    """Name and shape of a coded tensor: a matrix of weights, a vector of phases, or the output's offsets."""

    name: str
    shape: tuple[int, ...]

    @property
    def is_matrix(self) -> bool:
        """True for a weight matrix."""
        return len(self.shape) == 2

    @property
    def is_phase(self) -> bool:
        """True for a sine layer's phases, which ascend (inr/mlp/fit/symmetry.py)."""
        return self.name.endswith(".phase")

    def step(self, step_index: int) -> float:
        """Quantisation step, in turns for sine layers and full scale for the output."""
        return 1 / (4 * step_index) if self.is_phase else step_size(step_index)


@dataclass(frozen=True, kw_only=True)
class CoordinateMLP:
    """The architecture of one network.

    Attributes:
        channels: Outputs, 1 to 4.
        n_neurons: Neurons in each sine layer, 1 to 512.
        depth: Sine layers, 1 to 16.
        n_frequencies: Fourier features per axis, each a sine and a cosine, 1 to 32.
        spacing: Quarter octaves between frequencies, 1 to 4.
    """

    channels: int
    n_neurons: int
    depth: int
    n_frequencies: int
    spacing: int

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """Tensors in wire order: each layer's matrix [out, in], then its vector [out]."""
        fan_in = [4 * self.n_frequencies] + [self.n_neurons] * self.depth
        fan_out = [self.n_neurons] * self.depth + [self.channels]
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
        """Number of coded weights."""
        return sum(math.prod(spec.shape) for spec in self.specs)

    @property
    def multiply_adds_per_pixel(self) -> int:
        """Multiply-adds of the matrices that a pixel passes; the first is evaluated per row and column."""
        return (self.depth - 1) * self.n_neurons**2 + self.channels * self.n_neurons

    def work(self, n_pixels: int) -> int:
        """What a decoder has to do for so many pixels, as FORMAT.md counts it (section 1)."""
        a_pixel = self.multiply_adds_per_pixel + SINE * self.depth * self.n_neurons
        return -(-n_pixels * a_pixel // MATRIX_PRODUCT)

    def to_bytes(self) -> bytes:
        """The architecture section."""
        return varint(self.n_neurons) + bytes([self.depth, self.n_frequencies, self.spacing])

    @classmethod
    def from_bytes(cls, data: bytes, channels: int) -> "CoordinateMLP":
        """Read an architecture section.

        Raises:
            InvalidField: A field is out of its range.
        """
        reader = Reader(data, "architecture")
        n_neurons = reader.varint("neurons", 1, MAX_NEURONS)
        depth = reader.byte("depth", 1, MAX_DEPTH)
        n_frequencies = reader.byte("frequencies", 1, MAX_FREQUENCIES)
        spacing = reader.byte("spacing", 1, MAX_SPACING)
        reader.end()
        if (n_frequencies - 1) * spacing >= len(FREQUENCIES):
            raise InvalidField(
                f"architecture: highest frequency expected below {len(FREQUENCIES)}, "
                f"found {(n_frequencies - 1) * spacing}"
            )
        return cls(
            channels=channels,
            n_neurons=n_neurons,
            depth=depth,
            n_frequencies=n_frequencies,
            spacing=spacing,
        )

    def axis_phases(self, n_pixels: int, longer_side: int) -> NDArray[np.int64]:
        """Phases of an axis's Fourier features, int64 [n_pixels, n_frequencies], in units of 2**-16 turn.

        Pixel centres lie at (2i + 1 - n) / longer_side, so the longer axis spans [-1, 1].
        """
        frequencies = np.array(FREQUENCIES[:: self.spacing][: self.n_frequencies], dtype=np.int64)
        centres = 2 * np.arange(n_pixels, dtype=np.int64) + 1 - n_pixels
        phases: NDArray[np.int64] = centres[:, None] * frequencies // longer_side
        return phases & ((1 << TURN_BITS) - 1)

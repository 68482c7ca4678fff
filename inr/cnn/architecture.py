"""Family `cnn`: the shape of a latent pyramid and of its networks.

`LatentPyramid` knows which tensors there are, and writes and reads the architecture section (FORMAT.md,
section 8). The class of codec is that of COOL-CHIC (arXiv 2212.05458) and C3 (arXiv 2312.02753).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inr.bitstream import MAX_PIXELS as MAX_PIXELS
from inr.bitstream import Reader
from inr.cnn.arithmetic import NEIGHBOURS, Ints
from inr.cnn.grids import MAX_LEVELS, Grid, grids_of
from inr.cnn.prior import N_GAINS, Prior, prior, priors
from inr.errors import InvalidField

WORK_PER_PIXEL = 1 << 11  # multiply-adds, whatever the networks: those of every prior are fewer
WORK_PER_REACH = 1 << 5  # of each latent: its table has two masses for each step of its grid's reach
CONTEXT_MATRICES = ("context0", "parents", "context1", "context2")  # the first in wire order


@dataclass(frozen=True, kw_only=True)
class LatentPyramid:
    """The architecture of one network.

    Attributes:
        channels: Channels that the network gives, 1 to 4.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        n_levels: Levels of latents, each half the size of the one before, 1 to the prior's.
        prior: The networks to which this file's weights are added.
        gain: The prior's gain in quarter octaves, see prior.py.
    """

    channels: int
    width: int
    height: int
    n_levels: int
    prior: Prior
    gain: int

    @property
    def grids(self) -> tuple[Grid, ...]:
        """Every grid of latents in wire order: levels, finest first, then hyperlatents, finest first."""
        return grids_of(self.n_levels)

    @property
    def grid_shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each grid, in wire order."""
        return tuple(grid.shape(self.height, self.width) for grid in self.grids)

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """Name and shape of the networks' tensors, in wire order; FORMAT.md says where constants are."""
        hidden, wide, channels = self.prior.context_neurons, self.prior.synthesis_neurons, self.channels
        shapes = {
            "context0": (hidden + 2, len(NEIGHBOURS)),
            "parents": (hidden + 2, self.grids[-1].columns.stop),
            "context1": (hidden, hidden + 1),
            "context2": (2, hidden + 1),
            "filters": (self.n_levels - 1, 4),
            "upsampling": (self.n_levels - 1, 4),
            "synthesis0": (wide + channels, self.n_levels + 1),
            "synthesis1": (channels, wide + 1),
        }
        shapes |= dict.fromkeys(self.residual_matrices, (channels, 9 * channels + 1))
        return {name: shape for name, shape in shapes.items() if shape[0]}

    @property
    def residual_matrices(self) -> tuple[str, ...]:
        """Names of the 3x3 layers' matrices, in the order in which they are applied."""
        return tuple(f"residual{n}" for n in range(self.prior.n_residuals))

    @property
    def n_weights(self) -> int:
        """Weights of the networks."""
        return sum(rows * columns for rows, columns in self.matrices.values())

    @property
    def n_latents(self) -> int:
        """Latents of all grids."""
        return sum(map(math.prod, self.grid_shapes))

    @property
    def n_parameters(self) -> int:
        """Coded integers: weights and latents."""
        return self.n_weights + self.n_latents

    @property
    def multiply_adds_per_pixel(self) -> int:
        """Multiply-adds that a decoder needs for a pixel, biases aside."""
        hidden, wide, channels = self.prior.context_neurons, self.prior.synthesis_neurons, self.channels
        latents = hidden * (hidden + 2) + (hidden + 2) * len(NEIGHBOURS)
        context = sum(
            math.prod(shape) * (latents + (hidden + 2) * len(grid.parents))
            for grid, shape in zip(self.grids, self.grid_shapes, strict=True)
        )
        filtered = sum(8 * 0.25**n for n in range(self.n_levels - 1))
        doubled = sum(6 * (self.n_levels - 1 - n) * 0.25**n for n in range(self.n_levels - 1))
        synthesis = (wide + channels) * self.n_levels + wide * channels
        synthesis += self.prior.n_residuals * 9 * channels**2
        return round(context / (self.width * self.height) + filtered + doubled) + synthesis

    def work(self, reaches: Sequence[int]) -> int:
        """What a decoder has to do at most, in multiply-adds as FORMAT.md counts them (section 1).

        Args:
            reaches: Of the grids, in wire order.
        """
        reach_of_all = sum(
            reach * math.prod(shape) for reach, shape in zip(reaches, self.grid_shapes, strict=True)
        )
        return max(WORK_PER_PIXEL * self.width * self.height, WORK_PER_REACH * reach_of_all)

    def fields(self) -> dict[str, int]:
        """Every field by name, the prior as its number."""
        return {
            "channels": self.channels,
            "width": self.width,
            "height": self.height,
            "n_levels": self.n_levels,
            "prior": self.prior.number,
            "gain": self.gain,
        }

    def exponent(self, name: str) -> int:
        """Exponent of a matrix's weights: each stands for its integer times 2**-exponent.

        A file's symbols have an exponent from 0, where all are zero and not coded, to this one.
        """
        return self.prior.exponent(name, self.gain)

    def known(self, name: str) -> Ints:
        """The prior's matrix, to which a file's symbols are added: int32."""
        return self.prior.matrix(name, self.channels, self.n_levels, self.gain)

    def to_bytes(self) -> bytes:
        """The architecture section."""
        return bytes([self.n_levels, self.prior.number, self.gain])

    @classmethod
    def from_bytes(cls, data: bytes, *, channels: int, width: int, height: int) -> "LatentPyramid":
        """Read an architecture section.

        Raises:
            InvalidField: A field is out of its range.
        """
        reader = Reader(data, "architecture")
        n_levels = reader.byte("levels", 1, MAX_LEVELS)
        known = prior(reader.byte("prior", 1, len(priors())))
        gain = reader.byte("gain", 0, N_GAINS - 1)
        reader.end()
        if n_levels > known.n_levels:
            raise InvalidField(
                f"prior {known.number}: expected at most {known.n_levels} levels, found {n_levels}"
            )
        if channels not in (known.channels, known.channels + 1):
            raise InvalidField(
                f"prior {known.number}: expected {known.channels} channels or one more, found {channels}"
            )
        return cls(channels=channels, width=width, height=height, n_levels=n_levels, prior=known, gain=gain)

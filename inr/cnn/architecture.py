"""Family `cnn`: the shape of a latent pyramid and of its networks.

`LatentPyramid` knows which tensors there are, and writes and reads the architecture section (FORMAT.md,
section 8). The class of codec is that of COOL-CHIC (arXiv 2212.05458) and C3 (arXiv 2312.02753).
"""

import math
from dataclasses import dataclass

from inr.bitstream import Reader
from inr.cnn.arithmetic import NEIGHBOURS, Ints
from inr.cnn.prior import N_GAINS, NO_GAIN, Prior, prior, priors
from inr.errors import InvalidField

MAX_LEVELS = 8
MAX_CONTEXT_NEURONS = 32
MAX_SYNTHESIS_NEURONS = 64
MAX_RESIDUALS = 2
MIN_EXPONENT, MAX_EXPONENT = 3, 15
MAX_PIXELS = 1 << 25  # of an image, so that its latents are not over 256 MiB
CONTEXT_MATRICES = ("context0", "context1", "context2")  # the first in wire order


@dataclass(frozen=True, kw_only=True)
class LatentPyramid:
    """The architecture of one network.

    Attributes:
        channels: Channels of the image, 1 to 4.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        n_levels: Grids of latents, each half the size of the one before, 1 to 8.
        context_neurons: Neurons in each of the two hidden layers of the context model, 2 to 32.
        synthesis_neurons: Neurons in the hidden layer of the synthesis, 2 to 64.
        n_residuals: 3x3 layers at the end of the synthesis, 0 to 2.
        prior: The networks to which this file's weights are added; None: the weights stand alone. With a
            prior, the three fields above must equal the prior's.
        gain: The prior's gain in quarter octaves, see prior.py; NO_GAIN without a prior.
    """

    channels: int
    width: int
    height: int
    n_levels: int
    context_neurons: int
    synthesis_neurons: int
    n_residuals: int
    prior: Prior | None = None
    gain: int = NO_GAIN

    @property
    def level_shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each level, finest first."""
        return tuple((-(-self.height >> n), -(-self.width >> n)) for n in range(self.n_levels))

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """Name and shape of the networks' tensors, in wire order; their last columns meet a constant one."""
        hidden, wide, channels = self.context_neurons, self.synthesis_neurons, self.channels
        shapes = {
            "context0": (hidden, len(NEIGHBOURS) + 1),
            "context1": (hidden, hidden + 1),
            "context2": (2, hidden + 1),
            "upsampling": (self.n_levels - 1, 4),
            "synthesis0": (wide, self.n_levels + 1),
            "synthesis1": (channels, wide + 1),
        }
        shapes |= dict.fromkeys(self.residual_matrices, (channels, 9 * channels + 1))
        return {name: shape for name, shape in shapes.items() if shape[0]}

    @property
    def residual_matrices(self) -> tuple[str, ...]:
        """Names of the 3x3 layers' matrices, in the order in which they are applied."""
        return tuple(f"residual{n}" for n in range(self.n_residuals))

    @property
    def n_weights(self) -> int:
        """Weights of the networks."""
        return sum(rows * columns for rows, columns in self.matrices.values())

    @property
    def n_parameters(self) -> int:
        """Coded integers: weights and latents."""
        return self.n_weights + sum(math.prod(shape) for shape in self.level_shapes)

    @property
    def multiply_adds_per_pixel(self) -> int:
        """Multiply-adds that a decoder needs for a pixel, biases aside."""
        hidden, wide, channels = self.context_neurons, self.synthesis_neurons, self.channels
        context = hidden * (len(NEIGHBOURS) + hidden + 2)
        n_latents = sum(math.prod(shape) for shape in self.level_shapes)
        doubled = sum(6 * (self.n_levels - 1 - n) * 0.25**n for n in range(self.n_levels - 1))
        synthesis = wide * (self.n_levels + channels) + self.n_residuals * 9 * channels**2
        return round(context * n_latents / (self.width * self.height) + doubled) + synthesis

    def fields(self) -> dict[str, int]:
        """Every field by name, the prior as its number, 0 for none."""
        return {
            "channels": self.channels,
            "width": self.width,
            "height": self.height,
            "n_levels": self.n_levels,
            "context_neurons": self.context_neurons,
            "synthesis_neurons": self.synthesis_neurons,
            "n_residuals": self.n_residuals,
            "prior": self.prior.number if self.prior else 0,
            "gain": self.gain,
        }

    def exponent_range(self, name: str) -> tuple[int, int]:
        """Least and largest exponent of a matrix's symbols; 0 where all are zero and not coded."""
        if self.prior is None:
            return MIN_EXPONENT, MAX_EXPONENT
        return 0, self.prior.exponent(name, self.gain)

    def known(self, name: str) -> Ints | None:
        """The prior's matrix, to which a file's symbols are added: int32; None without a prior."""
        if self.prior is None:
            return None
        return self.prior.matrix(name, self.channels, self.n_levels, self.gain)

    def to_bytes(self) -> bytes:
        """The architecture section."""
        neurons = bytes([self.n_levels, self.context_neurons, self.synthesis_neurons, self.n_residuals])
        return neurons + bytes([self.prior.number, self.gain] if self.prior else [])

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
        neurons = reader.byte("context neurons", 2, MAX_CONTEXT_NEURONS)
        synthesis_neurons = reader.byte("synthesis neurons", 2, MAX_SYNTHESIS_NEURONS)
        n_residuals = reader.byte("residual layers", 0, MAX_RESIDUALS)
        known, gain = None, NO_GAIN
        if reader.position < len(data):
            known = prior(reader.byte("prior", 1, len(priors())))
            gain = reader.byte("gain", 0, N_GAINS - 1)
        reader.end()
        pyramid = cls(
            channels=channels,
            width=width,
            height=height,
            n_levels=n_levels,
            context_neurons=neurons,
            synthesis_neurons=synthesis_neurons,
            n_residuals=n_residuals,
            prior=known,
            gain=gain,
        )
        if known is not None:
            pyramid._check_prior(known)
        return pyramid

    def _check_prior(self, known: Prior) -> None:
        found = (self.context_neurons, self.synthesis_neurons, self.n_residuals)
        if found != known.neurons or self.n_levels > known.n_levels:
            raise InvalidField(
                f"prior {known.number}: expected at most {known.n_levels} levels and neurons "
                f"{known.neurons}, found {self.n_levels} and {found}"
            )
        if self.channels not in (known.channels, known.channels + 1):
            raise InvalidField(
                f"prior {known.number}: expected {known.channels} channels or one more, found {self.channels}"
            )

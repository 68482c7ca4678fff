"""Units and limits of the integer arithmetic of family `cnn` (FORMAT.md, sections 10 and 11).

With these limits nothing leaves 32 bits (section 11.6), so every machine derives the same integers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Latents = NDArray[np.int16]

# (row, column) of a latent's neighbours, relative to the latent, nearest first.
NEIGHBOURS = (
    (0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2),
    (-2, -1), (-2, 1), (-2, -2), (-2, 2), (0, -3), (-3, 0), (-1, -3), (-3, -1),
)  # fmt: skip
PAD = 3  # rows above and columns at each side that neighbours may lie in; all zero
SLOPE = 3  # positions of equal x + SLOPE · y depend only on earlier ones

# The context model.
MAX_LATENT = 2047
CONTEXT_BITS = 7  # activations are integers in units of 2**-CONTEXT_BITS
MAX_ACTIVATION = (1 << 15) - 1
CENTRE_BITS = 4  # centres of laws are integers in units of 2**-CENTRE_BITS
SPREAD_BITS = 3  # spreads are eighth octaves
N_SPREADS = 81  # from 2**-4 to 2**6 in symbols
MIDDLE_SPREAD = 32  # index of a spread of one symbol
MAX_REACH = 1023  # largest distance of a latent from the integer nearest to its law's centre
MAX_CENTRE = MAX_LATENT << CENTRE_BITS

# The synthesis.
STACK_BITS = 8  # upsampled latents are integers in units of 2**-STACK_BITS
MAX_STACK = (1 << 19) - 1
INPUT_BITS = 6  # of the first layer's inputs
SYNTHESIS_BITS = 9  # of the activations
SAMPLE_BITS = 12  # of samples, before they are rounded to 8 bits


@dataclass(frozen=True)
class Parents:
    """The latents of all grids that a grid's laws may look at.

    Attributes:
        latents: int16, all of these grids, row by row, one after another.
        starts: int64 [n], where each of them begins in `latents`.
        widths: int64 [n], columns of each.
        halvings: int64 [n], how many times smaller by half each is than the grid that looks at it.
    """

    latents: Latents
    starts: NDArray[np.int64]
    widths: NDArray[np.int64]
    halvings: NDArray[np.int64]


def shift_rounded(sums: Ints, bits: int) -> Ints:
    """Sums / 2**bits, rounded to nearest, halves up; `bits` below 0 multiplies."""
    if bits <= 0:
        return sums << -bits
    return (sums + np.int32(1 << (bits - 1))) >> bits

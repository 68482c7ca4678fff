"""The operations that cost a decoder of family `cnn` its time, and the choice of who computes them.

There are two implementations, integer for integer: kernels.py in compiled loops, plain.py in NumPy.
"""

from collections.abc import Callable
from functools import cache
from typing import Protocol

from inr.cnn import plain
from inr.cnn.arithmetic import Ints, Latents, Parents

# (padded plane int16 [PAD + height, width + 2 PAD], front, its first row, the row after its last) → law int32
# [n] and the integer that symbols are relative to, int32 [n]; the next call may overwrite both.
FrontPredictor = Callable[[Latents, int, int, int], tuple[Ints, Ints]]


class ExactOperations(Protocol):
    """The operations that cost a decoder its time."""

    def front_predictor(
        self, weights: tuple[Ints, ...], exponents: tuple[int, ...], parents: Parents, height: int, width: int
    ) -> FrontPredictor:
        """Make a function that derives the laws of a front of latents from their neighbours and parents.

        Args:
            weights: int32: `context0`, the grid's block of `parents`, `context1` and `context2`.
            exponents: Of each of them: a weight is its integer times 2**-exponent.
            parents: The latents of the coarser grids.
            height: Rows of the grid.
            width: Columns of the grid.
        """

    def smooth(
        self, source: Ints, start: int, height: int, top: int, bottom: int, taps: Ints, exponent: int
    ) -> Ints:
        """Rows top..bottom of a filtered plane: int32 [bottom - top, width].

        Args:
            source: int32 [rows, width], the plane's rows from `start` on.
            start: First row of `source`.
            height: Rows of the whole plane; edges are repeated.
            top: First row wanted.
            bottom: Row after the last one wanted.
            taps: int32 [4], for a value, and for those one, two and three places from it, at both sides.
            exponent: A tap is its integer times 2**-exponent.
        """

    def double(
        self,
        source: Ints,
        start: int,
        source_height: int,
        top: int,
        bottom: int,
        width: int,
        taps: Ints,
        exponent: int,
    ) -> Ints:
        """Rows top..bottom of planes doubled in size: int32 [planes, bottom - top, width].

        Args:
            source: int32 [planes, rows, source width], the planes' rows from `start` on.
            start: First row of `source`.
            source_height: Rows of the whole planes; edges are repeated.
            top: First row wanted.
            bottom: Row after the last one wanted.
            width: Columns wanted.
            taps: int32 [4].
            exponent: A tap is its integer times 2**-exponent.
        """

    def pixelwise(
        self, stack: Ints, first: Ints, second: Ints, first_exponent: int, second_exponent: int
    ) -> Ints:
        """The synthesis' two layers: int32 [channels, pixels] from a stack, int32 [levels, pixels].

        Args:
            stack: int32 [levels, pixels].
            first: int32 [hidden + channels, levels + 1]; the last rows go to the channels directly.
            second: int32 [channels, hidden + 1].
            first_exponent: A weight is its integer times 2**-exponent.
            second_exponent: As `first_exponent`.
        """

    def residual(
        self,
        samples: Ints,
        start: int,
        height: int,
        top: int,
        bottom: int,
        weight: Ints,
        exponent: int,
        rectify: bool,
    ) -> Ints:
        """Rows top..bottom of samples plus their 3x3 convolution: int32 [channels, bottom - top, width].

        Args:
            samples: int32 [channels, rows, width], the image's rows from `start` on.
            start: First row of `samples`.
            height: Rows of the whole image; edges are repeated.
            top: First row wanted.
            bottom: Row after the last one wanted.
            weight: int32 [channels, 9 · channels + 1].
            exponent: A weight is its integer times 2**-exponent.
            rectify: True if results below 0 become 0.
        """


@cache
def exact_operations() -> ExactOperations:
    """The compiled operations where numba is installed, else the plain ones."""
    try:
        from inr.cnn import kernels
    except ImportError:
        return plain
    return kernels

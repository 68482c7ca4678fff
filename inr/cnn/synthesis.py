"""Latents → pixels of family `cnn`, in 32-bit integers (FORMAT.md, section 11).

Every level but the coarsest is smoothed or sharpened by a short filter of its own; every level but the finest
is brought to twice its size, again and again, by another. Two layers turn the stack of levels at a pixel into
its channels, and residual 3x3 convolutions touch those up. Rows are worked on in bands, so memory does not
grow with the height of an image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inr.cnn.arithmetic import SAMPLE_BITS, STACK_BITS, Ints, Latents
from inr.cnn.operations import ExactOperations, exact_operations

BAND_ROWS = 64
_REACH = 3  # rows that a filter needs at each side


@dataclass(frozen=True)
class Synthesis:
    """Integer weights of the networks that turn latents into pixels.

    Attributes:
        filters: int32 [levels - 1, 4]: for each level but the coarsest, the taps of its symmetric filter.
        upsampling: int32 [levels - 1, 4]: for each level but the coarsest, the taps that double the size of
            the coarser ones, for the half of the positions that lie a quarter before a source.
        first: int32 [hidden + channels, levels + 1], the last column for a constant input of one; the last
            rows go to the channels directly.
        second: int32 [channels, hidden + 1].
        residuals: int32 [channels, 9 · channels + 1] each.
        exponents: Of filters, upsampling, first, second and residuals: a weight is its integer times
            2**-exponent.
    """

    filters: Ints
    upsampling: Ints
    first: Ints
    second: Ints
    residuals: tuple[Ints, ...]
    exponents: tuple[int, ...]

    def render(
        self, levels: Sequence[Latents], operations: ExactOperations | None = None
    ) -> NDArray[np.uint8]:
        """Evaluate the networks.

        Args:
            levels: int16 [height, width] of each level, finest first.
            operations: The arithmetic; `exact_operations()` if None.

        Returns:
            uint8 [height, width, channels].
        """
        arithmetic = operations or exact_operations()
        height, width = levels[0].shape
        pixels = np.empty((height, width, len(self.second)), dtype=np.uint8)
        for top in range(0, height, BAND_ROWS):
            bottom = min(top + BAND_ROWS, height)
            pixels[top:bottom] = self._band(levels, top, bottom, arithmetic)
        return pixels

    def _band(
        self, levels: Sequence[Latents], top: int, bottom: int, arithmetic: ExactOperations
    ) -> NDArray[np.uint8]:
        """Rows top..bottom; each residual layer needs one row more around them than the next one."""
        height, margin = len(levels[0]), len(self.residuals)
        start, stop = max(0, top - margin), min(height, bottom + margin)
        samples = self._pixelwise(self._stack(levels, 0, start, stop, arithmetic), arithmetic)
        for n, (weight, exponent) in enumerate(zip(self.residuals, self.exponents[4:], strict=True), 1):
            begin, end = max(0, top - margin + n), min(height, bottom + margin - n)
            rectify = n < len(self.residuals)
            samples = arithmetic.residual(samples, start, height, begin, end, weight, exponent, rectify)
            start, stop = begin, end
        rounded = (samples * 255 + (1 << (SAMPLE_BITS - 1))) >> SAMPLE_BITS
        return np.moveaxis(np.clip(rounded, 0, 255).astype(np.uint8), 0, -1)

    def _stack(
        self, levels: Sequence[Latents], level: int, top: int, bottom: int, arithmetic: ExactOperations
    ) -> Ints:
        """Rows top..bottom of a level and of all coarser ones brought to its size: int32 [n, rows, width]."""
        if level == len(levels) - 1:
            return levels[level][None, top:bottom].astype(np.int32) << STACK_BITS
        own = self._filtered(levels[level], level, top, bottom, arithmetic)[None]
        source_height = len(levels[level + 1])
        first, last = max(0, top // 2 - 2), min(source_height, (bottom - 1) // 2 + 3)
        coarser = self._stack(levels, level + 1, first, last, arithmetic)
        width, taps = levels[level].shape[1], self.upsampling[level]
        doubled = arithmetic.double(
            coarser, first, source_height, top, bottom, width, taps, self.exponents[1]
        )
        return np.concatenate([own, doubled])

    def _filtered(
        self, latents: Latents, level: int, top: int, bottom: int, arithmetic: ExactOperations
    ) -> Ints:
        """Rows top..bottom of a level after its filter: int32 [rows, width]."""
        taps, exponent = self.filters[level], self.exponents[0]
        if taps[0] == 1 << exponent and not taps[1:].any():  # a filter that changes nothing
            return latents[top:bottom].astype(np.int32) << STACK_BITS
        height = len(latents)
        start, stop = max(0, top - _REACH), min(height, bottom + _REACH)
        plane = latents[start:stop].astype(np.int32) << STACK_BITS
        return arithmetic.smooth(plane, start, height, top, bottom, taps, exponent)

    def _pixelwise(self, stack: Ints, arithmetic: ExactOperations) -> Ints:
        """The two layers: int32 [channels, rows, width] from int32 [levels, rows, width]."""
        pixels = np.ascontiguousarray(stack).reshape(len(stack), -1)
        samples = arithmetic.pixelwise(pixels, self.first, self.second, *self.exponents[2:4])
        return samples.reshape(-1, *stack.shape[1:])

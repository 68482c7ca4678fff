"""Latents → pixels of family `cnn`, in 32-bit integers (FORMAT.md, section 11).

Every level is brought to twice its size, again and again, by a short filter of its own; two layers turn
the stack of levels at a pixel into its channels, and residual 3x3 convolutions touch those up. Rows
are worked on in bands, so memory does not grow with the height of an image. exact_kernels.py does
the same in compiled loops, integer for integer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from inr.cnn.context import Latents, shift_rounded

LATENT_BITS = 8  # upsampled latents are integers in units of 2**-LATENT_BITS
MAX_LATENT = (1 << 19) - 1
INPUT_BITS = 6  # what the first layer sees
HIDDEN_BITS = 9
SAMPLE_BITS = 12  # samples, before they are rounded to 8 bits
MAX_ACTIVATION = (1 << 15) - 1
_BAND_ROWS = 64

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Synthesis:
    """Integer weights of the networks that turn latents into pixels.

    Attributes:
        filters: int32 [levels - 1, 4]: of each level but the coarsest, what doubles the size of the
            coarser ones; taps for the half of the positions that lie a quarter before a source.
        first: int32 [hidden, levels + 1], the last column for a constant input of one.
        second: int32 [channels, hidden + 1].
        residuals: int32 [channels, 9 · channels + 1] each.
        exponents: Of filters, first, second and residuals: a weight is its symbol times 2**-exponent.
    """

    filters: Ints
    first: Ints
    second: Ints
    residuals: tuple[Ints, ...]
    exponents: tuple[int, ...]

    def render(self, levels: Sequence[Latents], kernels: ModuleType | None = None) -> NDArray[np.uint8]:
        """Evaluate.

        Args:
            levels: int16 [height, width] of each level, finest first.
            kernels: inr.cnn.kernels, to do it in compiled loops.

        Returns:
            uint8 [height, width, channels].
        """
        height, width = levels[0].shape
        pixels = np.empty((height, width, len(self.second)), dtype=np.uint8)
        for top in range(0, height, _BAND_ROWS):
            bottom = min(top + _BAND_ROWS, height)
            pixels[top:bottom] = self._band(levels, top, bottom, kernels)
        return pixels

    def _band(
        self, levels: Sequence[Latents], top: int, bottom: int, kernels: ModuleType | None
    ) -> NDArray[np.uint8]:
        """Rows top..bottom: what each residual layer needs around them is one row more."""
        height, margin = len(levels[0]), len(self.residuals)
        start, stop = max(0, top - margin), min(height, bottom + margin)
        samples = self._pixelwise(self._stack(levels, 0, start, stop, kernels), kernels)
        for n, (weight, exponent) in enumerate(zip(self.residuals, self.exponents[3:], strict=True), 1):
            begin, end = max(0, top - margin + n), min(height, bottom + margin - n)
            rectify = n < len(self.residuals)
            residual = kernels.residual if kernels else _residual
            samples = residual(samples, start, height, begin, end, weight, exponent, rectify)
            start, stop = begin, end
        rounded = (samples * 255 + (1 << (SAMPLE_BITS - 1))) >> SAMPLE_BITS
        return np.moveaxis(np.clip(rounded, 0, 255).astype(np.uint8), 0, -1)

    def _stack(
        self,
        levels: Sequence[Latents],
        level: int,
        top: int,
        bottom: int,
        kernels: ModuleType | None,
    ) -> Ints:
        """Rows top..bottom of a level and of all coarser ones brought to its size: int32 [n, rows, width]."""
        own = levels[level][None, top:bottom].astype(np.int32) << LATENT_BITS
        if level == len(levels) - 1:
            return own
        source_height = len(levels[level + 1])
        first, last = max(0, top // 2 - 2), min(source_height, (bottom - 1) // 2 + 3)
        coarser = self._stack(levels, level + 1, first, last, kernels)
        double = kernels.double if kernels else _double
        width = levels[level].shape[1]
        args = (coarser, first, source_height, top, bottom, width, self.filters[level], self.exponents[0])
        return np.concatenate([own, double(*args)])

    def _pixelwise(self, stack: Ints, kernels: ModuleType | None) -> Ints:
        """The two layers: int32 [channels, rows, width] from int32 [levels, rows, width]."""
        pixelwise = kernels.pixelwise if kernels else _pixelwise
        flat = pixelwise(
            np.ascontiguousarray(stack).reshape(len(stack), -1), self.first, self.second, *self.exponents[1:3]
        )
        samples: Ints = flat.reshape(-1, *stack.shape[1:])
        return samples


def _taps(position: int, size: int) -> Iterator[tuple[int, int]]:
    """Index of the tap and of the source for a position of the doubled axis; edges are repeated."""
    for tap in range(4):
        if position % 2:
            yield 3 - tap, min(max(position // 2 - 1 + tap, 0), size - 1)
        else:
            yield tap, min(max(position // 2 - 2 + tap, 0), size - 1)


def _double_axis(
    source: Ints, positions: Sequence[int], size: int, start: int, f: Ints, exponent: int
) -> Ints:
    """Values at positions of a doubled last axis, of which `source` holds the sources from `start` on."""
    taps = [list(_taps(position, size)) for position in positions]
    sums = np.zeros((*source.shape[:-1], len(positions)), dtype=np.int32)
    for n in range(4):
        sums += f[[tap[n][0] for tap in taps]] * source[..., [tap[n][1] - start for tap in taps]]
    return np.clip(shift_rounded(sums, exponent), -MAX_LATENT, MAX_LATENT)


def _double(
    source: Ints, start: int, source_height: int, top: int, bottom: int, width: int, f: Ints, exponent: int
) -> Ints:
    """Rows top..bottom of planes doubled in size; `source` holds their rows from `start` on."""
    tall = _double_axis(source.swapaxes(1, 2), range(top, bottom), source_height, start, f, exponent)
    return _double_axis(tall.swapaxes(1, 2), range(width), source.shape[2], 0, f, exponent)


def _pixelwise(stack: Ints, first: Ints, second: Ints, first_exponent: int, second_exponent: int) -> Ints:
    inputs = np.clip(shift_rounded(stack, LATENT_BITS - INPUT_BITS), -MAX_ACTIVATION, MAX_ACTIVATION)
    sums = first[:, :-1] @ inputs + (first[:, -1:] << INPUT_BITS)
    hidden = np.clip(shift_rounded(sums, first_exponent + INPUT_BITS - HIDDEN_BITS), 0, MAX_ACTIVATION)
    sums = second[:, :-1] @ hidden + (second[:, -1:] << HIDDEN_BITS)
    samples = shift_rounded(sums, second_exponent + HIDDEN_BITS - SAMPLE_BITS)
    return np.clip(samples, -MAX_ACTIVATION, MAX_ACTIVATION)


def _residual(
    samples: Ints, start: int, height: int, top: int, bottom: int, weight: Ints, exponent: int, rectify: bool
) -> Ints:
    """Rows top..bottom of samples plus their 3x3 convolution; `samples` holds the rows from `start` on."""
    channels, _, width = samples.shape
    rows, columns = np.arange(top, bottom), np.arange(width)
    kernel = weight[:, :-1].reshape(channels, channels, 3, 3)
    sums = np.zeros((channels, bottom - top, width), dtype=np.int32)
    sums += weight[:, -1, None, None] << SAMPLE_BITS
    for dy in range(3):
        for dx in range(3):
            source = samples[:, np.clip(rows + dy - 1, 0, height - 1) - start][
                :, :, np.clip(columns + dx - 1, 0, width - 1)
            ]
            sums += np.tensordot(kernel[:, :, dy, dx], source, 1)
    result = samples[:, top - start : bottom - start] + shift_rounded(sums, exponent)
    clipped: Ints = np.clip(result, 0 if rectify else -MAX_ACTIVATION, MAX_ACTIVATION)
    return clipped

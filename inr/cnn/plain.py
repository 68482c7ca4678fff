"""`operations.ExactOperations` in NumPy, for where numba is missing: the twin of kernels.py."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from inr.cnn.arithmetic import (
    CONTEXT_BITS,
    INPUT_BITS,
    MAX_ACTIVATION,
    MAX_CENTRE,
    MAX_STACK,
    MIDDLE_SPREAD,
    NEIGHBOURS,
    PAD,
    SAMPLE_BITS,
    SLOPE,
    SPREAD_BITS,
    STACK_BITS,
    SYNTHESIS_BITS,
    Ints,
    Latents,
    shift_rounded,
)
from inr.cnn.laplace import CENTRE_BITS, N_SPREADS

_ROWS = np.array([row for row, _ in NEIGHBOURS])[:, None]
_COLUMNS = np.array([column for _, column in NEIGHBOURS])[:, None]


class FrontPredictor:
    """Derives the laws of a level's fronts; arguments as those of `front_predictor`."""

    def __init__(self, weights: tuple[Ints, ...], exponents: tuple[int, ...]) -> None:
        self._weights, self._exponents = weights, exponents

    def __call__(self, padded: Latents, front: int, rows: NDArray[np.int64]) -> tuple[Ints, Ints]:
        """Laws of the latents of a front in these rows."""
        neighbours = padded[PAD + rows + _ROWS, PAD + front - SLOPE * rows + _COLUMNS]
        return self.predict(neighbours.astype(np.int32))

    def predict(self, neighbours: Ints) -> tuple[Ints, Ints]:
        """The law of each latent.

        Args:
            neighbours: int32 [16, n].

        Returns:
            Row of `laplace.laplace_counts`, N_SPREADS · 16 of them, int32 [n]; and the integer that
            symbols are relative to, int32 [n].
        """
        first, second, last = self._weights
        hidden = _layer(first, neighbours, 0, self._exponents[0] - CONTEXT_BITS)
        hidden = _layer(second, np.clip(hidden, 0, MAX_ACTIVATION), CONTEXT_BITS, self._exponents[1])
        outputs = _layer(last, np.clip(hidden, 0, MAX_ACTIVATION), CONTEXT_BITS, 0)
        unit = self._exponents[2] + CONTEXT_BITS
        centre = np.clip(shift_rounded(outputs[0], unit - CENTRE_BITS), -MAX_CENTRE, MAX_CENTRE)
        spread = shift_rounded(outputs[1], unit - SPREAD_BITS) + MIDDLE_SPREAD
        half = 1 << (CENTRE_BITS - 1)
        whole = (centre + half) >> CENTRE_BITS
        part = centre + half - (whole << CENTRE_BITS)
        return (np.clip(spread, 0, N_SPREADS - 1) << CENTRE_BITS) + part, whole


def front_predictor(
    weights: tuple[Ints, ...], exponents: tuple[int, ...], height: int, width: int
) -> FrontPredictor:
    """See `ExactOperations.front_predictor`."""
    return FrontPredictor(weights, exponents)


def _layer(weight: Ints, inputs: Ints, input_bits: int, shift: int) -> Ints:
    sums = weight[:, :-1] @ inputs + (weight[:, -1:] << input_bits)
    return shift_rounded(sums, shift)


def _taps(position: int, size: int) -> Iterator[tuple[int, int]]:
    """Index of the tap and of the source for a position of the doubled axis; edges are repeated."""
    for tap in range(4):
        if position % 2:
            yield 3 - tap, min(max(position // 2 - 1 + tap, 0), size - 1)
        else:
            yield tap, min(max(position // 2 - 2 + tap, 0), size - 1)


def _double_axis(
    source: Ints, positions: Sequence[int], size: int, start: int, taps: Ints, exponent: int
) -> Ints:
    """Values at positions of a doubled last axis, of which `source` holds the sources from `start` on."""
    found = [list(_taps(position, size)) for position in positions]
    sums = np.zeros((*source.shape[:-1], len(positions)), dtype=np.int32)
    for n in range(4):
        sums += taps[[at[n][0] for at in found]] * source[..., [at[n][1] - start for at in found]]
    return np.clip(shift_rounded(sums, exponent), -MAX_STACK, MAX_STACK)


def double(
    source: Ints, start: int, source_height: int, top: int, bottom: int, width: int, taps: Ints, exponent: int
) -> Ints:
    """See `ExactOperations.double`."""
    tall = _double_axis(source.swapaxes(1, 2), range(top, bottom), source_height, start, taps, exponent)
    return _double_axis(tall.swapaxes(1, 2), range(width), source.shape[2], 0, taps, exponent)


def pixelwise(stack: Ints, first: Ints, second: Ints, first_exponent: int, second_exponent: int) -> Ints:
    """See `ExactOperations.pixelwise`."""
    inputs = np.clip(shift_rounded(stack, STACK_BITS - INPUT_BITS), -MAX_ACTIVATION, MAX_ACTIVATION)
    sums = first[:, :-1] @ inputs + (first[:, -1:] << INPUT_BITS)
    hidden = np.clip(shift_rounded(sums, first_exponent + INPUT_BITS - SYNTHESIS_BITS), 0, MAX_ACTIVATION)
    sums = second[:, :-1] @ hidden + (second[:, -1:] << SYNTHESIS_BITS)
    samples = shift_rounded(sums, second_exponent + SYNTHESIS_BITS - SAMPLE_BITS)
    return np.clip(samples, -MAX_ACTIVATION, MAX_ACTIVATION)


def residual(
    samples: Ints, start: int, height: int, top: int, bottom: int, weight: Ints, exponent: int, rectify: bool
) -> Ints:
    """See `ExactOperations.residual`."""
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

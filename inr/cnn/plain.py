"""`operations.ExactOperations` in NumPy, for where numba is missing: the twin of kernels.py."""

from collections.abc import Iterator, Sequence

import numpy as np

from inr.cnn.arithmetic import (
    CENTRE_BITS,
    CONTEXT_BITS,
    INPUT_BITS,
    MAX_ACTIVATION,
    MAX_CENTRE,
    MAX_STACK,
    MIDDLE_SPREAD,
    N_SPREADS,
    NEIGHBOURS,
    PAD,
    SAMPLE_BITS,
    SLOPE,
    SPREAD_BITS,
    STACK_BITS,
    SYNTHESIS_BITS,
    Ints,
    Latents,
    Parents,
    shift_rounded,
)

_ROWS = np.array([row for row, _ in NEIGHBOURS])[:, None]
_COLUMNS = np.array([column for _, column in NEIGHBOURS])[:, None]


class FrontPredictor:
    """Derives the laws of a grid's fronts; arguments as those of `front_predictor`."""

    def __init__(self, weights: tuple[Ints, ...], exponents: tuple[int, ...], parents: Parents) -> None:
        self._weights, self._exponents, self._parents = weights, exponents, parents

    def __call__(self, padded: Latents, front: int, top: int, bottom: int) -> tuple[Ints, Ints]:
        """Laws of the latents of a front in these rows."""
        rows = np.arange(top, bottom)
        columns = front - SLOPE * rows
        neighbours = padded[PAD + rows + _ROWS, PAD + columns + _COLUMNS]
        found, halvings = self._parents, self._parents.halvings[:, None]
        at = (rows >> halvings) * found.widths[:, None] + (columns >> halvings)
        parents = found.latents[found.starts[:, None] + at]
        return self.predict(neighbours.astype(np.int32), parents.astype(np.int32))

    def predict(self, neighbours: Ints, parents: Ints) -> tuple[Ints, Ints]:
        """The law of each latent.

        Args:
            neighbours: int32 [16, n].
            parents: int32 [parents, n].

        Returns:
            Row of `levels.laplace_counts`, N_SPREADS · 16 of them, int32 [n]; and the integer that
            symbols are relative to, int32 [n].
        """
        nearest, of_parents, second, last = self._weights
        first = shift_rounded(nearest @ neighbours, self._exponents[0] - CONTEXT_BITS)
        first += _layer(of_parents, parents, 0, self._exponents[1] - CONTEXT_BITS)
        direct = np.clip(first[-2:], -MAX_ACTIVATION, MAX_ACTIVATION)
        hidden = _layer(second, np.clip(first[:-2], 0, MAX_ACTIVATION), CONTEXT_BITS, self._exponents[2])
        outputs = _layer(last, np.clip(hidden, 0, MAX_ACTIVATION), CONTEXT_BITS, 0)
        unit = self._exponents[3] + CONTEXT_BITS
        centre = shift_rounded(outputs[0], unit - CENTRE_BITS)
        centre += shift_rounded(direct[0], CONTEXT_BITS - CENTRE_BITS)
        spread = shift_rounded(outputs[1], unit - SPREAD_BITS) + MIDDLE_SPREAD
        spread += shift_rounded(direct[1], CONTEXT_BITS - SPREAD_BITS)
        centre = np.clip(centre, -MAX_CENTRE, MAX_CENTRE) + (1 << (CENTRE_BITS - 1))
        whole = centre >> CENTRE_BITS
        part = centre - (whole << CENTRE_BITS)
        return (np.clip(spread, 0, N_SPREADS - 1) << CENTRE_BITS) + part, whole


def front_predictor(
    weights: tuple[Ints, ...], exponents: tuple[int, ...], parents: Parents, height: int, width: int
) -> FrontPredictor:
    """See `ExactOperations.front_predictor`."""
    return FrontPredictor(weights, exponents, parents)


def _layer(weight: Ints, inputs: Ints, input_bits: int, shift: int) -> Ints:
    sums = weight[:, :-1] @ inputs + (weight[:, -1:] << input_bits)
    return shift_rounded(sums, shift)


def _smooth_axis(
    source: Ints, places: Sequence[int], size: int, start: int, taps: Ints, exponent: int
) -> Ints:
    """Filtered values at places of the last axis, of which `source` holds those from `start` on."""
    centre = np.array(places)

    def at(distance: int) -> Ints:
        return source[..., np.clip(centre + distance, 0, size - 1) - start]

    sums = taps[0] * at(0)
    for distance in range(1, 4):
        sums += taps[distance] * (at(-distance) + at(distance))
    return np.clip(shift_rounded(sums, exponent), -MAX_STACK, MAX_STACK)


def smooth(source: Ints, start: int, height: int, top: int, bottom: int, taps: Ints, exponent: int) -> Ints:
    """See `ExactOperations.smooth`."""
    tall = _smooth_axis(source.T, range(top, bottom), height, start, taps, exponent)
    width = source.shape[1]
    return _smooth_axis(tall.T, range(width), width, 0, taps, exponent)


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
    channels = len(second)
    inputs = np.clip(shift_rounded(stack, STACK_BITS - INPUT_BITS), -MAX_ACTIVATION, MAX_ACTIVATION)
    sums = first[:, :-1] @ inputs + (first[:, -1:] << INPUT_BITS)
    unit = first_exponent + INPUT_BITS
    hidden = np.clip(shift_rounded(sums[:-channels], unit - SYNTHESIS_BITS), 0, MAX_ACTIVATION)
    direct = shift_rounded(sums[-channels:], unit - SAMPLE_BITS)
    sums = second[:, :-1] @ hidden + (second[:, -1:] << SYNTHESIS_BITS)
    samples = shift_rounded(sums, second_exponent + SYNTHESIS_BITS - SAMPLE_BITS)
    samples += np.clip(direct, -MAX_ACTIVATION, MAX_ACTIVATION)
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

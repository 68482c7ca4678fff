"""`operations.ExactOperations` in compiled loops: the twin of plain.py, integer for integer.

All loops run free of the interpreter's lock; tests hold the twins together.
"""

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
)
from inr.cnn.laplace import CENTRE_BITS, N_SPREADS
from inr.compiling import compiled

_ROWS = np.array([row for row, _ in NEIGHBOURS])
_COLUMNS = np.array([column for _, column in NEIGHBOURS])
_LANES = 128  # pixels at a time: what the fastest cache holds
_HALF = 1 << (CENTRE_BITS - 1)


@compiled()
def _dense(out, weight, x, input_bits, n):
    """out[:, :n] = weight · x, the weight's last column applied to the constant one."""
    n_in = weight.shape[1] - 1
    for h in range(weight.shape[0]):
        bias = weight[h, n_in] << input_bits
        for j in range(n):
            out[h, j] = bias
        for c in range(n_in):
            w = weight[h, c]
            for j in range(n):
                out[h, j] += w * x[c, j]


@compiled()
def _shift(x, bits, n):
    """Divide by 2**bits, rounding to nearest; multiply where bits < 0."""
    for h in range(x.shape[0]):
        if bits <= 0:
            for j in range(n):
                x[h, j] <<= -bits
        else:
            half = np.int32(1) << np.int32(bits - 1)
            for j in range(n):
                x[h, j] = (x[h, j] + half) >> bits


@compiled()
def _clip(x, low, high, n):
    for h in range(x.shape[0]):
        for j in range(n):
            x[h, j] = min(max(x[h, j], np.int32(low)), np.int32(high))


@compiled()
def _predict_front(padded, front, top, bottom, weights, exponents, scratch, law, whole):
    x, first, second, outputs = scratch
    n = bottom - top
    for c in range(len(_ROWS)):
        for j in range(n):
            row = top + j
            x[c, j] = padded[PAD + row + _ROWS[c], PAD + front - SLOPE * row + _COLUMNS[c]]
    _dense(first, weights[0], x, 0, n)
    _shift(first, exponents[0] - CONTEXT_BITS, n)
    _clip(first, 0, MAX_ACTIVATION, n)
    _dense(second, weights[1], first, CONTEXT_BITS, n)
    _shift(second, exponents[1], n)
    _clip(second, 0, MAX_ACTIVATION, n)
    _dense(outputs, weights[2], second, CONTEXT_BITS, n)
    unit = exponents[2] + CONTEXT_BITS
    _shift(outputs[:1], unit - CENTRE_BITS, n)
    _shift(outputs[1:], unit - SPREAD_BITS, n)
    for j in range(n):
        centre = min(max(outputs[0, j], -MAX_CENTRE), MAX_CENTRE) + _HALF
        spread = min(max(outputs[1, j] + MIDDLE_SPREAD, 0), N_SPREADS - 1)
        whole[j] = centre >> CENTRE_BITS
        law[j] = (spread << CENTRE_BITS) + centre - ((centre >> CENTRE_BITS) << CENTRE_BITS)


class FrontPredictor:
    """Derives the laws of a level's fronts; arguments as those of `front_predictor`."""

    def __init__(
        self, weights: tuple[Ints, ...], exponents: tuple[int, ...], height: int, width: int
    ) -> None:
        self._weights, self._exponents = weights, exponents
        longest = min(height, -(-width // SLOPE))
        sizes = (len(NEIGHBOURS), len(weights[0]), len(weights[1]), 2)
        self._scratch = tuple(np.empty((size, longest), dtype=np.int32) for size in sizes)
        self._law, self._whole = np.empty(longest, np.int32), np.empty(longest, np.int32)

    def __call__(self, padded: Latents, front: int, rows: NDArray[np.int64]) -> tuple[Ints, Ints]:
        """Laws of the latents of a front in these rows; the next call overwrites them."""
        n, top = len(rows), int(rows[0])
        weights, exponents, scratch = self._weights, self._exponents, self._scratch
        _predict_front(padded, front, top, top + n, weights, exponents, scratch, self._law, self._whole)
        return self._law[:n], self._whole[:n]


def front_predictor(
    weights: tuple[Ints, ...], exponents: tuple[int, ...], height: int, width: int
) -> FrontPredictor:
    """See `ExactOperations.front_predictor`."""
    return FrontPredictor(weights, exponents, height, width)


@compiled()
def _tap_sources(position, size):
    """The four sources of a position of a doubled axis, in the order of the taps f0 to f3."""
    if position % 2 == 0:
        base, step = position // 2 - 2, 1
    else:
        base, step = position // 2 + 2, -1
    a = min(max(base, 0), size - 1)
    b = min(max(base + step, 0), size - 1)
    c = min(max(base + 2 * step, 0), size - 1)
    d = min(max(base + 3 * step, 0), size - 1)
    return a, b, c, d


@compiled()
def _settle(total, half, exponent):
    """Rounded and clipped value of a sum of taps."""
    return min(max((total + half) >> exponent, np.int32(-MAX_STACK)), np.int32(MAX_STACK))


@compiled()
def double(source, start, source_height, top, bottom, width, f, exponent):
    """See `ExactOperations.double`."""
    planes, _, source_width = source.shape
    out = np.empty((planes, bottom - top, width), dtype=np.int32)
    line = np.empty(source_width + 4, dtype=np.int32)
    half = np.int32(1) << np.int32(exponent - 1)
    f0, f1, f2, f3 = f[0], f[1], f[2], f[3]
    for plane in range(planes):
        for row in range(top, bottom):
            a, b, c, d = _tap_sources(row, source_height)
            s0, s1 = source[plane, a - start], source[plane, b - start]
            s2, s3 = source[plane, c - start], source[plane, d - start]
            for j in range(source_width):
                line[j + 2] = _settle(f0 * s0[j] + f1 * s1[j] + f2 * s2[j] + f3 * s3[j], half, exponent)
            line[0] = line[1] = line[2]
            line[source_width + 2] = line[source_width + 3] = line[source_width + 1]
            target = out[plane, row - top]
            for j in range((width + 1) // 2):
                total = f0 * line[j] + f1 * line[j + 1] + f2 * line[j + 2] + f3 * line[j + 3]
                target[2 * j] = _settle(total, half, exponent)
            for j in range(width // 2):
                total = f3 * line[j + 1] + f2 * line[j + 2] + f1 * line[j + 3] + f0 * line[j + 4]
                target[2 * j + 1] = _settle(total, half, exponent)
    return out


@compiled()
def pixelwise(stack, first, second, first_exponent, second_exponent):
    """See `ExactOperations.pixelwise`."""
    n_levels, n_pixels = stack.shape
    out = np.empty((second.shape[0], n_pixels), dtype=np.int32)
    x = np.empty((n_levels, _LANES), dtype=np.int32)
    hidden = np.empty((first.shape[0], _LANES), dtype=np.int32)
    samples = np.empty((second.shape[0], _LANES), dtype=np.int32)
    for left in range(0, n_pixels, _LANES):
        n = min(_LANES, n_pixels - left)
        for c in range(n_levels):
            for j in range(n):
                x[c, j] = stack[c, left + j]
        _shift(x, STACK_BITS - INPUT_BITS, n)
        _clip(x, -MAX_ACTIVATION, MAX_ACTIVATION, n)
        _dense(hidden, first, x, INPUT_BITS, n)
        _shift(hidden, first_exponent + INPUT_BITS - SYNTHESIS_BITS, n)
        _clip(hidden, 0, MAX_ACTIVATION, n)
        _dense(samples, second, hidden, SYNTHESIS_BITS, n)
        _shift(samples, second_exponent + SYNTHESIS_BITS - SAMPLE_BITS, n)
        _clip(samples, -MAX_ACTIVATION, MAX_ACTIVATION, n)
        for c in range(second.shape[0]):
            for j in range(n):
                out[c, left + j] = samples[c, j]
    return out


@compiled()
def residual(samples, start, height, top, bottom, weight, exponent, rectify):
    """See `ExactOperations.residual`."""
    channels, _, width = samples.shape
    out = np.empty((channels, bottom - top, width), dtype=np.int32)
    line = np.empty(width + 2, dtype=np.int32)
    half = np.int32(1) << np.int32(exponent - 1)
    low = np.int32(0 if rectify else -MAX_ACTIVATION)
    for o in range(channels):
        for row in range(top, bottom):
            target = out[o, row - top]
            for j in range(width):
                target[j] = weight[o, 9 * channels] << SAMPLE_BITS
            for i in range(channels):
                for dy in range(3):
                    source = samples[i, min(max(row + dy - 1, 0), height - 1) - start]
                    for j in range(width):
                        line[j + 1] = source[j]
                    line[0], line[width + 1] = source[0], source[width - 1]
                    at = 9 * i + 3 * dy
                    a, b, c = weight[o, at], weight[o, at + 1], weight[o, at + 2]
                    for j in range(width):
                        target[j] += a * line[j] + b * line[j + 1] + c * line[j + 2]
            before = samples[o, row - start]
            for j in range(width):
                value = before[j] + ((target[j] + half) >> exponent)
                target[j] = min(max(value, low), np.int32(MAX_ACTIVATION))
    return out

"""`operations.ExactOperations` in compiled loops: the twin of plain.py, integer for integer.

All loops run free of the interpreter's lock; tests hold the twins together.
"""

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
)
from inr.compiling import compiled

_ROWS = np.array([row for row, _ in NEIGHBOURS])
_COLUMNS = np.array([column for _, column in NEIGHBOURS])
_LANES = 128  # pixels at a time: what the fastest cache holds
_HALF = 1 << (CENTRE_BITS - 1)


@compiled()
def _start(out, weight, bits, n):
    """out[:, :n] = the weight's last column, in units of 2**-bits of its own."""
    last = weight.shape[1] - 1
    for h in range(weight.shape[0]):
        constant = np.int32(weight[h, last] << bits)
        for j in range(n):
            out[h, j] = constant


@compiled()
def _add(out, weight, x, n_in, n):
    """out[:, :n] += weight[:, :n_in] · x[:, :n]."""
    for h in range(weight.shape[0]):
        for c in range(0, n_in - 3, 4):
            w0, w1, w2, w3 = weight[h, c], weight[h, c + 1], weight[h, c + 2], weight[h, c + 3]
            for j in range(n):
                out[h, j] += w0 * x[c, j] + w1 * x[c + 1, j] + w2 * x[c + 2, j] + w3 * x[c + 3, j]
        for c in range(n_in - n_in % 4, n_in):
            w = weight[h, c]
            for j in range(n):
                out[h, j] += w * x[c, j]


@compiled()
def _shift(x, bits, n):
    """Divide by 2**bits, rounding to nearest, halves up."""
    if bits > 0:
        half, by = np.int32(1 << (bits - 1)), bits & 31
        for h in range(x.shape[0]):
            for j in range(n):
                x[h, j] = np.int32(x[h, j] + half) >> by


@compiled()
def _clip(x, low, high, n):
    for h in range(x.shape[0]):
        for j in range(n):
            x[h, j] = min(max(x[h, j], np.int32(low)), np.int32(high))


@compiled()
def _gather(x, padded, front, top, n):
    """The neighbours of n latents of a front."""
    for c in range(len(_ROWS)):
        for j in range(n):
            row = top + j
            x[c, j] = padded[PAD + row + _ROWS[c], PAD + front - SLOPE * row + _COLUMNS[c]]


@compiled()
def _gather_parents(x, latents, grids, front, top, n):
    """The parents of n latents of a front; `grids` has the start, width and halvings of each."""
    for c in range(grids.shape[1]):
        start, width, halvings = grids[0, c], grids[1, c], grids[2, c] & 63
        for j in range(n):
            row = top + j
            x[c, j] = latents[start + (row >> halvings) * width + ((front - SLOPE * row) >> halvings)]


@compiled()
def _predict_front(padded, latents, grids, front, top, bottom, weights, exponents, scratch, law, whole):
    x, first, second, outputs = scratch
    nearest, parents, middle, last = weights
    hidden, n_parents = middle.shape[0], grids.shape[1]
    unit = exponents[3] + CONTEXT_BITS
    for left in range(top, bottom, _LANES):
        n = min(_LANES, bottom - left)
        _gather(x, padded, front, left, n)
        first[:, :n] = 0
        _add(first, nearest, x, len(_ROWS), n)
        _shift(first, exponents[0] - CONTEXT_BITS, n)
        _gather_parents(x, latents, grids, front, left, n)
        _start(second, parents, 0, n)
        _add(second, parents, x, n_parents, n)
        _shift(second, exponents[1] - CONTEXT_BITS, n)
        for h in range(hidden + 2):
            low = np.int32(0 if h < hidden else -MAX_ACTIVATION)
            for j in range(n):
                first[h, j] = min(max(np.int32(first[h, j] + second[h, j]), low), np.int32(MAX_ACTIVATION))
        direct = first[hidden:]
        _start(second[:hidden], middle, CONTEXT_BITS, n)
        _add(second, middle, first, hidden, n)
        _shift(second[:hidden], exponents[2], n)
        _clip(second[:hidden], 0, MAX_ACTIVATION, n)
        _start(outputs, last, CONTEXT_BITS, n)
        _add(outputs, last, second, hidden, n)
        _shift(outputs[:1], unit - CENTRE_BITS, n)
        _shift(outputs[1:], unit - SPREAD_BITS, n)
        _shift(direct[:1], CONTEXT_BITS - CENTRE_BITS, n)
        _shift(direct[1:], CONTEXT_BITS - SPREAD_BITS, n)
        for j in range(n):
            centre = min(max(outputs[0, j] + direct[0, j], -MAX_CENTRE), MAX_CENTRE) + _HALF
            spread = min(max(outputs[1, j] + direct[1, j] + MIDDLE_SPREAD, 0), N_SPREADS - 1)
            whole[left - top + j] = centre >> CENTRE_BITS
            law[left - top + j] = (spread << CENTRE_BITS) + centre - ((centre >> CENTRE_BITS) << CENTRE_BITS)


class FrontPredictor:
    """Derives the laws of a grid's fronts; arguments as those of `front_predictor`."""

    def __init__(
        self, weights: tuple[Ints, ...], exponents: tuple[int, ...], parents: Parents, height: int, width: int
    ) -> None:
        self._weights, self._exponents, self._latents = weights, exponents, parents.latents
        self._grids = np.stack([parents.starts, parents.widths, parents.halvings])
        inputs, hidden = max(len(NEIGHBOURS), self._grids.shape[1]), len(weights[0])
        sizes = (inputs, hidden, hidden, 2)
        self._scratch = tuple(np.empty((size, _LANES), dtype=np.int32) for size in sizes)
        longest = min(height, -(-width // SLOPE))
        self._law, self._whole = np.empty(longest, np.int32), np.empty(longest, np.int32)

    def __call__(self, padded: Latents, front: int, top: int, bottom: int) -> tuple[Ints, Ints]:
        """Laws of the latents of a front in these rows; the next call overwrites them."""
        law, whole = self._law[: bottom - top], self._whole[: bottom - top]
        _predict_front(
            *(padded, self._latents, self._grids, front, top, bottom),
            *(self._weights, self._exponents, self._scratch, law, whole),
        )
        return law, whole


def front_predictor(
    weights: tuple[Ints, ...], exponents: tuple[int, ...], parents: Parents, height: int, width: int
) -> FrontPredictor:
    """See `ExactOperations.front_predictor`."""
    return FrontPredictor(weights, exponents, parents, height, width)


@compiled()
def _settle(total, half, by):
    """Rounded and clipped value of a sum of taps."""
    return min(max(np.int32(np.int32(total + half) >> by), np.int32(-MAX_STACK)), np.int32(MAX_STACK))


@compiled()
def smooth(source, start, height, top, bottom, t, exponent):
    """See `ExactOperations.smooth`."""
    width = source.shape[1]
    out = np.empty((bottom - top, width), dtype=np.int32)
    line = np.empty(width + 6, dtype=np.int32)
    half, by = np.int32(1 << (exponent - 1)), exponent & 31
    t0, t1, t2, t3 = t[0], t[1], t[2], t[3]
    for row in range(top, bottom):
        a = source[row - start]
        b, c = source[max(row - 1, 0) - start], source[min(row + 1, height - 1) - start]
        d, e = source[max(row - 2, 0) - start], source[min(row + 2, height - 1) - start]
        f, g = source[max(row - 3, 0) - start], source[min(row + 3, height - 1) - start]
        for j in range(width):
            total = t0 * a[j] + t1 * (b[j] + c[j]) + t2 * (d[j] + e[j]) + t3 * (f[j] + g[j])
            line[j + 3] = _settle(total, half, by)
        line[:3], line[width + 3 :] = line[3], line[width + 2]
        target = out[row - top]
        for j in range(width):
            total = t0 * line[j + 3] + t1 * (line[j + 2] + line[j + 4])
            total += t2 * (line[j + 1] + line[j + 5]) + t3 * (line[j] + line[j + 6])
            target[j] = _settle(total, half, by)
    return out


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
def double(source, start, source_height, top, bottom, width, f, exponent):
    """See `ExactOperations.double`."""
    planes, _, source_width = source.shape
    out = np.empty((planes, bottom - top, width), dtype=np.int32)
    line = np.empty(source_width + 4, dtype=np.int32)
    half, by = np.int32(1 << (exponent - 1)), exponent & 31
    f0, f1, f2, f3 = f[0], f[1], f[2], f[3]
    for plane in range(planes):
        for row in range(top, bottom):
            a, b, c, d = _tap_sources(row, source_height)
            s0, s1 = source[plane, a - start], source[plane, b - start]
            s2, s3 = source[plane, c - start], source[plane, d - start]
            for j in range(source_width):
                line[j + 2] = _settle(f0 * s0[j] + f1 * s1[j] + f2 * s2[j] + f3 * s3[j], half, by)
            line[0] = line[1] = line[2]
            line[source_width + 2] = line[source_width + 3] = line[source_width + 1]
            target = out[plane, row - top]
            for j in range((width + 1) // 2):
                total = f0 * line[j] + f1 * line[j + 1] + f2 * line[j + 2] + f3 * line[j + 3]
                target[2 * j] = _settle(total, half, by)
            for j in range(width // 2):
                total = f3 * line[j + 1] + f2 * line[j + 2] + f1 * line[j + 3] + f0 * line[j + 4]
                target[2 * j + 1] = _settle(total, half, by)
    return out


@compiled()
def pixelwise(stack, first, second, first_exponent, second_exponent):
    """See `ExactOperations.pixelwise`."""
    n_levels, n_pixels = stack.shape
    channels, hidden = second.shape[0], first.shape[0] - second.shape[0]
    out = np.empty((channels, n_pixels), dtype=np.int32)
    x = np.empty((n_levels, _LANES), dtype=np.int32)
    sums = np.empty((first.shape[0], _LANES), dtype=np.int32)
    samples = np.empty((channels, _LANES), dtype=np.int32)
    unit = first_exponent + INPUT_BITS
    for left in range(0, n_pixels, _LANES):
        n = min(_LANES, n_pixels - left)
        for c in range(n_levels):
            for j in range(n):
                x[c, j] = stack[c, left + j]
        _shift(x, STACK_BITS - INPUT_BITS, n)
        _clip(x, -MAX_ACTIVATION, MAX_ACTIVATION, n)
        _start(sums, first, INPUT_BITS, n)
        _add(sums, first, x, n_levels, n)
        _shift(sums[:hidden], unit - SYNTHESIS_BITS, n)
        _clip(sums[:hidden], 0, MAX_ACTIVATION, n)
        _shift(sums[hidden:], unit - SAMPLE_BITS, n)
        _clip(sums[hidden:], -MAX_ACTIVATION, MAX_ACTIVATION, n)
        _start(samples, second, SYNTHESIS_BITS, n)
        _add(samples, second, sums, hidden, n)
        _shift(samples, second_exponent + SYNTHESIS_BITS - SAMPLE_BITS, n)
        for c in range(channels):
            for j in range(n):
                value = np.int32(samples[c, j] + sums[hidden + c, j])
                out[c, left + j] = min(max(value, np.int32(-MAX_ACTIVATION)), np.int32(MAX_ACTIVATION))
    return out


@compiled()
def residual(samples, start, height, top, bottom, weight, exponent, rectify):
    """See `ExactOperations.residual`."""
    channels, _, width = samples.shape
    out = np.empty((channels, bottom - top, width), dtype=np.int32)
    line = np.empty(width + 2, dtype=np.int32)
    half, by = np.int32(1 << (exponent - 1)), exponent & 31
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
                value = np.int32(before[j] + np.int32(np.int32(target[j] + half) >> by))
                target[j] = min(max(value, low), np.int32(MAX_ACTIVATION))
    return out

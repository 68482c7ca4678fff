"""Family `mlp`: symbols → pixels, exactly (FORMAT.md, section 7).

All sums are of integers below 2**24 in magnitude, which float32 holds exactly in any order, and everything
between two sums is a short, fixed sequence of single IEEE 754 operations. So the pixels are the same on
every machine and thread count. The differentiable twin is in inr/mlp/fit/gradient.py.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from inr.coding.coder import Symbols
from inr.mlp.architecture import TURN_BITS, CoordinateMLP
from inr.mlp.steps import step_size

# sin(2πr) on [-1/2, 1/2] as r · (c0 + r²(c1 + r²(c2 + r²·c3))), minimax, error below 2.6e-4.
SINE = (6.278635025024414, -41.09372329711914, 77.93028259277344, -56.08626174926758)

_MAX_AMPLITUDE_BITS = 14
_EXACT_BITS = 23  # |sum| < 2**23 leaves float32 a bit to spare
_TILE_PIXELS = 8192  # of a tile that fits the cache

Floats = NDArray[np.float32]
# (sums [pixels, neurons], scale, phase [neurons], coefficients [4]): integer sums → turns → sines → integers,
# in place.
Sine = Callable[[Floats, np.float32, Floats, Floats], None]


def plain_sine(sums: Floats, scale: np.float32, phase: Floats, coefficients: Floats) -> None:
    """Sines of a layer by NumPy, with one rounding per operation."""
    turns = np.multiply(sums, scale, out=sums)
    turns += phase
    turns -= np.rint(turns)
    square = turns * turns
    c0, c1, c2, c3 = coefficients
    sine = square * c3
    sine += c2
    sine *= square
    sine += c1
    sine *= square
    sine += c0
    np.multiply(sine, turns, out=sums)
    np.rint(sums, out=sums)


@cache
def sine_loop() -> Sine:
    """The compiled loop where numba is installed; without it NumPy computes the same integers."""
    try:
        from inr.mlp.kernels import sine
    except ImportError:
        return plain_sine
    compiled: Sine = sine
    return compiled


def sine_table() -> NDArray[np.float64]:
    """Sines of every 2**-16 turn, rounded to 2**-14."""
    turns = np.arange(1 << TURN_BITS) / (1 << TURN_BITS)
    table: NDArray[np.float64] = np.rint(np.sin(2 * math.pi * turns) * (1 << _MAX_AMPLITUDE_BITS))
    return table


def _integer_features(phases: NDArray[np.int64], amplitude_bits: int) -> Floats:
    """Sines and cosines of phases, as integers of so many bits: float32 [n, 2 · frequencies]."""
    both = np.concatenate([phases, phases + (1 << (TURN_BITS - 2))], axis=1) & ((1 << TURN_BITS) - 1)
    shift = _MAX_AMPLITUDE_BITS - amplitude_bits
    table = np.floor((sine_table() + (1 << shift >> 1)) / (1 << shift))
    features: Floats = table[both].astype(np.float32)
    return features


def _amplitude_bits(weight: Symbols) -> int:
    """Bits of the activations that a matrix meets, so that no sum can leave float32's exact integers."""
    largest_row = int(np.abs(weight.astype(np.int64)).sum(axis=1).max())
    return min(_MAX_AMPLITUDE_BITS, _EXACT_BITS - largest_row.bit_length())


def synthesize(
    architecture: CoordinateMLP,
    symbols: Sequence[Symbols],
    step_indices: Sequence[int],
    *,
    width: int,
    height: int,
    sine: Sine | None = None,
) -> NDArray[np.uint8]:
    """Evaluate the network of the given symbols at every pixel, exactly.

    Args:
        architecture: The network's shape.
        symbols: int32 tensors in wire order.
        step_indices: For each tensor, the number that names its step.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        sine: The loop that computes a layer's sines; `sine_loop()` if None.

    Returns:
        uint8 [height, width, channels].
    """
    weights, biases, loop = symbols[0::2], symbols[1::2], sine or sine_loop()
    bits = [_amplitude_bits(weight) for weight in weights]
    scales = [
        np.float32(step_size(index) * 2.0**-b) for index, b in zip(step_indices[0::2], bits, strict=True)
    ]
    matrices = [np.ascontiguousarray(weight.astype(np.float32).T) for weight in weights]
    # A single float32 division each: phases are fractions of a turn.
    phases = [
        phase.astype(np.float32) / np.float32(4 * quarter_levels)
        for phase, quarter_levels in zip(biases[:-1], step_indices[1:-1:2], strict=True)
    ]
    coefficients = [np.array([c * (1 << b) for c in SINE], dtype=np.float32) for b in bits[1:]]
    to_levels = scales[-1] * np.float32(255)
    offset = (biases[-1] * step_size(step_indices[-1])).astype(np.float32) * np.float32(255)

    longer, half = max(width, height), 2 * architecture.n_frequencies
    by_column = _integer_features(architecture.axis_phases(width, longer), bits[0]) @ matrices[0][:half]
    by_row = _integer_features(architecture.axis_phases(height, longer), bits[0]) @ matrices[0][half:]

    def tile(rows: Floats, columns: Floats) -> NDArray[np.uint8]:
        hidden = (rows[:, None] + columns[None]).reshape(-1, architecture.n_neurons)  # [pixels, neurons]
        for scale, phase, c, matrix in zip(scales[:-1], phases, coefficients, matrices[1:], strict=True):
            loop(hidden, scale, phase, c)
            hidden = hidden @ matrix  # [pixels, neurons], at last [pixels, channels]
        levels = np.clip(np.rint(hidden * to_levels + offset), 0, 255)
        return levels.astype(np.uint8).reshape(len(rows), len(columns), -1)

    pixels = np.empty((height, width, architecture.channels), dtype=np.uint8)
    n_columns = min(width, _TILE_PIXELS)
    n_rows = max(1, _TILE_PIXELS // n_columns)
    for top in range(0, height, n_rows):
        for left in range(0, width, n_columns):
            there = slice(top, top + n_rows), slice(left, left + n_columns)
            pixels[there] = tile(by_row[there[0]], by_column[there[1]])
    return pixels

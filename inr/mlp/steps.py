"""Quantisation steps of family `mlp`, each named by a small integer (FORMAT.md, section 5)."""

import math

N_STEPS = 128
MAX_QUARTER_LEVELS = 2047
_SMALLEST_OCTAVE = -14


def step_size(index: int) -> float:
    """Quantisation step of an index: (8 + index mod 8) / 8 · 2**(index div 8 - 14), exact in float32.

    The matrices of sine layers measure it in turns, the output layer in units of full scale.
    """
    return (8 + index % 8) / 8 * 2.0 ** (index // 8 + _SMALLEST_OCTAVE)


STEP_SIZES = tuple(step_size(index) for index in range(N_STEPS))


def nearest_step_index(step: float) -> int:
    """Index of the step nearest to `step` > 0 in ratio."""
    return min(range(N_STEPS), key=lambda index: abs(math.log(STEP_SIZES[index] / step)))


def nearest_quarter_levels(step: float) -> int:
    """Levels in a quarter turn, 1 to 2047, for a phase's step nearest to `step` turns; 2047 for NaN."""
    return round(max(1.0, min(MAX_QUARTER_LEVELS, 1 / (4 * step))))

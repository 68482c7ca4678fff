"""The range of an axis, and the values that it names: few, round, none twice, all within the range."""

import math
from collections.abc import Iterable, Sequence

MAX_TICKS = 7
# Of ticks on a logarithmic axis, the finest first.
DIGITS = ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
ROUNDING = 1e-9  # of a spacing, by which a quotient may be off


def extent(values: Iterable[float]) -> tuple[float, float]:
    """The smallest and the largest of some values, of which there is at least one."""
    kept = list(values)
    return min(kept), max(kept)


def padded(values: Sequence[float]) -> list[float]:
    """The range of an axis that holds some values with a margin."""
    low, high = extent(values)
    margin = max(0.5, 0.04 * (high - low))
    return [low - margin, high + margin]


def padded_log(values: Sequence[float]) -> list[float]:
    """The range of a logarithmic axis that holds some values with a margin."""
    low, high = extent(values)
    return [low / 1.15, high * 1.15]


def ticks(low: float, high: float) -> list[float]:
    """At most `MAX_TICKS` round values from `low` to `high`, evenly spaced; one value if these are equal."""
    return _evenly(low, high, 0.0) if low < high else [low]


def whole_ticks(high: float) -> list[float]:
    """At most `MAX_TICKS` whole numbers from 0 to `high`, evenly spaced, for an axis that counts."""
    return _evenly(0.0, high, 1.0)


def log_ticks(low: float, high: float) -> list[float]:
    """Round values from `low` to `high`, both above zero, for a logarithmic axis.

    There are two or more where `low` and `high` differ, and at most `MAX_TICKS`, or one for
    each power of ten where these are more.
    """
    for digits in DIGITS:
        found = _digits(low, high, digits)
        if len(found) <= MAX_TICKS:
            break
    return found if len(found) > 2 else ticks(low, high)


def _digits(low: float, high: float, digits: tuple[int, ...]) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [float(f"{digit}e{power}") for power in powers for digit in digits]
    return [value for value in values if low <= value <= high]


def _evenly(low: float, high: float, least: float) -> list[float]:
    """The multiples of 1, 2 or 5 times a power of ten: of the smallest, from `least` on, that are few."""
    power = math.floor(math.log10(max(least, (high - low) / 10 / MAX_TICKS)))
    for spacing in (float(f"{digit}e{power + more}") for more in range(4) for digit in (1, 2, 5)):
        first, last = math.ceil(low / spacing - ROUNDING), math.floor(high / spacing + ROUNDING)
        if spacing >= least and last - first < MAX_TICKS:
            break
    return [float(f"{number * spacing:.12g}") for number in range(first, last + 1)]

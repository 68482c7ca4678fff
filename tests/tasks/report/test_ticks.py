import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report.ticks import MAX_TICKS, extent, log_ticks, padded, padded_log, ticks, whole_ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 30, [0, 5, 10, 15, 20, 25, 30]),
        (27.34, 28.34, [27.4, 27.6, 27.8, 28, 28.2]),
        (16.9, 37.2, [20, 25, 30, 35]),
        (30, 30, [30]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_an_even_axis_has_round_values(low: float, high: float, expected: list[float]):
    assert ticks(low, high) == expected


@pytest.mark.parametrize(
    ("high", "expected"),
    [
        (1, [0, 1]),
        (2, [0, 1, 2]),
        (3, [0, 1, 2, 3]),
        (6, [0, 1, 2, 3, 4, 5, 6]),
        (7, [0, 2, 4, 6]),
        (1000, [0, 200, 400, 600, 800, 1000]),
    ],
)
def test_counts_are_whole_and_none_comes_twice(high: int, expected: list[float]):
    assert whole_ticks(high) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.03, 5, [0.05, 0.1, 0.2, 0.5, 1, 2, 5]),
        (0.02, 5, [0.03, 0.1, 0.3, 1, 3]),
        (0.00004, 20, [0.0001, 0.001, 0.01, 0.1, 1, 10]),
        (5.55, 7.34, [6, 6.5, 7]),
        (6.1, 6.9, [6.2, 6.4, 6.6, 6.8]),
        (1.6, 2.8, [1.6, 1.8, 2, 2.2, 2.4, 2.6, 2.8]),
        (0.2, 0.9, [0.2, 0.3, 0.5, 0.7]),
    ],
)
def test_a_logarithmic_axis_has_round_values_however_short_it_is(
    low: float, high: float, expected: list[float]
):
    assert log_ticks(low, high) == expected


@given(low=st.floats(1e-7, 1e3), factor=st.floats(1.15, 1e6))
def test_every_axis_names_two_values_or_more_each_once_within_its_range(low: float, factor: float):
    high = low * factor
    for found in (ticks(low, high), log_ticks(low, high)):
        assert len(found) >= 2
        assert len(found) <= max(MAX_TICKS, math.log10(factor) + 2)
        assert all(a < b for a, b in pairwise(found))
        assert found[0] >= low * (1 - 1e-9)
        assert found[-1] <= high * (1 + 1e-9)
        assert len({f"{value:.6g}" for value in found}) == len(found)  # as charts write them


@pytest.mark.parametrize("values", [[1.0], [3.0, 1.0, 2.0], [0.001, 1000.0]])
def test_ranges_hold_every_value_with_a_margin(values: list[float]):
    low, high = extent(values)
    assert (low, high) == (min(values), max(values))
    for range_ in (padded(values), padded_log(values)):
        assert range_[0] < low
        assert range_[1] > high
    assert padded_log(values)[0] > 0

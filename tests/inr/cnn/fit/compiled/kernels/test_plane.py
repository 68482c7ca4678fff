from itertools import pairwise

import numpy as np
import pytest

from inr.cnn.fit.compiled.arrays import Floats, zeros
from inr.cnn.fit.compiled.kernels.plane import (
    filter_columns_back,
    filter_lines_back,
    filter_rows,
    upsample,
    upsample_back,
)

SIZES = [(5, 4), (1, 1), (2, 7), (9, 3), (20, 33)]
EDGES = (0, 1, 3, 1000)  # rows are taken in parts


def drawn(*shape: int) -> Floats:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def spans(n_rows: int) -> list[tuple[int, int]]:
    return list(pairwise(np.minimum(EDGES, n_rows).tolist()))


def extended(plane: np.ndarray, n: int) -> np.ndarray:
    return np.pad(plane, ((n, n), (0, 0)), mode="edge")


def filtered(plane: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Section 11.1 of FORMAT.md, in floats."""
    seven = taps[[3, 2, 1, 0, 1, 2, 3]]
    for _ in range(2):
        rows = extended(plane, 3)
        plane = sum(tap * rows[n : n + len(plane)] for n, tap in enumerate(seven)).T
    return plane


def doubled(plane: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Section 11.2 of FORMAT.md, in floats."""
    for _ in range(2):
        rows, n = extended(plane, 2), len(plane)
        found = np.empty((2 * n, plane.shape[1]))
        found[::2] = sum(taps[k] * rows[k : k + n] for k in range(4))
        found[1::2] = sum(taps[3 - k] * rows[k + 1 : k + 1 + n] for k in range(4))
        plane = found.T
    return plane


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_filtering_is_that_of_the_format(height: int, width: int) -> None:
    source, taps, target = drawn(height, width), drawn(4), zeros(height, width)
    for top, bottom in spans(height):
        filter_rows(source, target, taps, top, bottom, zeros(width + 6))
    np.testing.assert_allclose(target, filtered(source.astype(float), taps), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_gradients_of_filtering_are_its_transpose(height: int, width: int) -> None:
    """<filter(x'), g> = <x', filter^T(g)> for any x', and so on for changes of a tap."""
    source, taps, upstream, other = drawn(height, width), drawn(4), drawn(height, width), drawn(width, height)
    left, by_source, by_taps = upstream.copy(), np.full_like(source, 7), np.ones(4, np.float32)
    for top, bottom in spans(height):
        filter_lines_back(source, left, taps, by_taps, top, bottom, zeros(3, width + 12))
    for top, bottom in spans(height):
        filter_columns_back(left, by_source, taps, top, bottom)
    change = other.reshape(height, width).astype(float)
    expected = float((filtered(change, taps) * upstream).sum())
    assert float((change * by_source).sum()) == pytest.approx(expected, rel=1e-3, abs=1e-3)
    for n in range(4):
        a_bit = np.eye(4)[n] * 1e-4
        up, down = (filtered(source.astype(float), taps + sign * a_bit) for sign in (1, -1))
        expected = float(((up - down) / 2e-4 * upstream).sum())
        assert by_taps[n] == pytest.approx(1 + expected, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("odd", [0, 1])
def test_doubling_is_that_of_the_format(height: int, width: int, odd: int) -> None:
    source, taps = drawn(2, height, width), drawn(4)
    target = zeros(2, 2 * height - odd, 2 * width - odd)
    upsample(source, target, taps, zeros(width + 5))
    for plane, found in zip(source, target, strict=True):
        expected = doubled(plane.astype(float), taps)[: 2 * height - odd, : 2 * width - odd]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("odd", [0, 1])
def test_the_gradients_of_doubling_are_its_transpose(height: int, width: int, odd: int) -> None:
    source, taps, other = drawn(1, height, width), drawn(4), drawn(width, height).reshape(height, width)
    upstream = drawn(1, 2 * height - odd, 2 * width - odd)
    by_source, by_taps = np.ones_like(source), np.ones(4, np.float32)
    upsample_back(source, upstream, by_source, taps, by_taps, zeros(width + 5), zeros(width + 6))
    cut = np.s_[: 2 * height - odd, : 2 * width - odd]
    expected = float((doubled(other.astype(float), taps)[cut] * upstream).sum())
    assert float((other * (by_source[0] - 1)).sum()) == pytest.approx(expected, rel=1e-3, abs=1e-3)
    for n in range(4):
        a_bit = np.eye(4)[n] * 1e-4
        up, down = (doubled(source[0].astype(float), taps + sign * a_bit)[cut] for sign in (1, -1))
        expected = float(((up - down) / 2e-4 * upstream).sum())
        assert by_taps[n] == pytest.approx(1 + expected, rel=1e-3, abs=1e-3)

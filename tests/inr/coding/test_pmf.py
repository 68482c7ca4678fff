import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inr.coding.pmf import (
    BLOCK,
    COUNT_BITS,
    DECAYS,
    N_SCALES,
    SCALE_BITS,
    SCALES,
    THRESHOLDS,
    ScaleContext,
    geometric_counts,
    uniform_counts,
)
from inr.fit.entropy import constant_and_slope, context_scales

supports = st.tuples(st.integers(-2047, 2047), st.integers(-2047, 2047)).filter(lambda s: s[0] < s[1])


def test_literal_tables_follow_their_formulas() -> None:
    magnitudes = [2 ** ((t - 16) / 4) for t in range(N_SCALES)]
    assert SCALES.tolist() == [round(256 * a) for a in magnitudes]
    assert THRESHOLDS.tolist() == [round(256 * a * 2 ** (1 / 8)) for a in magnitudes[:-1]]
    assert list(DECAYS) == [round(65536 * (math.sqrt(1 + a * a) - 1) / a) for a in magnitudes]


@given(st.integers(0, N_SCALES - 1), supports)
def test_geometric_counts_are_a_distribution(scale_index: int, support: tuple[int, int]) -> None:
    counts = geometric_counts(scale_index, *support)
    assert len(counts) == support[1] - support[0] + 1
    assert counts.min() >= 0
    assert counts.sum() == 1 << COUNT_BITS


@pytest.mark.parametrize("scale_index", range(4, 40, 5))
def test_geometric_counts_have_the_mean_magnitude_of_their_scale(scale_index: int) -> None:
    symbols = np.arange(-2047, 2048)
    mean = (geometric_counts(scale_index, -2047, 2047) * np.abs(symbols)).sum() / 2**COUNT_BITS
    assert mean == pytest.approx(SCALES[scale_index] / 256, rel=0.02)


@pytest.mark.parametrize("n_symbols", [2, 3, 7, 255, 4095])
def test_uniform_counts_differ_by_one_at_most(n_symbols: int) -> None:
    counts = uniform_counts(n_symbols)
    assert counts.sum() == 1 << COUNT_BITS
    assert counts.max() - counts.min() <= 1


def walk(symbols: np.ndarray, mean_index: int) -> np.ndarray:
    """Scale indices that ScaleContext gives to a whole matrix."""
    context, indices = ScaleContext(symbols.shape[1], mean_index), np.empty(symbols.shape, dtype=int)
    for row, line in enumerate(symbols):
        for start in range(0, len(line), BLOCK):
            indices[row, start : start + BLOCK] = context.scale_indices(start)
            context.add(start, line[start : start + BLOCK])
    return indices


@pytest.mark.parametrize(("shape", "spread"), [((1, 1), 3), ((5, 40), 0.3), ((33, 17), 2.0), ((48, 64), 30)])
def test_integer_scales_agree_with_their_float_twin(shape: tuple[int, int], spread: float) -> None:
    """The twin takes the tensor's own mean, the table's nearest one lies up to an eighth of an octave off."""
    rng = np.random.default_rng(7)
    symbols = np.rint(rng.laplace(0, spread * rng.gamma(2, 0.5, (1, shape[1])), shape)).astype(np.int32)
    mean = int(np.searchsorted(THRESHOLDS, np.abs(symbols).mean() * 256, side="right"))
    exact = SCALES[walk(symbols, mean)] / (1 << SCALE_BITS)
    twin = context_scales(torch.from_numpy(symbols).float()).numpy()
    assert np.abs(np.log2(exact / twin)).max() < 0.4


def test_information_of_the_law_matches_its_table() -> None:
    counts = geometric_counts(24, -200, 200)  # scale 4
    constant, slope = constant_and_slope(torch.tensor([4.0]))
    for symbol in (0, 1, -3, 10):
        assert float(constant + slope * abs(symbol)) == pytest.approx(
            COUNT_BITS - math.log2(counts[symbol + 200]), abs=0.01
        )


@given(st.integers(0, N_SCALES - 1), st.integers(1, 40))
def test_extreme_magnitudes_stay_within_the_tables(mean_index: int, n_columns: int) -> None:
    symbols = np.full((6, n_columns), -2047, dtype=np.int32)
    symbols[::2] = 0
    indices = walk(symbols, mean_index)
    assert indices.min() >= 0
    assert indices.max() < N_SCALES

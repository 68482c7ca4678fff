import numpy as np
import pytest
import torch

from inr.coding.pmf import BLOCK, SCALE_BITS, SCALES, ScaleContext
from inr.coding.tensors import Increments
from inr.fit.entropy import constant_and_slope, context_scales, increment_bits


def test_scales_are_those_of_the_integer_context() -> None:
    symbols = np.rint(np.random.default_rng(1).laplace(0, 5, (12, 40))).astype(np.int32)
    mean_index = int(np.searchsorted(SCALES, np.abs(symbols).mean() * (1 << SCALE_BITS)))
    context = ScaleContext(40, mean_index)
    found = np.empty(symbols.shape, dtype=int)
    for row in range(12):
        for start in range(0, 40, BLOCK):
            found[row, start : start + BLOCK] = context.scale_indices(start)
            context.add(start, symbols[row, start : start + BLOCK])
    expected = context_scales(torch.from_numpy(symbols).float()).numpy()
    in_octaves = np.log2(SCALES[found] / (1 << SCALE_BITS)) - np.log2(expected)
    assert np.abs(in_octaves).mean() < 0.15  # quarter octaves, and a mean that is rounded to one


def test_the_law_of_a_scale_sums_to_one() -> None:
    scales = torch.tensor([0.1, 1.0, 30.0], dtype=torch.float64)
    constant, slope = constant_and_slope(scales)
    symbols = torch.arange(-3000, 3001, dtype=torch.float64)
    mass = torch.exp2(-(constant[:, None] + slope[:, None] * symbols.abs()))
    torch.testing.assert_close(mass.sum(1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close((mass * symbols.abs()).sum(1), scales)


def test_bits_of_increments_are_near_those_of_the_coder() -> None:
    phases = np.sort(np.random.default_rng(2).integers(0, 500, 100)).astype(np.int32)
    mean = float(phases[-1]) / 100
    two_sided = 2 * mean * (1 + mean) / (1 + 2 * mean)
    index = int(np.argmin(np.abs(np.log(SCALES / (1 << SCALE_BITS) / two_sided))))
    exact = Increments(index, int(np.diff(phases, prepend=0).max())).bits(phases)
    assert float(increment_bits(torch.tensor(mean))) * 100 == pytest.approx(exact, rel=0.05)

import math

import pytest

pytest.importorskip("triton")

import torch

from benchmarks.gpu.kernels import FAR, _farthest


def test_one_difference_in_a_hundred_may_be_farther() -> None:
    known = torch.ones(200)
    found = known.clone()
    found[0] = 5
    found[1:] += 0.01
    assert _farthest([known], [found]) == pytest.approx(0.01)


def test_a_difference_that_is_no_number_is_far() -> None:
    assert _farthest([torch.ones(3)], [torch.full((3,), math.nan)]) == FAR

import pytest
import torch
import triton
import triton.language as tl

from inr.cnn.fit.fused.weights import weight_bits_kernels as kernels
from inr.coding import pmf
from inr.fit.entropy import context_scales
from tests.inr.cnn.fit.drawn import DEVICE

nearest, expected_magnitudes = kernels.nearest, kernels.expected_magnitudes


@triton.jit
def nearest_kernel(x, result, SIZE: tl.constexpr):
    places = tl.arange(0, SIZE)
    tl.store(result + places, nearest(tl.load(x + places)))


@triton.jit
def scales_kernel(x, result, n_rows, n_columns, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    r, c = tl.arange(0, ROWS)[:, None], tl.arange(0, COLUMNS)[None, :]
    inside = (r < n_rows) & (c < n_columns)
    magnitudes = tl.load(x + r * n_columns + c, mask=inside, other=0.0)
    scales = expected_magnitudes(magnitudes, n_rows * n_columns, ROWS, COLUMNS)
    tl.store(result + r * n_columns + c, scales, mask=inside)


def test_numbers_are_rounded_as_torch_does() -> None:
    values = [0.5, 1.5, -0.5, -2.5, 0.49999997, -0.2, 3.7, 4194305.0, -1e20, 2e6 + 0.5, 1e7, torch.inf]
    x = torch.tensor([*values, -torch.inf, torch.nan, 0.0, -1.0], device=DEVICE)
    result = torch.empty_like(x)
    nearest_kernel[(1,)](x, result, 16)
    torch.testing.assert_close(result, x.round(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("shape", [(5, 3), (1, 40), (8, 64), (7, 33)])
def test_scales_are_those_of_the_context(shape: tuple[int, int]) -> None:
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    magnitudes = (3 * drawn).round().abs()
    result = torch.full(shape, torch.nan, device=DEVICE)
    scales_kernel[(1,)](magnitudes.to(DEVICE), result, *shape, 8, 64)
    torch.testing.assert_close(result.cpu(), context_scales(magnitudes), rtol=1e-5, atol=0)


def test_constants_are_those_of_the_format() -> None:
    expected = pmf.BLOCK, pmf.COLUMN_PRIOR, pmf.ROW_PRIOR, pmf.SCALES[0] / (1 << pmf.SCALE_BITS)
    found = kernels.BLOCK, kernels.COLUMN_PRIOR, kernels.ROW_PRIOR, kernels.SMALLEST_SCALE
    assert tuple(constant.value for constant in found) == expected

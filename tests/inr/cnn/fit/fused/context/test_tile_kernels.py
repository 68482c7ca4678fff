import pytest
import torch
import triton
import triton.language as tl

from inr.cnn.fit.common.plain_losses import laplace_bits
from inr.cnn.fit.fused.context import tile_kernels as kernels
from inr.cnn.fit.fused.context.tile_kernels import laplace, outer, square, store_square, transposed
from tests.inr.cnn.fit.drawn import DEVICE
from tests.inr.cnn.fit.fused.doubles import gradients_of

SIDE, TILE = kernels.SIDE, kernels.TILE_ROWS * kernels.TILE_COLUMNS


@triton.jit
def laplace_kernel(values, centres, spreads, found, SIZE: tl.constexpr):
    place = tl.arange(0, SIZE)
    bits, by_value, by_spread = laplace(
        tl.load(values + place), tl.load(centres + place), tl.load(spreads + place)
    )
    tl.store(found + place, bits)
    tl.store(found + SIZE + place, by_value)
    tl.store(found + 2 * SIZE + place, by_spread)


@triton.jit
def matrices_kernel(matrix, stride, n_rows, n_columns, found, SIDE: tl.constexpr):
    place = tl.arange(0, SIDE)[:, None] * SIDE + tl.arange(0, SIDE)[None, :]
    tl.store(found + place, square(matrix, stride, n_rows, n_columns))
    tl.store(found + SIDE * SIDE + place, transposed(matrix, stride, n_rows, n_columns))


@triton.jit
def outer_kernel(left, right, found, SIDE: tl.constexpr, TILE: tl.constexpr, PARTS: tl.constexpr):
    place = tl.arange(0, SIDE)[:, None] * TILE + tl.arange(0, TILE)[None, :]
    sums = tl.zeros((PARTS, SIDE, SIDE), tl.float32)
    for _ in range(2):
        sums = outer(sums, tl.load(left + place), tl.load(right + place), "ieee")
    store_square(found, sums)


def test_bits_under_a_law_and_their_derivatives() -> None:
    values = torch.tensor([0.0, 0.3, -2.2, 7.0, 40.0, 0.5, -3.0, 1e-3])
    centres = torch.tensor([0.1, -0.4, 0.0, 6.9, 0.0, 0.0, 90.0, 0.0])
    spreads = torch.tensor([-3.0, 0.0, 1.0, -1.0, 2.0, -9.0, 9.0, 3.0])
    leaves = [tensor.double().requires_grad_() for tensor in (values, centres, spreads)]
    found = torch.empty(3, len(values), device=DEVICE)
    inputs = [tensor.to(DEVICE) for tensor in (values, centres, spreads)]
    laplace_kernel[(1,)](*inputs, found, len(values))
    expected = laplace_bits(*leaves)
    by_value, _, by_spread = gradients_of(expected.sum(), leaves)
    known = torch.stack([expected.detach(), by_value, by_spread])
    torch.testing.assert_close(found.cpu().double(), known, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("n_rows", "n_columns"), [(5, 3), (16, 16), (1, 9)])
def test_matrices_are_padded_by_zeros(n_rows: int, n_columns: int) -> None:
    stored = torch.arange(1.0, 1 + n_rows * (n_columns + 2)).view(n_rows, n_columns + 2)
    found = torch.full((2, SIDE, SIDE), torch.nan, device=DEVICE)
    matrices_kernel[(1,)](stored.to(DEVICE), n_columns + 2, n_rows, n_columns, found, SIDE)
    expected = torch.zeros(SIDE, SIDE)
    expected[:n_rows, :n_columns] = stored[:, :n_columns]
    assert torch.equal(found[0].cpu(), expected)
    assert torch.equal(found[1].cpu(), expected.T)


def test_parts_of_products_are_added_when_they_are_written() -> None:
    left, right = torch.randn(2, SIDE, TILE, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    found = torch.empty(SIDE, SIDE, device=DEVICE)
    outer_kernel[(1,)](left, right, found, SIDE, TILE, kernels.PARTS)
    torch.testing.assert_close(found, 2 * left @ right.T, rtol=1e-4, atol=1e-4)


def test_what_a_program_leaves_has_room() -> None:
    assert kernels.BITS < kernels.N_PARTIAL
    assert kernels.BITS == 7 * SIDE * SIDE
    assert kernels.N_PARTIAL % 64 == 0

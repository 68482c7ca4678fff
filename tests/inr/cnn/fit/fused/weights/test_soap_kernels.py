import pytest
import torch
import triton
import triton.language as tl

from inr.cnn.fit.fused.weights.soap_kernels import orthonormal, product
from tests.inr.cnn.fit.drawn import DEVICE


@triton.jit
def orthonormal_kernel(x, result, n, SIZE: tl.constexpr):
    places = tl.arange(0, SIZE)
    offsets, inside = places[:, None] * n + places[None, :], (places[:, None] < n) & (places[None, :] < n)
    padded = orthonormal(tl.load(x + offsets, mask=inside, other=0.0), n, SIZE)
    tl.store(result + places[:, None] * SIZE + places[None, :], padded)


@triton.jit
def product_kernel(a, b, result, n_rows, n_k, n_columns, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    padded = product(a, 1, n_rows, b, n_columns, 1, n_rows, n_k, n_columns, ROWS, COLUMNS)
    tl.store(result + tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :], padded)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to(DEVICE)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_columns_become_orthonormal_in_their_places(rank: int) -> None:
    """With a share of other directions that is next to nothing, as after a step of iteration."""
    factor = drawn(6, 6)[:, :rank]
    x = (factor @ factor.T) / factor.square().sum() + 1e-6 * torch.eye(6, device=DEVICE)
    x[:, 4] *= 100
    result = torch.full((8, 8), torch.nan, device=DEVICE)
    orthonormal_kernel[(1,)](x, result, 6, 8)
    assert (result[6:] == 0).all()
    assert (result[:, 6:] == 0).all()
    basis = result[:6, :6]
    torch.testing.assert_close(basis.T @ basis, torch.eye(6, device=DEVICE), rtol=0, atol=2e-6)
    torch.testing.assert_close(basis[:, 4], x[:, 4] / x[:, 4].norm(), rtol=0, atol=2e-6)  # the largest
    outside = factor.T @ basis / factor.norm()
    assert int((outside.norm(dim=0) > 1e-4).sum()) == rank


def test_a_product_is_padded_by_zeros() -> None:
    a, b = drawn(5, 3), drawn(5, 6)
    result = torch.full((4, 8), torch.nan, device=DEVICE)
    product_kernel[(1,)](a, b, result, 3, 5, 6, 4, 8)  # the first transposed
    expected = torch.zeros(4, 8, device=DEVICE)
    expected[:3, :6] = a.T @ b
    torch.testing.assert_close(result, expected)

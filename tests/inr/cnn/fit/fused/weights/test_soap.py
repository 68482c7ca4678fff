from collections.abc import Callable

import pytest
import torch

from inr.cnn.fit.fused.weights.soap import FusedSoap
from inr.cnn.fit.soap import Soap
from tests.inr.cnn.fit.drawn import DEVICE


class Twin:
    """One matrix by the same mathematics in torch: float64 unless the matrix is not."""

    def __init__(self, matrix: torch.Tensor) -> None:
        self.matrix, self.n_steps = matrix, 0
        self.momentum, self.second = torch.zeros_like(matrix), torch.zeros_like(matrix)
        self.moments = [torch.zeros(n, n, dtype=matrix.dtype) for n in matrix.shape]
        self.bases = [torch.eye(n, dtype=matrix.dtype) for n in matrix.shape]

    def step(self, gradient: torch.Tensor, rate: float, *, refresh: bool) -> None:
        self.n_steps += 1
        share = 1.0 if self.n_steps == 1 else 0.03
        self.moments[0].lerp_(gradient @ gradient.T, share)
        self.moments[1].lerp_(gradient.T @ gradient, share)
        if refresh:
            old, self.bases = self.bases, list(map(renewed, self.moments, self.bases))
            left, right = (a.T @ b for a, b in zip(old, self.bases, strict=True))
            self.second = left.T.square() @ self.second @ right.square()
        self.momentum.lerp_(gradient, 0.1)
        left, right = self.bases
        self.second.lerp_((left.T @ gradient @ right).square(), 0.03)
        second = self.second / (1 - 0.97**self.n_steps)
        scale = second.sqrt() + 1e-2 * second.mean().sqrt() + 1e-18
        update = left.T @ (self.momentum / (1 - 0.9**self.n_steps)) @ right / scale
        self.matrix -= rate * (left @ update @ right.T)


def renewed(moment: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
    """One step of orthogonal iteration, the column with the largest rest first."""
    x = moment / moment.trace().clamp_min(1e-37) @ basis + 1e-6 * basis
    order: list[int] = []
    rest = x.clone()
    for _ in range(len(x)):
        norms = rest.square().sum(0)
        norms[order] = -1
        pick = int(norms.argmax())
        order.append(pick)
        vector = rest[:, pick] / rest[:, pick].norm()
        rest = rest - vector[:, None] * (vector @ rest)
    q, r = torch.linalg.qr(x[:, order])
    result = torch.empty_like(basis)
    result[:, order] = q * r.diagonal().sign()
    return result


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_steps_are_those_of_the_twin() -> None:
    """Two images; a matrix of another rate, and one whose columns are split, one part of them upright."""
    shapes, cuts = [(4, 4), (3, 5)], [(0, 0, 4), (1, 0, 3), (1, 3, 5)]
    soap = FusedSoap(shapes, 2, DEVICE, rates=[1.0, 0.5], splits={1: [(0, 3), (3, 5)]})
    weights = drawn(2, 31)
    sets = [[w[:16].view(4, 4).double(), w[16:].view(3, 5).double()] for w in weights.clone()]
    twins = [[Twin(matrices[n][:, a:b]) for n, a, b in cuts] for matrices in sets]
    weights, rate = weights.to(DEVICE), torch.tensor(0.05, device=DEVICE)
    for index in range(3):
        gradients, refresh = drawn(2, 31, seed=index + 1), index != 1
        soap.step(weights, gradients.to(DEVICE), rate, refresh=refresh)
        for image, gradient in zip(twins, gradients.double(), strict=True):
            parts = [gradient[:16].view(4, 4), gradient[16:].view(3, 5)]
            for twin, (n, a, b) in zip(image, cuts, strict=True):
                twin.step(parts[n][:, a:b], 0.025 if n else 0.05, refresh=refresh)
    for found, matrices in zip(weights.cpu(), sets, strict=True):
        torch.testing.assert_close(found[:16].view(4, 4), matrices[0].float(), rtol=0, atol=1e-4)
        # Too few rows for a full rank at first: vectors without any gradient are not so well defined.
        torch.testing.assert_close(found[16:].view(3, 5), matrices[1].float(), rtol=0, atol=5e-3)


def test_bases_that_follow_are_as_good_as_exact_ones() -> None:
    """A quadratic whose axes are turned and whose curvatures span four decades."""
    shape = (12, 9)
    target = drawn(*shape).double()
    left, right = (torch.linalg.qr(drawn(n, n).double())[0] for n in shape)
    curvatures = torch.logspace(0, -4, 108, dtype=torch.float64).view(shape)

    def gradient(matrix: torch.Tensor) -> torch.Tensor:
        return 2 * left @ (curvatures * (left.T @ (matrix - target) @ right)) @ right.T

    def solved(matrix: torch.Tensor, step: Callable[[float, int], None]) -> float:
        for index in range(400):
            matrix.grad = gradient(matrix)
            step(0.03 * (1 - index / 400), index)
        return float((curvatures * (left.T @ (matrix - target) @ right).square()).sum())

    mine, exact = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
    twin, soap, when = Twin(mine), Soap([exact]), FusedSoap([shape], 1, DEVICE)
    followed = solved(mine, lambda rate, n: twin.step(mine.grad, rate, refresh=when.refreshes(n)))
    assert followed < 1.1 * solved(exact, lambda rate, _: soap.step(rate))


@pytest.mark.parametrize("gradient", [0.0, 1e-20, 1e10])
def test_steps_are_bounded_by_the_rate(gradient: float) -> None:
    soap = FusedSoap([(3, 2)], 1, DEVICE)
    weights, rate = torch.zeros(1, 6, device=DEVICE), torch.tensor(0.1, device=DEVICE)
    for index in range(3):
        soap.step(weights, torch.full_like(weights, gradient), rate, refresh=soap.refreshes(index))
    assert weights.isfinite().all()
    assert weights.abs().max() <= 3 * 0.1 * 3


def test_an_image_that_comes_apart_leaves_the_others_alone() -> None:
    gradients, rate = drawn(2, 6).to(DEVICE), torch.tensor(0.1, device=DEVICE)

    def run(gradients: torch.Tensor) -> torch.Tensor:
        soap = FusedSoap([(3, 2)], 2, DEVICE)
        weights = torch.zeros(2, 6, device=DEVICE)
        for index in range(2):
            soap.step(weights, gradients, rate, refresh=soap.refreshes(index))
        return weights

    broken = gradients.clone()
    broken[0, 3] = torch.nan
    found = run(broken)
    assert found[0].isnan().any()
    torch.testing.assert_close(run(gradients)[1], found[1], rtol=0, atol=0)


def test_bases_are_refreshed_when_the_other_optimiser_does() -> None:
    soap = FusedSoap([(3, 2)], 1, DEVICE)
    assert [n + 1 for n in range(22) if soap.refreshes(n)] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20]

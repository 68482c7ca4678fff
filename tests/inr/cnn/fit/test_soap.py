import math

import pytest
import torch

from inr.cnn.fit.soap import Soap


def test_a_badly_scaled_problem_is_solved_where_adam_is_slow() -> None:
    """A quadratic whose axes are turned: what the eigenbasis is for."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(n, n, generator=generator))[0] for n in (6, 4))
    weights = torch.logspace(0, -4, 24).view(6, 4)
    target = torch.randn(6, 4, generator=generator)

    def loss(matrix: torch.Tensor) -> torch.Tensor:
        return (weights * (left.T @ (matrix - target) @ right).square()).sum()

    def solved(step: str) -> float:
        matrix = torch.zeros(6, 4, requires_grad=True)
        soap, adam = Soap([matrix]), torch.optim.Adam([matrix], betas=(0.95, 0.95))
        for index in range(400):
            matrix.grad = None
            loss(matrix).backward()
            rate = 0.03 * (1 - index / 400)
            adam.param_groups[0]["lr"] = rate
            soap.step(rate) if step == "soap" else adam.step()
        return float(loss(matrix.detach()))

    assert solved("soap") < 0.1 * solved("adam")


@pytest.mark.parametrize("gradient", [0.0, 1e-20, 1e10])
def test_steps_are_bounded_by_the_rate(gradient: float) -> None:
    matrix = torch.zeros(3, 2, requires_grad=True)
    optimizer = Soap([matrix])
    for _ in range(20):
        matrix.grad = torch.full((3, 2), gradient)
        optimizer.step(0.1)
    assert matrix.isfinite().all()
    assert matrix.abs().max() <= 20 * 0.1 * 3


def test_what_comes_apart_neither_raises_nor_warns() -> None:
    matrix = torch.zeros(3, 2, requires_grad=True)
    optimizer = Soap([matrix])
    for value in (1.0, math.inf, math.nan, 1.0):
        matrix.grad = torch.full((3, 2), value)
        optimizer.step(0.1)
    assert matrix.isnan().all()

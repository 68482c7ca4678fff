import math

import pytest
import torch

from inr.cnn.fit.plain_losses import laplace_bits


def test_gradients_are_those_of_the_bits() -> None:
    values = torch.tensor([0.0, 0.3, -2.2, 7.0, 40.0], dtype=torch.float64)
    centre = torch.tensor([0.1, -0.4, 0.0, 6.9, 0.0], dtype=torch.float64, requires_grad=True)
    log_spread = torch.tensor([-3.0, 0.0, 1.0, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c, s: laplace_bits(values, c, s), (centre, log_spread))


@pytest.mark.parametrize("spread", [0.1, 1.0, 20.0])
def test_bits_are_those_of_the_interval(spread: float) -> None:
    value, centre = torch.tensor([3.0]), torch.tensor([2.2])
    cdf = torch.distributions.Laplace(centre.double(), spread).cdf
    expected = -math.log2(float(cdf(torch.tensor([3.5])) - cdf(torch.tensor([2.5]))))
    bits = laplace_bits(value, centre, torch.tensor([math.log2(spread)]))
    assert float(bits) == pytest.approx(expected, rel=1e-4)

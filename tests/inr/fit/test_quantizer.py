import pytest
import torch

from inr.fit.quantizer import add_uniform_noise, round_straight_through


def test_rounding_passes_gradients_straight_through() -> None:
    y = torch.tensor([0.2, -1.7, 2.5], requires_grad=True)
    rounded = round_straight_through(y)
    rounded.sum().backward()
    assert rounded.tolist() == [0.0, -2.0, 2.0]
    assert y.grad is not None
    assert y.grad.tolist() == [1.0, 1.0, 1.0]


def test_noise_is_uniform_over_one_step() -> None:
    noise = add_uniform_noise(torch.zeros(100_000), torch.Generator().manual_seed(1))
    assert noise.abs().max() <= 0.5
    assert float(noise.mean()) == pytest.approx(0, abs=0.005)
    assert float(noise.var()) == pytest.approx(1 / 12, abs=0.002)

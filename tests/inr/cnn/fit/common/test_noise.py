import pytest
import torch

from inr.cnn.fit.common.noise import Noise


def test_a_draw_has_a_deviation_of_one_and_no_mean_and_rare_ends() -> None:
    drawn = Noise(100_000, seed=0).draw(0)
    assert drawn.dtype == torch.float32
    assert float(drawn.mean()) == pytest.approx(0, abs=0.01)
    assert float(drawn.std()) == pytest.approx(1, rel=0.01)
    assert 2.3 < float(drawn.abs().max()) <= 6**0.5
    fourth = float(drawn.pow(4).mean())  # that of a triangle
    assert fourth == pytest.approx(2.4, rel=0.03)


def test_every_second_draw_is_the_one_before_with_the_other_sign() -> None:
    noise = Noise(1000, seed=0)
    first, turned, other = (noise.draw(index).clone() for index in range(3))
    assert torch.equal(first, -turned)
    assert float((first * other).mean()) == pytest.approx(0, abs=0.1)


def test_a_seed_is_what_tells_draws_apart() -> None:
    assert torch.equal(Noise(10, seed=5).draw(0), Noise(10, seed=5).draw(0))
    assert not torch.equal(Noise(10, seed=5).draw(0), Noise(10, seed=6).draw(0))

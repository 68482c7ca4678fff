import pytest
import torch

from inr.cnn.fit.schedule import PyramidSettings, Surrogate, soft_round


def test_soft_rounding_goes_from_the_identity_to_rounding() -> None:
    values = torch.linspace(-3, 3, 601)
    torch.testing.assert_close(soft_round(values, 20.0), values, atol=1e-3, rtol=0)
    off_halves = values[(values - values.round()).abs() < 0.45]
    cold = soft_round(off_halves, 0.005)
    assert (cold - off_halves.round()).abs().max() < 0.01


def test_rates_fall_along_half_a_cosine_and_the_tail_begins_lower() -> None:
    settings = PyramidSettings(100)
    assert settings.n_together == 90
    assert settings.rate(0) == 1
    assert settings.rate(0.5) == pytest.approx(0.515)
    assert settings.rate(1) == pytest.approx(0.03)
    assert settings.rate_of_tail(0) == settings.tail_rate
    assert settings.rate_of_tail(1) == pytest.approx(0)


def test_the_noise_has_its_width_and_every_second_step_its_other_sign() -> None:
    settings = PyramidSettings(10, warmest=50.0, coldest=50.0, widest=0.2, narrowest=0.1)
    surrogate = Surrogate(settings, 20000, torch.Generator().manual_seed(0))
    latents = torch.zeros(20000)
    wide, turned = surrogate(latents, 0, 0.0), surrogate(latents, 1, 0.0)
    torch.testing.assert_close(wide, -turned, atol=1e-3, rtol=0)
    assert float(wide.std()) == pytest.approx(0.2, rel=0.03)
    assert float(surrogate(latents, 2, 1.0).std()) == pytest.approx(0.1, rel=0.03)
    assert float(wide.abs().max()) <= 0.5

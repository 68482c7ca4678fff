import pytest

from inr.cnn.fit.common.schedule import PyramidSettings


def test_rates_fall_along_half_a_cosine_and_the_tail_begins_lower() -> None:
    settings = PyramidSettings(100)
    assert settings.n_together == 97
    assert settings.rate(0) == 1
    assert settings.rate(0.5) == pytest.approx(0.505)
    assert settings.rate(1) == pytest.approx(0.01)
    assert settings.rate_of_tail(0) == settings.tail_rate
    assert settings.rate_of_tail(1) == pytest.approx(0)


def test_temperature_and_width_go_from_their_first_values_to_their_last() -> None:
    settings = PyramidSettings(10, warmest=0.4, coldest=0.1, widest=0.2, narrowest=0.1)
    assert [settings.temperature(progress) for progress in (0, 0.5, 1)] == pytest.approx([0.4, 0.25, 0.1])
    assert [settings.width(progress) for progress in (0, 0.5, 1)] == pytest.approx([0.2, 0.15, 0.1])


@pytest.mark.parametrize(("steered", "first"), [(False, 66), (True, 92)])
def test_states_are_kept_late_and_of_a_steered_fit_once_lambda_stands_still(
    steered: bool, first: int
) -> None:
    settings = PyramidSettings(100, check_steps=2)
    checks = [index for index in range(settings.n_together) if settings.is_check(index, steered=steered)]
    assert checks == list(range(first, 97, 2))

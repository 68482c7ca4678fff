import pytest

from inr.cnn.fit.common.schedule import PyramidSettings

pytest.importorskip("triton")

from inr.cnn.fit.fused import latent_kernels as kernels
from inr.cnn.fit.fused.rows import rows_of


def test_rows_say_what_the_settings_do() -> None:
    settings = PyramidSettings(20, tail_fraction=0.25)
    rows = rows_of(settings)
    assert [len(row) for row in rows] == [kernels.N_COLUMNS] * 20
    for index in (0, 7, 14):
        assert rows[index][kernels.TEMPERATURE] == settings.temperature(index / 15)
        assert rows[index][kernels.RATE] == settings.rate(index / 15) * settings.latent_rate
        assert rows[index][kernels.WEIGHTS_RATE] == settings.rate(index / 15) * settings.network_rate
    assert rows[0][kernels.FIRST_CORRECTION] == pytest.approx(5)
    assert rows[0][kernels.SECOND_CORRECTION] == pytest.approx(100)
    assert rows[17][kernels.RATE] == 0  # latents stay
    assert rows[17][kernels.WEIGHTS_RATE] == settings.rate_of_tail(2 / 5) * settings.network_rate

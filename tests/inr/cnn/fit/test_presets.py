import numpy as np

from inr.cnn.fit.presets import PRESET_STEPS, choose_pyramid, choose_settings
from inr.cnn.prior import N_GAINS, NO_GAIN, priors
from inr.config import PRESETS


def test_presets_are_in_order_and_a_number_of_steps_takes_their_place() -> None:
    assert list(PRESET_STEPS) == list(PRESETS)
    steps = [choose_settings(preset).n_steps for preset in PRESETS]
    assert steps == sorted(steps)
    assert choose_settings("best", 7).n_steps == 7


def test_an_image_takes_the_prior_of_its_channels_and_the_gain_of_its_lambda() -> None:
    for channels, number in ((1, 2), (2, 2), (3, 1), (4, 1)):
        chosen = choose_pyramid(np.zeros((40, 30, channels), np.uint8), priors()[0].rd_lambda)
        assert chosen.prior is priors()[number - 1]
        assert (chosen.gain, chosen.n_levels) == (NO_GAIN, 4)
    pixels = np.zeros((1, 600, 3), np.uint8)
    assert choose_pyramid(pixels, 1e-5).n_levels == 1
    assert choose_pyramid(pixels, 1e-9).gain == 0
    assert choose_pyramid(pixels, 1.0).gain == N_GAINS - 1

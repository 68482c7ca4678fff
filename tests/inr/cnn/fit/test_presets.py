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
    for known in priors():
        for channels in (known.channels, known.channels + 1):
            pixels = np.zeros((40, 30, channels), np.uint8)
            chosen = choose_pyramid(pixels, known.rd_lambda)
            assert (chosen.prior, chosen.gain, chosen.n_levels) == (known, NO_GAIN, 4)
            near = choose_pyramid(pixels, known.rd_lambda * 2**0.5)
            assert (near.prior, near.gain) == (known, NO_GAIN + 1)
    pixels = np.zeros((1, 600, 3), np.uint8)
    assert choose_pyramid(pixels, 1e-5).n_levels == 1
    assert choose_pyramid(pixels, 1e-9).gain == 0
    assert choose_pyramid(pixels, 1.0).gain == N_GAINS - 1

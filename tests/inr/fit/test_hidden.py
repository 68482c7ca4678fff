import numpy as np
import pytest

from inr.fit.hidden import filled, sample_weights

VISIBLE = np.array([[True, False, True], [False, False, True]])


def test_hidden_colours_become_the_mean_of_the_visible_ones_and_alpha_stays() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4), np.uint8)
    before = pixels.copy()
    shown = filled(pixels, VISIBLE)
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(shown[VISIBLE], pixels[VISIBLE])
    np.testing.assert_array_equal(shown[:, :, 3], pixels[:, :, 3])
    expected = np.rint(pixels[VISIBLE][:, :3].mean(0))
    assert (shown[~VISIBLE][:, :3] == expected).all()


def test_a_visible_colour_of_one_value_becomes_a_channel_of_one_value() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 2), np.uint8)
    pixels[VISIBLE, 0] = 77
    assert set(filled(pixels, VISIBLE)[:, :, 0].ravel()) == {77}


def test_where_nothing_is_visible_colours_are_black() -> None:
    pixels = np.full((2, 3, 4), 9, np.uint8)
    shown = filled(pixels, np.zeros((2, 3), bool))
    assert not shown[:, :, :3].any()
    assert (shown[:, :, 3] == 9).all()


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_weights_make_a_mean_over_the_samples_that_count(channels: int) -> None:
    weights = sample_weights(VISIBLE, channels)
    squares = np.random.default_rng(1).random((2, 3, channels))
    counts = np.concatenate([squares[VISIBLE][:, :-1].ravel(), squares[:, :, -1].ravel()])
    assert weights.dtype == np.float32
    assert (weights * squares).mean() == pytest.approx(counts.mean())

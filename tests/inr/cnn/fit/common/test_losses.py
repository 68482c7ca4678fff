import numpy as np
import pytest

from inr.cnn.fit.common.losses import Target


def test_samples_are_shares_of_white_and_all_count_the_same() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 11
    pixels.setflags(write=False)  # as those that Pillow gives
    target = Target.of(pixels, None)
    assert target.shares is None
    assert target.samples.shape == (3, 2, 4)
    np.testing.assert_allclose(target.samples.numpy(), np.moveaxis(pixels, -1, 0) / 255, rtol=1e-6)


def test_hidden_samples_weigh_nothing_and_the_mean_is_one() -> None:
    visible = np.array([[True, False]])
    shares = Target.of(np.zeros((1, 2, 4), np.uint8), visible).shares
    assert shares is not None
    assert not shares[:3, 0, 1].any()
    assert float(shares[3, 0, 1]) == float(shares[0, 0, 0])
    assert float(shares.mean()) == pytest.approx(1)

import numpy as np
import pytest

from inr.cnn import synthesis as synthesis_module
from inr.cnn.network import synthesis
from inr.cnn.synthesis import Synthesis
from tests.inr.networks import made_up_cnn, pyramid


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of several bands is the same in bands of another height."""
    network = made_up_cnn(pyramid(3, 20, 150, 4, 4, 6, 2), seed=5)
    networks = synthesis(network.shape, network.weights)
    expected = networks.render(network.levels)
    for rows in (1, 7, 1000):
        monkeypatch.setattr(synthesis_module, "BAND_ROWS", rows)
        np.testing.assert_array_equal(networks.render(network.levels), expected)


def test_a_constant_is_rounded_to_the_nearest_level() -> None:
    """A network of nothing but the output's constants, in units of 2**-10."""
    for value in (0, 1, 77, 128, 254, 255):
        second = np.array([[0, 0, round(value / 255 * 1024)]], np.int32)
        flat = Synthesis(np.zeros((0, 4), np.int32), np.zeros((2, 2), np.int32), second, (), (3, 3, 10))
        assert (flat.render([np.zeros((3, 4), np.int16)]) == value).all()


@pytest.mark.parametrize("value", [-5.0, 1.7])
def test_samples_beyond_the_range_are_clipped(value: float) -> None:
    second = np.array([[0, 0, round(value * 1024)]], np.int32)
    flat = Synthesis(np.zeros((0, 4), np.int32), np.zeros((2, 2), np.int32), second, (), (3, 3, 10))
    assert set(flat.render([np.zeros((2, 2), np.int16)]).ravel()) == {0 if value < 0 else 255}

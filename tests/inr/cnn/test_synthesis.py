import numpy as np
import pytest

from inr.cnn import plain
from inr.cnn import synthesis as synthesis_module
from inr.cnn.network import synthesis
from inr.cnn.synthesis import Synthesis
from tests.inr.networks import made_up_cnn, pyramid


@pytest.mark.parametrize("n_levels", [1, 4, 7])
def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch, n_levels: int) -> None:
    """An image of several bands is the same in bands of another height."""
    network = made_up_cnn(pyramid(1, 20, 150, n_levels), seed=5)
    networks = synthesis(network.shape, network.weights)
    shown = network.levels[: network.shape.n_levels]
    expected = networks.render(shown)
    for rows in (1, 7, 1000):
        monkeypatch.setattr(synthesis_module, "BAND_ROWS", rows)
        np.testing.assert_array_equal(networks.render(shown), expected)


def test_a_filter_that_changes_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    network = made_up_cnn(pyramid(1, 20, 30, 3), seed=5)
    networks = synthesis(network.shape, network.weights)
    networks.filters[0] = 1 << networks.exponents[0], 0, 0, 0
    shown = network.levels[:3]
    filtered, smooth = [], plain.smooth

    def counted(source: np.ndarray, *arguments: object) -> np.ndarray:
        filtered.append(source.shape[1])
        return smooth(source, *arguments)

    monkeypatch.setattr(plain, "smooth", counted)
    found = networks.render(shown, plain)
    assert set(filtered) <= {10}
    np.testing.assert_array_equal(found, networks.render(shown))


def constant(value: float) -> Synthesis:
    """A network of nothing but the output's constant, in units of 2**-10."""
    none = np.zeros((0, 4), np.int32)
    second = np.array([[0, 0, round(value * 1024)]], np.int32)
    return Synthesis(none, none, np.zeros((3, 2), np.int32), second, (), (0, 0, 6, 10))


@pytest.mark.parametrize("value", [0, 1, 77, 128, 254, 255])
def test_a_constant_is_rounded_to_the_nearest_level(value: int) -> None:
    assert (constant(value / 255).render([np.zeros((3, 4), np.int16)]) == value).all()


@pytest.mark.parametrize("value", [-5.0, 1.7])
def test_samples_beyond_the_range_are_clipped(value: float) -> None:
    assert set(constant(value).render([np.zeros((2, 2), np.int16)]).ravel()) == {0 if value < 0 else 255}

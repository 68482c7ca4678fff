"""The exact evaluation of family `mlp`: near the float network, and the same on every path."""

import numpy as np
import pytest
import torch

from inr.mlp.architecture import MAX_NEURONS, CoordinateMLP
from inr.mlp.fit.gradient import axis_features, forward
from inr.mlp.network import MlpNetwork
from inr.mlp.synthesis import plain_sine, sine_table, synthesize
from tests.inr.networks import made_up_mlp, mlp


def float_parameters(network: MlpNetwork) -> list[torch.Tensor]:
    """A network's weights as floats, sine layers in radians."""
    return [
        torch.from_numpy(symbols).float()
        * spec.step(index)
        * (1.0 if spec.name.startswith("output") else 2 * np.pi)
        for spec, symbols, index in zip(
            network.shape.specs, network.symbols, network.step_indices, strict=True
        )
    ]


@pytest.mark.parametrize("architecture", [mlp(3, 20, 4, 5, 2), mlp(1, 8, 1, 3, 4), mlp(4, 40, 6, 16, 2)])
@pytest.mark.parametrize(("width", "height"), [(37, 22), (1, 50), (64, 1)])
def test_the_exact_evaluation_stays_close_to_the_float_network(
    architecture: CoordinateMLP, width: int, height: int
) -> None:
    network = made_up_mlp(architecture, seed=5, width=width, height=height, gain=0.1)
    longer = max(width, height)
    expected = forward(
        float_parameters(network),
        axis_features(architecture, width, longer),
        axis_features(architecture, height, longer),
    )
    expected = (expected * 255).round().clamp(0, 255).view(height, width, -1).numpy()
    difference = np.abs(network.render() - expected)
    assert difference.max() <= 3
    assert difference.mean() < 0.3


def test_tiles_do_not_show() -> None:
    """An image wider than a tile, and one as high, are as their transposes would be."""
    for width, height in ((9000, 2), (2, 9000)):
        network = made_up_mlp(mlp(1, 4, 2, 3, 1), seed=1, width=width, height=height)
        pixels = network.render()
        assert pixels.shape == (height, width, 1)
        assert len(np.unique(pixels)) > 1


def test_without_numba_the_pixels_are_the_same() -> None:
    network = made_up_mlp(mlp(3, 33, 5, 9, 2), seed=8, width=61, height=47)
    size = {"width": network.width, "height": network.height}
    plain = synthesize(network.shape, network.symbols, network.step_indices, **size, sine=plain_sine)
    np.testing.assert_array_equal(network.render(), plain)


def test_the_sine_table_has_no_value_near_a_tie() -> None:
    exact = np.sin(2 * np.pi * np.arange(65536) / 65536) * 16384
    distance = np.abs(np.abs(exact - np.floor(exact)) - 0.5)
    assert distance.min() > 5e-7
    assert sine_table().max() == 16384


def test_sums_cannot_leave_the_exact_integers() -> None:
    """The widest layer of the largest symbols still gets amplitude bits, and pixels."""
    network = made_up_mlp(mlp(1, MAX_NEURONS, 2, 1, 1), seed=0, width=3, height=2, spread=3000.0)
    assert np.abs(network.symbols[2]).sum(axis=1).max() > 2**19
    assert network.render().shape == (2, 3, 1)

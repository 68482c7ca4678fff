import numpy as np
import pytest
import torch

from inr.decoder import render
from inr.errors import InvalidField
from inr.mlp.architecture import MAX_DEPTH, MAX_FREQUENCIES, MAX_WIDTH, CoordinateMLP, _sine_table
from inr.mlp.fit.gradient import DistortionGradient, forward
from tests.inr.networks import made_up_network

NETWORK = CoordinateMLP(3, 20, 4, 5, 2)


def float_parameters(network) -> list[torch.Tensor]:
    """A network's weights as floats, sine layers in radians."""
    specs = network.architecture.specs
    return [
        torch.from_numpy(symbols).float()
        * spec.step(coding.step_index)
        * (1.0 if spec.name.startswith("output") else 2 * np.pi)
        for spec, symbols, coding in zip(specs, network.symbols, network.codings, strict=True)
    ]


@pytest.mark.parametrize(
    "architecture", [NETWORK, CoordinateMLP(1, 8, 1, 3, 4), CoordinateMLP(4, 40, 6, 16, 2)]
)
@pytest.mark.parametrize(("width", "height"), [(37, 22), (1, 50), (64, 1)])
def test_the_exact_evaluation_stays_close_to_the_float_network(
    architecture: CoordinateMLP, width: int, height: int
) -> None:
    network = made_up_network(architecture, seed=5, gain=0.1)
    longer = max(width, height)
    expected = forward(
        float_parameters(network),
        architecture.axis_features(width, longer),
        architecture.axis_features(height, longer),
    )
    expected = (expected * 255).round().clamp(0, 255).view(height, width, -1).numpy()
    difference = np.abs(render(network, width=width, height=height) - expected)
    assert difference.max() <= 3
    assert difference.mean() < 0.3


def test_tiles_do_not_show() -> None:
    """An image wider than a tile, and its own columns evaluated one by one, agree."""
    network = made_up_network(CoordinateMLP(1, 4, 2, 3, 1), seed=1)
    wide = render(network, width=9000, height=2)
    tall = render(made_up_network(CoordinateMLP(1, 4, 2, 3, 1), seed=1), width=2, height=9000)
    assert wide.shape == (2, 9000, 1)
    assert tall.shape == (9000, 2, 1)
    assert len(np.unique(wide)) > 1


def test_pixel_centres_stay_within_the_longer_side() -> None:
    phases = CoordinateMLP(1, 1, 1, 1, 1).axis_phases(3, 4)  # a quarter cycle per half side
    assert phases.tolist() == [[(-2 * 16384 // 4) % 65536], [0], [2 * 16384 // 4]]


def test_the_sine_table_has_no_value_near_a_tie() -> None:
    exact = np.sin(2 * np.pi * np.arange(65536) / 65536) * 16384
    distance = np.abs(np.abs(exact - np.floor(exact)) - 0.5)
    assert distance.min() > 5e-7
    assert _sine_table().max() == 16384


def test_the_hand_written_gradient_is_autograds() -> None:
    torch.manual_seed(0)
    parameters = [torch.randn(spec.shape).requires_grad_() for spec in NETWORK.specs]
    x, y = NETWORK.axis_features(130, 130), NETWORK.axis_features(77, 130)
    target = torch.rand(77, 130, 3)
    loss = (forward(parameters, x, y).view(77, 130, 3) - target).square().mean()
    loss.backward()
    gradients = [torch.zeros_like(parameter) for parameter in parameters]
    found = DistortionGradient(NETWORK, "cpu")([p.detach() for p in parameters], x, y, target, gradients)
    torch.testing.assert_close(found, loss.detach())
    for gradient, parameter in zip(gradients, parameters, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize(
    "architecture",
    [NETWORK, CoordinateMLP(3, MAX_WIDTH, MAX_DEPTH, MAX_FREQUENCIES, 1), CoordinateMLP(3, 1, 1, 13, 4)],
)
def test_architectures_round_trip(architecture: CoordinateMLP) -> None:
    assert CoordinateMLP.from_bytes(architecture.to_bytes(), 3) == architecture


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"\x00\x01\x01\x01", "width"),
        (b"\x81\x04\x01\x01\x01", "width"),
        (b"\x08\x00\x01\x01", "depth"),
        (b"\x08\x11\x01\x01", "depth"),
        (b"\x08\x01\x00\x01", "frequencies"),
        (b"\x08\x01\x21\x01", "frequencies"),
        (b"\x08\x01\x01\x05", "spacing"),
        (b"\x08\x01\x20\x04", "highest frequency"),
        (b"\x08\x01\x01", "spacing"),
        (b"\x08\x01\x01\x01\x00", "expected 4 bytes, found 5"),
    ],
)
def test_architectures_out_of_range_are_refused(data: bytes, field: str) -> None:
    with pytest.raises(InvalidField, match=field):
        CoordinateMLP.from_bytes(data, 3)


def test_side_information_round_trips_and_is_small() -> None:
    network = made_up_network(CoordinateMLP(3, 56, 6, 16, 2), seed=2)
    data = network.architecture.codings_to_bytes(network.codings)
    assert network.architecture.codings_from_bytes(data) == network.codings
    assert len(data) < 80


@pytest.mark.parametrize(
    ("position", "value", "field"), [(0, 128, "sine0.weight step"), (1, 56, "sine0.weight mean")]
)
def test_side_information_out_of_range_is_refused(position: int, value: int, field: str) -> None:
    architecture = CoordinateMLP(1, 2, 1, 1, 1)
    data = bytearray(architecture.codings_to_bytes(made_up_network(architecture, seed=2).codings))
    data[position] = value
    with pytest.raises(InvalidField, match=field):
        architecture.codings_from_bytes(bytes(data))


def test_sums_cannot_leave_the_exact_integers() -> None:
    """The widest layer of the largest symbols still gets amplitude bits, and pixels."""
    architecture = CoordinateMLP(1, MAX_WIDTH, 2, 1, 1)
    network = made_up_network(architecture, seed=0, spread=3000.0)
    assert np.abs(network.symbols[2]).sum(axis=1).max() > 2**19
    assert render(network, width=3, height=2).shape == (2, 3, 1)

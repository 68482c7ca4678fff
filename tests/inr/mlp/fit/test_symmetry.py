import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.mlp.architecture import CoordinateMLP
from inr.mlp.fit.symmetry import canonicalize
from inr.mlp.synthesis import synthesize
from tests.inr.networks import made_up_mlp, mlp


def scattered(architecture: CoordinateMLP, seed: int) -> tuple[list[np.ndarray], list[int]]:
    """A network whose phases lie anywhere, several turns away and below zero, and some of them equal."""
    network = made_up_mlp(architecture, seed=seed, width=8, height=8, gain=0.1)
    rng = np.random.default_rng(seed)
    symbols = list(network.symbols)
    for i in range(1, len(symbols) - 1, 2):
        symbols[i] = rng.integers(-1500, 1500, symbols[i].shape, dtype=np.int32)
    return symbols, list(network.step_indices[1:-1:2])


def values(symbols: list[np.ndarray], levels: list[int], inputs: np.ndarray) -> np.ndarray:
    """The network in float64, with every matrix scaled alike."""
    for weight, phase, quarter in zip(symbols[0:-2:2], symbols[1:-2:2], levels, strict=True):
        inputs = np.sin(0.01 * inputs @ weight.T + phase * (np.pi / 2 / quarter))
    return inputs @ symbols[-2].T + symbols[-1]


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_canonical_network_is_the_same_function(neurons: int, depth: int, seed: int) -> None:
    symbols, levels = scattered(mlp(3, neurons, depth, 3, 2), seed)
    before = [tensor.copy() for tensor in symbols]
    canonical = canonicalize(symbols, levels)
    inputs = np.random.default_rng(seed).uniform(-1, 1, (50, 12))
    np.testing.assert_allclose(
        values(canonical, levels, inputs), values(symbols, levels, inputs), rtol=0, atol=1e-6
    )
    for phases, quarter in zip(canonical[1:-2:2], levels, strict=True):
        assert (np.diff(phases, prepend=0) >= 0).all()
        assert phases.max() <= quarter
    for tensor, untouched in zip(symbols, before, strict=True):
        np.testing.assert_array_equal(tensor, untouched)


def test_it_is_its_own_canonical_form() -> None:
    symbols, levels = scattered(mlp(3, 30, 5, 3, 2), 4)
    once = canonicalize(symbols, levels)
    for again, tensor in zip(canonicalize(once, levels), once, strict=True):
        np.testing.assert_array_equal(again, tensor)


@pytest.mark.parametrize("seed", range(3))
def test_the_exact_pixels_move_by_a_rounding_at_most(seed: int) -> None:
    """Half a turn is added before a rounding to float32, so a level may change here and there."""
    architecture = mlp(3, 24, 4, 5, 2)
    symbols, levels = scattered(architecture, seed)

    def pixels(tensors: list[np.ndarray]) -> np.ndarray:
        indices = [40 + i % 2 for i in range(len(tensors))]
        indices[1:-1:2] = levels
        return synthesize(architecture, tensors, indices, width=40, height=30).astype(int)

    difference = np.abs(pixels(canonicalize(symbols, levels)) - pixels(symbols))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01

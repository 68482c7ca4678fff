"""The two implementations of a decoder's arithmetic, and the limits that both keep."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr.cnn import kernels, plain
from inr.cnn.architecture import LatentPyramid
from inr.cnn.arithmetic import MAX_LATENT, shift_rounded
from inr.cnn.context import ContextModel, walk_level
from inr.cnn.network import context_model, synthesis
from inr.cnn.operations import ExactOperations, exact_operations
from tests.inr.cnn.strategies import pyramids
from tests.inr.networks import made_up_cnn


@settings(max_examples=25, deadline=None)
@given(shape=pyramids, seed=st.integers(0, 1000))
def test_compiled_loops_give_the_integers_that_numpy_gives(shape: LatentPyramid, seed: int) -> None:
    network = made_up_cnn(shape, seed=seed)
    model, networks = context_model(network.weights), synthesis(shape, network.weights)
    np.testing.assert_array_equal(
        networks.render(network.levels, plain), networks.render(network.levels, kernels)
    )
    for level in network.levels:
        assert _laws_of(model, level, plain) == _laws_of(model, level, kernels)


def _laws_of(model: ContextModel, level: np.ndarray, operations: ExactOperations) -> list[bytes]:
    seen = []

    def take(rows: np.ndarray, columns: np.ndarray, law: np.ndarray, whole: np.ndarray) -> np.ndarray:
        seen.append(law.tobytes() + whole.tobytes())
        return level[rows, columns]

    copy = walk_level(model, *level.shape, take, operations)
    np.testing.assert_array_equal(copy, level)
    return seen


def test_extreme_weights_and_latents_stay_within_32_bits() -> None:
    """The largest sums that the limits admit, against the same in Python's integers."""
    weights = (np.full((2, 17), 1927, np.int32), np.full((2, 3), 2047, np.int32), np.full((2, 3), -2047))
    law, whole = plain.front_predictor(
        tuple(weight.astype(np.int32) for weight in weights), (3, 3, 3), 1, 1
    ).predict(np.full((16, 1), MAX_LATENT, dtype=np.int32))
    hidden = min(1927 * (16 * 2047 + 1) << 4, 2**15 - 1)
    hidden = min((2047 * (2 * hidden + 128) + 4) >> 3, 2**15 - 1)
    output = -2047 * (2 * hidden + 128)
    centre = max((output + 32) >> 6, -2047 * 16) + 8
    assert whole[0] == centre // 16
    assert law[0] == centre % 16  # the least spread


def test_compiled_loops_are_taken_where_numba_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exact_operations() is kernels
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "inr.compiling")
    monkeypatch.delitem(sys.modules, "inr.cnn.kernels")
    monkeypatch.delattr("inr.cnn.kernels")
    assert exact_operations.__wrapped__() is plain


@pytest.mark.parametrize(
    ("value", "bits", "expected"), [(5, 1, 3), (-5, 1, -2), (4, 3, 1), (3, 3, 0), (3, 0, 3), (3, -2, 12)]
)
def test_shifts_round_halves_up(value: int, bits: int, expected: int) -> None:
    assert shift_rounded(np.array([value], np.int32), bits).tolist() == [expected]

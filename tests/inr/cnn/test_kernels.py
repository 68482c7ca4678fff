"""The compiled operations against the plain ones, on whole networks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inr.cnn import kernels, plain
from inr.cnn.architecture import LatentPyramid
from inr.cnn.context import ContextModel, walk_level
from inr.cnn.network import context_model, synthesis
from inr.cnn.operations import ExactOperations
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

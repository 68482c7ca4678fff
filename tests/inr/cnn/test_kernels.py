"""The compiled operations against the plain ones, on whole networks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr.cnn import kernels, plain
from inr.cnn.architecture import LatentPyramid
from inr.cnn.arithmetic import MAX_ACTIVATION, MAX_STACK
from inr.cnn.context import GridContext, PaddedPlane, fronts
from inr.cnn.network import context_model, synthesis
from inr.cnn.operations import ExactOperations
from tests.inr.cnn.strategies import pyramids, unknown_pyramids
from tests.inr.networks import made_up_cnn


@settings(max_examples=30, deadline=None)
@given(shape=pyramids | unknown_pyramids, seed=st.integers(0, 1000), spread=st.sampled_from([1.0, 200.0]))
def test_compiled_loops_give_the_integers_that_numpy_gives(
    shape: LatentPyramid, seed: int, spread: float
) -> None:
    network = made_up_cnn(shape, seed=seed, spread=spread)
    networks, shown = synthesis(shape, network.weights), network.levels[: shape.n_levels]
    np.testing.assert_array_equal(networks.render(shown, plain), networks.render(shown, kernels))
    model = context_model(shape, network.weights)
    for place, latents in enumerate(network.levels):
        context = model.of_grid(place, network.levels)
        assert _laws_of(context, latents, plain) == _laws_of(context, latents, kernels)


def test_long_fronts_are_derived_in_parts() -> None:
    """A front of more latents than are derived at a time."""
    rng = np.random.default_rng(1)
    network = made_up_cnn(LatentPyramid.from_bytes(b"\1\1\14", channels=3, width=4, height=4), seed=1)
    context = context_model(network.shape, network.weights).of_grid(0, network.levels)
    latents = rng.integers(-3, 4, (300, 800)).astype(np.int16)
    last = max(bottom - top for _, top, bottom in fronts(*latents.shape))
    assert last > 2 * kernels._LANES
    assert _laws_of(context, latents, plain) == _laws_of(context, latents, kernels)


@pytest.mark.parametrize("operations", [plain, kernels])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_sums_that_the_limits_admit_do_not_wrap(operations: ExactOperations, sign: int) -> None:
    """Every result is at the end of its range, on the side of its sum (FORMAT.md, section 11.6)."""

    def full(value: int, *shape: int) -> np.ndarray:
        return np.full(shape, value, np.int32)

    plane, most = full(sign * MAX_STACK, 9, 9), 1 << 15
    for taps in ([2048, 0, 0, 0], [2, 341, 341, 341], [0, 0, 0, 1024]):
        found = operations.smooth(plane, 0, 9, 0, 9, np.array(taps, np.int32), 3)
        assert (found == sign * MAX_STACK).all()
    for taps in ([2048, 0, 0, 0], [512, 512, 512, 512]):
        found = operations.double(plane[None], 0, 9, 0, 18, 18, np.array(taps, np.int32), 3)
        assert (found == sign * MAX_STACK).all()
    first = np.array([[most, 0], [sign * most, 0]], np.int32)
    stack, second = full(MAX_STACK, 1, 9), np.array([[sign * most, 0]], np.int32)
    assert (operations.pixelwise(stack, first, second, 6, 3) == sign * MAX_ACTIVATION).all()
    weight, samples = full(most // 10 * sign, 1, 10), full(MAX_ACTIVATION, 1, 5, 5)
    found = operations.residual(samples, 0, 5, 0, 5, weight, 3, False)
    assert (found == sign * MAX_ACTIVATION).all()


def _laws_of(context: GridContext, latents: np.ndarray, operations: ExactOperations) -> list[bytes]:
    plane = PaddedPlane(*latents.shape)
    plane.inner[:] = latents
    predict = context.predictor(*latents.shape, operations)
    return [
        law.tobytes() + whole.tobytes()
        for law, whole in (predict(plane.padded, *front) for front in fronts(*latents.shape))
    ]

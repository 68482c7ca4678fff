import numpy as np
import pytest

from inr.cnn.fit.compiled.kernels.elementary import LANES
from inr.cnn.fit.compiled.kernels.pointwise import soften, squares


@pytest.mark.parametrize("n_values", [1, LANES, 2 * LANES + 37])
def test_softening_takes_its_span_alone(n_values: int) -> None:
    values = np.random.default_rng(0).normal(0, 2, n_values).astype(np.float32)
    none, out, slope = (np.zeros(n_values, np.float32) for _ in range(3))
    warm = np.float32(50), np.float32(0.5 / np.tanh(0.01))  # as good as the identity
    scratch, bits = np.zeros((4, LANES), np.float32), np.zeros(LANES, np.int32)
    soften(values, none, *warm, out, slope, n_values // 2, n_values, scratch, bits)
    assert not out[: n_values // 2].any()
    assert not slope[: n_values // 2].any()
    np.testing.assert_allclose(out[n_values // 2 :], values[n_values // 2 :], atol=1e-4)
    np.testing.assert_allclose(slope[n_values // 2 :], 1, atol=1e-3)


@pytest.mark.parametrize("n_values", [1, LANES, 2 * LANES + 37])
@pytest.mark.parametrize("are_weighed", [False, True])
def test_squares_are_those_of_a_span_and_clipped_at_the_ends_of_the_scale(
    n_values: int, are_weighed: bool
) -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(0.5, 0.6, n_values).astype(np.float32)
    target = rng.integers(0, 4, n_values).astype(np.float32) / 3
    shares = rng.random(n_values if are_weighed else 0).astype(np.float32)
    gradient = np.full(n_values, 7, np.float32)
    start = n_values // 3
    found = squares(samples, target, shares, gradient, start, n_values)
    error = samples - target
    error[((target == 0) & (error < 0)) | ((target == 1) & (error > 0))] = 0
    weights = shares if are_weighed else 1
    assert (gradient[:start] == 7).all()
    np.testing.assert_allclose(gradient[start:], (weights * error)[start:], rtol=1e-6)
    assert found == pytest.approx(float((weights * error**2)[start:].sum(dtype=np.float64)), rel=1e-5)

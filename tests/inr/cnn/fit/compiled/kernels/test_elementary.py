import numpy as np
import pytest

from inr.cnn.fit.compiled.arrays import Floats
from inr.cnn.fit.compiled.kernels.elementary import (
    LANES,
    dense,
    dense_of_two,
    dense_onto,
    exp_negative,
    log_in_place,
    mask,
    outer,
    relu,
    sums,
)

N = 37  # positions in use; the others stay as they are


def drawn(*shape: int) -> Floats:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def test_products_are_those_of_matrices() -> None:
    weight, bias, x, out = drawn(6, 8), drawn(6), drawn(8, LANES), np.zeros((6, LANES), np.float32)
    dense(out, weight, bias, x, N)
    product = weight @ x[:, :N]
    np.testing.assert_allclose(out[:, :N], product + bias[:, None], rtol=1e-4, atol=1e-5)
    assert not out[:, N:].any()
    dense_onto(out, weight, x, N)
    np.testing.assert_allclose(out[:, :N], 2 * product + bias[:, None], rtol=1e-4, atol=1e-5)
    assert not out[:, N:].any()
    two = drawn(6, 2)
    dense_of_two(out, two, x[:2], N)
    np.testing.assert_allclose(out[:, :N], two @ x[:2, :N], rtol=1e-4, atol=1e-5)
    assert not out[:, N:].any()


def test_gradients_are_added_to_what_is_there() -> None:
    y, x, gradient, by_bias = drawn(4, LANES), drawn(8, LANES), drawn(4, 8), drawn(4)
    before, bias_before = gradient.copy(), by_bias.copy()
    outer(gradient, y, x, N)
    sums(by_bias, y, N)
    np.testing.assert_allclose(gradient, before + y[:, :N] @ x[:, :N].T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(by_bias, bias_before + y[:, :N].sum(1), rtol=1e-4, atol=1e-4)


def test_rectification_and_its_gradient() -> None:
    x, d = drawn(3, LANES), drawn(3, LANES) + 5
    rectified, masked = x.copy(), d.copy()
    relu(rectified, N)
    np.testing.assert_array_equal(rectified[:, :N], np.maximum(x, 0)[:, :N])
    np.testing.assert_array_equal(rectified[:, N:], x[:, N:])
    mask(masked, rectified, N)
    np.testing.assert_array_equal(masked[:, :N], np.where(x > 0, d, 0)[:, :N])
    np.testing.assert_array_equal(masked[:, N:], d[:, N:])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 70.0])
def test_exponentials_and_logarithms_are_near_the_exact_ones(scale: float) -> None:
    x = (np.random.default_rng(1).random(LANES) * scale).astype(np.float32)
    out, bits = np.empty(LANES, np.float32), np.zeros(LANES, np.int32)
    exp_negative(x.copy(), out, bits, LANES)
    np.testing.assert_allclose(out, np.exp(-x.astype(np.float64)), rtol=1e-5)
    positive = x + np.float32(1e-6)
    logarithms = positive.copy()
    log_in_place(logarithms, bits, LANES)
    np.testing.assert_allclose(logarithms, np.log(positive.astype(np.float64)), rtol=2e-5, atol=2e-5)

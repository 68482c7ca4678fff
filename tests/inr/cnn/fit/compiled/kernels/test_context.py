import numpy as np
import pytest
import torch

from inr.cnn.fit.common.plain_losses import laplace_bits
from inr.cnn.fit.compiled.arrays import _APART, zeros
from inr.cnn.fit.compiled.kernels.context import _add_pairs, _gather, _repeat, _scatter, laplace
from inr.cnn.fit.compiled.kernels.elementary import LANES


@pytest.mark.parametrize("spread", [-6.0, -3.0, 0.0, 2.0, 5.0, 8.0])  # beyond both ends too
def test_nats_and_gradients_are_those_of_the_plain_operations(spread: float) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 3, LANES).astype(np.float32)
    outputs = np.stack([rng.normal(0, 2, LANES), np.full(LANES, spread)]).astype(np.float32)
    gradient = zeros(2, LANES)
    nats = zeros(LANES)
    laplace(values, outputs, nats, gradient, zeros(6, LANES), np.zeros(LANES, np.int32), LANES)
    o = torch.from_numpy(outputs).double().requires_grad_()
    bits = laplace_bits(torch.from_numpy(values).double(), o[0], o[1])
    bits.sum().backward()
    assert o.grad is not None
    np.testing.assert_allclose(nats, bits.detach().numpy() * np.log(2), rtol=1e-3, atol=1e-5)
    expected = o.grad.numpy() * np.log(2)
    np.testing.assert_allclose(gradient, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("n", [4, 13, 25, 64, LANES])
def test_results_do_not_depend_on_where_arrays_lie_if_they_are_apart(n: int) -> None:
    """Nearer targets are computed with other rounding on some machines; see `arrays.empty`."""
    rng, outputs = np.random.default_rng(n), zeros(2, LANES)
    outputs[:] = rng.normal(0, 2, outputs.shape)
    memory, values = zeros(8 * LANES), rng.normal(0, 3, n).astype(np.float32)
    least = values.size + _APART
    found = set()
    for distance in (*range(least, least + 70), least + 1000):
        memory[:n] = values
        gradient = memory[distance : distance + 2 * LANES].reshape(2, LANES)
        nats = zeros(LANES)
        laplace(memory, outputs, nats, gradient, zeros(6, LANES), np.zeros(LANES, np.int32), n)
        found.add((nats[:n].tobytes(), gradient[:, :n].tobytes()))
    assert len(found) == 1


@pytest.mark.parametrize("n", [1, 6, 7])
def test_positions_of_half_the_size_are_repeated_and_their_gradients_added(n: int) -> None:
    rng = np.random.default_rng(n)
    source, out, upstream = rng.random((2, 4)), np.full((2, 8), 9.0), rng.random((2, 8))
    _repeat(source, out, n)
    np.testing.assert_array_equal(out[:, :n], np.repeat(source, 2, axis=1)[:, :n])
    assert (out[:, n:] == 9).all()
    back = np.ones((2, 4))
    _add_pairs(upstream, back, n)
    upstream[:, n:] = 0
    np.testing.assert_allclose(back, 1 + upstream[:, ::2] + upstream[:, 1::2])


def test_a_parent_is_read_where_it_lies_and_its_gradient_goes_there() -> None:
    """Two parents, [3, 5] and [2, 3], of half the size and of a quarter, in one array of latents."""
    latents, n, row, left = np.arange(100, 121, dtype=np.float32), 3, 2, 1
    starts, widths, shifts = np.array([0, 15]), np.array([5, 3]), np.array([0, 1])
    seen = np.zeros((2, n), np.float32)
    _gather(latents, starts, widths, shifts, row, left, seen, n)
    first, second = latents[:15].reshape(3, 5), latents[15:].reshape(2, 3)
    np.testing.assert_array_equal(seen, [first[2, 1:4], second[1, [0, 1, 1]]])
    firsts = np.array([1, 1])  # a buffer that begins at row 1 of both
    gradient, buffers = np.zeros(10 + 3, np.float32), np.array([0, 10])
    _scatter(gradient, buffers, widths, shifts, firsts, row, left, np.float32([[1, 2, 3], [4, 5, 6]]), n)
    np.testing.assert_array_equal(gradient, [0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 11, 0])

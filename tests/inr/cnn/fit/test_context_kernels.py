import numpy as np
import pytest
import torch
from inr.cnn.fit.context_kernels import laplace
from inr.cnn.fit.elementary_kernels import LANES

from inr.cnn.fit.plain_losses import laplace_bits


@pytest.mark.parametrize("spread", [-6.0, -3.0, 0.0, 2.0, 5.0, 8.0])  # beyond both ends too
def test_nats_and_gradients_are_those_of_the_plain_operations(spread: float) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 3, LANES).astype(np.float32)
    outputs = np.stack([rng.normal(0, 2, LANES), np.full(LANES, spread)]).astype(np.float32)
    gradient, scratch = np.zeros((2, LANES), np.float32), np.zeros((6, LANES), np.float32)
    nats = laplace(values, outputs, gradient, scratch, np.zeros(LANES, np.int32), LANES)
    o = torch.from_numpy(outputs).double().requires_grad_()
    bits = laplace_bits(torch.from_numpy(values).double(), o[0], o[1])
    bits.backward()
    assert o.grad is not None
    assert nats == pytest.approx(float(bits.detach()) * np.log(2), rel=2e-4)
    expected = o.grad.numpy() * np.log(2)
    np.testing.assert_allclose(gradient, expected, rtol=2e-3, atol=2e-3)

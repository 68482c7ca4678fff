import numpy as np
import pytest
import torch
from inr.cnn.fit.synthesis_kernels import head_backward, head_forward, upsample, upsample_back


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("height", "width"), [(5, 4), (1, 1), (2, 7)])
@pytest.mark.parametrize("odd", [0, 1])
def test_the_gradient_of_doubling_is_its_transpose(height: int, width: int, odd: int) -> None:
    """<double(x), g> = <x, double^T(g)>, for the sources and for the taps."""
    source, taps = drawn(1, height, width), drawn(4)
    target = np.zeros((1, 2 * height - odd, 2 * width - odd), np.float32)
    upsample(source, target, taps, np.zeros(width + 5, np.float32))
    upstream = drawn(*target.shape)
    by_source, by_taps = np.zeros_like(source), np.zeros(4, np.float32)
    scratch = np.zeros(width + 5, np.float32), np.zeros(width + 6, np.float32)
    upsample_back(source, upstream, by_source, taps, by_taps, *scratch)
    product = float((target * upstream).sum())
    assert float((source * by_source).sum()) == pytest.approx(product, rel=1e-3, abs=1e-3)
    assert float((taps * by_taps).sum()) == pytest.approx(2 * product, rel=1e-3, abs=1e-3)  # twice linear


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize(("height", "width"), [(4, 6), (1, 1), (3, 2)])
def test_a_residual_layer_and_its_gradients_are_those_of_torch(
    height: int, width: int, rectify: bool
) -> None:
    x, kernel, bias, upstream = drawn(2, height, width), drawn(2, 2, 3, 3), drawn(2), drawn(2, height, width)
    y = np.empty_like(x)
    head_forward(x, y, kernel, bias, rectify, 0, height)
    tensors = [torch.from_numpy(array).requires_grad_() for array in (x.copy(), kernel, bias)]
    padded = torch.nn.functional.pad(tensors[0][None], (1, 1, 1, 1), mode="replicate")
    expected = tensors[0] + torch.nn.functional.conv2d(padded, tensors[1], tensors[2])[0]
    expected = torch.relu(expected) if rectify else expected
    np.testing.assert_allclose(y, expected.detach(), rtol=1e-4, atol=1e-5)
    expected.backward(torch.from_numpy(upstream))
    by_x, by_kernel, by_bias = np.zeros_like(x), np.zeros_like(kernel), np.zeros_like(bias)
    head_backward(x, y, upstream.copy(), by_x, kernel, by_kernel, by_bias, rectify, 0, height)
    for found, tensor in zip((by_x, by_kernel, by_bias), tensors, strict=True):
        np.testing.assert_allclose(found, tensor.grad, rtol=1e-3, atol=1e-4)

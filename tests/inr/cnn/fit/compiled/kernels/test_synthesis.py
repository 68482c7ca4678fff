from itertools import pairwise

import numpy as np
import pytest
import torch

from inr.cnn.fit.compiled.arrays import Floats, zeros
from inr.cnn.fit.compiled.kernels.elementary import LANES
from inr.cnn.fit.compiled.kernels.synthesis import (
    head_forward,
    head_samples_back,
    head_taps_back,
    synthesis_rows,
    synthesis_rows_back,
)

INPUTS, HIDDEN, CHANNELS = 4, 8, 3
PIXELS = 2 * LANES + 45
EDGES = (0, 70, PIXELS)


def drawn(*shape: int) -> Floats:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def layers() -> tuple[Floats, Floats, Floats, Floats]:
    """Weights and constants, with zeros for the rows that make up multiples of four."""
    w1, b1, w2, b2 = drawn(12, INPUTS), drawn(12), drawn(4, HIDDEN), drawn(4)
    for array in (w1[HIDDEN + CHANNELS :], b1[HIDDEN + CHANNELS :], w2[CHANNELS:], b2[CHANNELS:]):
        array[:] = 0
    return w1, b1, w2, b2


def scratch(*sizes: int) -> tuple[Floats, ...]:
    return tuple(zeros(size, LANES) for size in sizes)


def test_two_layers_and_their_gradients_are_those_of_torch() -> None:
    x, upstream, arrays = drawn(INPUTS, PIXELS), drawn(CHANNELS, PIXELS), layers()
    y, by_x = zeros(CHANNELS, PIXELS), np.full_like(x, 9)
    gradients = [np.ones_like(array) for array in arrays]
    w1, b1, w2, b2 = arrays
    turned = np.ascontiguousarray(w1.T), np.ascontiguousarray(w2.T)
    for start, stop in pairwise(EDGES):
        synthesis_rows(x, y, start, stop, *arrays, scratch(INPUTS, 12, 4))
        synthesis_rows_back(
            x, upstream, by_x, start, stop, w1, turned[0], b1, turned[1], zeros(12), *gradients,
            scratch(INPUTS, 12, 4, 12, INPUTS),
        )  # fmt: skip
    tx, *tensors = (torch.from_numpy(array).double().requires_grad_() for array in (x, w1, b1, w2, b2))
    sums = tensors[0] @ tx + tensors[1][:, None]
    expected = tensors[2] @ torch.relu(sums[:HIDDEN]) + tensors[3][:, None]
    expected = expected[:CHANNELS] + sums[HIDDEN : HIDDEN + CHANNELS]
    expected.backward(torch.from_numpy(upstream).double())
    np.testing.assert_allclose(y, expected.detach(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(by_x, tx.grad, rtol=1e-3, atol=1e-3)
    for found, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_allclose(found - 1, tensor.grad, rtol=1e-3, atol=1e-3)  # they are added


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize(("height", "width"), [(4, 6), (1, 1), (3, 2), (7, 40)])
def test_a_residual_layer_is_that_of_torch(height: int, width: int, rectify: bool) -> None:
    x, kernel, bias = drawn(2, height, width), drawn(2, 2, 3, 3), drawn(2)
    y, edged = zeros(2, height, width), np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
    for top, bottom in pairwise((0, 1, height)):
        head_forward(edged, y, kernel, bias, rectify, top, bottom)
    tensors = [torch.from_numpy(array) for array in (edged[None], kernel, bias)]
    expected = torch.from_numpy(x) + torch.nn.functional.conv2d(*tensors)[0]
    expected = torch.relu(expected) if rectify else expected
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(4, 6), (1, 1), (3, 2), (7, 40)])
def test_the_gradients_of_a_residual_layer_are_those_of_torch(height: int, width: int) -> None:
    x, kernel, bias, upstream = drawn(2, height, width), drawn(2, 2, 3, 3), drawn(2), drawn(2, height, width)
    edged = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = np.pad(upstream, ((0, 0), (2, 2), (2, 2)))
    by_x, by_kernel, by_bias = np.full_like(edged, 9), np.ones_like(kernel), np.ones_like(bias)
    turned = np.ascontiguousarray(kernel[:, :, ::-1, ::-1].swapaxes(0, 1))
    for top, bottom in pairwise((0, 1, height)):
        head_taps_back(edged, around, by_kernel, by_bias, top, bottom)
    for top, bottom in pairwise((0, 1, height + 2)):
        head_samples_back(around, by_x, turned, top, bottom)
    tensors = [torch.from_numpy(array).double().requires_grad_() for array in (edged, kernel, bias)]
    expected = tensors[0][:, 1:-1, 1:-1] + torch.nn.functional.conv2d(tensors[0][None], *tensors[1:])[0]
    expected.backward(torch.from_numpy(upstream).double())
    for found, tensor in zip((by_x, by_kernel - 1, by_bias - 1), tensors, strict=True):
        np.testing.assert_allclose(found, tensor.grad, rtol=1e-3, atol=1e-3)

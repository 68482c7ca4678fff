"""Residual layers by kernels, and their gradients, against the plain operations of torch."""

import pytest
import torch

from inr.cnn.fit.common.plain_losses import _convolution
from inr.cnn.fit.fused.image.residual_kernels import N_ROWS, residual, residual_back
from tests.inr.cnn.fit.drawn import DEVICE

TILE, N_PROGRAMS = 32, 2  # a program or two come to less than all pixels


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 1, 1), (3, 5, 9), (4, 2, 1), (1, 7, 8)])
def test_residual_layers_and_their_gradients(channels: int, height: int, width: int) -> None:
    shapes = (2, channels, height, width), (2, channels, 9 * channels + 1), (2, channels, height, width)
    generator = torch.Generator().manual_seed(0)
    before, matrix, upstream = (
        torch.randn(shape, generator=generator).to(DEVICE).requires_grad_() for shape in shapes
    )
    inputs = torch.relu(before)  # as what comes from another layer
    expected = torch.relu(inputs + _convolution(inputs, matrix))
    expected.backward(upstream.detach())
    inputs, after = inputs.detach(), torch.empty_like(expected)
    residual[(-(-height * width // TILE), 2)](
        inputs,
        after,
        matrix.detach(),
        height,
        width,
        matrix.stride(0),
        CHANNELS=channels,
        RECTIFY=True,
        BLOCK=TILE,
    )
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-4)
    by_after, by_before = upstream.detach() * (after > 0), torch.full_like(inputs, torch.nan)
    parts = torch.full((2, N_PROGRAMS * N_ROWS, matrix[0].numel()), torch.nan, device=DEVICE)
    residual_back[(N_PROGRAMS, 2)](
        inputs, by_before, by_after, matrix.detach(), parts, height, width, matrix.stride(0), parts.stride(0),
        0, CHANNELS=channels, RECTIFIED=True, TILE=TILE, N_ROWS=N_ROWS,
    )  # fmt: skip
    assert before.grad is not None
    assert matrix.grad is not None
    torch.testing.assert_close(by_before, before.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(parts.sum(1), matrix.grad.flatten(1), rtol=1e-4, atol=1e-4)

"""Gradients of planes that kernels filtered and doubled, against the plain operations of torch."""

import pytest
import torch

from inr.cnn.fit.fused.image.plane_back_kernels import N_TAPS, stack_level_back
from tests.inr.cnn.fit.drawn import DEVICE
from tests.inr.cnn.fit.fused.image.planes import BLOCK, SIZES, blocks, drawn, expected, halved


@pytest.mark.parametrize(
    ("height", "width", "together"), [(*size, 1 + n % 2) for n, size in enumerate(SIZES)]
)
def test_gradients_are_those_of_plain_operations(height: int, width: int, together: int) -> None:
    n_planes, (n_blocks, n_own_blocks) = 3, blocks(height, width)
    inputs = [tensor.requires_grad_() for tensor in drawn(height, width, n_planes)]
    fine = expected(*inputs)
    upstream = torch.randn(fine.shape, generator=torch.Generator().manual_seed(1)).to(DEVICE)
    fine.backward(upstream)
    latents, coarse, filters, upsampling = (tensor.detach() for tensor in inputs)
    by_latents, by_coarse = (torch.full_like(tensor, torch.nan) for tensor in (latents, coarse))
    n_doubling, by_fine = -(-n_planes // together) * n_blocks, halved(upstream)
    parts = torch.full((2, n_doubling + n_own_blocks, N_TAPS), torch.nan, device=DEVICE)
    stack_level_back[(n_doubling + n_own_blocks, 2)](
        latents, coarse, by_latents, by_coarse, by_fine, filters, upsampling, parts, height, width, n_planes,
        together, 0, 0, 0, 0, 0, 0, latents.stride(0), coarse.stride(0), by_coarse.stride(0),
        by_fine.stride(0), N_TAPS, N_TAPS, parts.stride(0), BLOCK=BLOCK, num_stages=1,
    )  # fmt: skip
    by_filters, by_upsampling = parts[:, n_doubling:].sum(1), parts[:, :n_doubling].sum(1)
    assert inputs[1].grad is not None
    known = [inputs[0].grad, halved(inputs[1].grad), inputs[2].grad, inputs[3].grad]
    for mine, exact in zip((by_latents, by_coarse, by_filters, by_upsampling), known, strict=True):
        assert exact is not None
        torch.testing.assert_close(mine, exact, rtol=1e-4, atol=1e-3)

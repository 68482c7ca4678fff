"""Planes that kernels filter and double, against the plain operations of torch."""

import pytest
import torch

from inr.cnn.fit.fused.image.plane_back_kernels import N_TAPS
from inr.cnn.fit.fused.image.plane_kernels import stack_level
from tests.inr.cnn.fit.drawn import DEVICE
from tests.inr.cnn.fit.fused.image.planes import BLOCK, SIZES, blocks, drawn, expected, halved


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("is_halved", [False, True])
def test_a_stack_is_what_plain_operations_make(height: int, width: int, is_halved: bool) -> None:
    n_planes, (n_blocks, n_own_blocks) = 2, blocks(height, width)
    inputs = drawn(height, width, n_planes)
    latents, coarse, filters, upsampling = inputs
    fine = torch.full((2, n_planes + 1, height, width), torch.nan, device=DEVICE)
    stack_level[(n_planes * n_blocks + n_own_blocks, 2)](
        latents, coarse, fine, filters, upsampling, height, width, n_planes, 0, 0, 0, 0, latents.stride(0),
        coarse.stride(0), fine.stride(0), N_TAPS, N_TAPS, HALVED=is_halved, BLOCK=BLOCK,
    )  # fmt: skip
    known = expected(*inputs)
    torch.testing.assert_close(fine, halved(known) if is_halved else known, rtol=1e-4, atol=1e-4)

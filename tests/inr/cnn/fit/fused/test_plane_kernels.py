"""Planes that kernels filter and double, and their gradients, against the plain operations of torch."""

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before kernels are imported
pytest.importorskip("triton")

from inr.cnn.fit.fused.plane_back_kernels import N_TAPS, stack_level_back
from inr.cnn.fit.fused.plane_kernels import stack_level
from inr.cnn.fit.plain_losses import _double, _filter

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BLOCK = 32
SIZES = [(1, 1), (2, 1), (1, 5), (2, 3), (3, 4), (7, 10), (9, 13)]


def _drawn(height: int, width: int, n_planes: int) -> list[torch.Tensor]:
    """A level's latents, the coarser stack, and both kinds of taps, of two images."""
    generator = torch.Generator(DEVICE).manual_seed(0)
    coarse = (2, n_planes, (height + 1) // 2, (width + 1) // 2)
    shapes = [(2, height, width), coarse, (2, N_TAPS), (2, N_TAPS)]
    return [torch.randn(shape, generator=generator, device=DEVICE) for shape in shapes]


def _expected(
    latents: torch.Tensor, coarse: torch.Tensor, filters: torch.Tensor, upsampling: torch.Tensor
) -> torch.Tensor:
    doubled = _double(coarse, upsampling)[..., : latents.shape[-2], : latents.shape[-1]]
    return torch.cat([_filter(latents.unsqueeze(-3), filters), doubled], dim=-3)


def _halved(stack: torch.Tensor) -> torch.Tensor:
    """The same, columns of all planes but the first halved."""
    doubled = stack[:, 1:]
    return torch.cat([stack[:, :1], torch.cat([doubled[..., ::2], doubled[..., 1::2]], dim=-1)], dim=1)


def _blocks(height: int, width: int) -> tuple[int, int]:
    """Blocks of a plane of the coarser stack, and of the level."""
    return -(-((height + 1) // 2 * ((width + 1) // 2)) // BLOCK), -(-height * width // BLOCK)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("halved", [False, True])
def test_a_stack_is_what_plain_operations_make(height: int, width: int, halved: bool) -> None:
    n_planes, (blocks, own_blocks) = 2, _blocks(height, width)
    inputs = _drawn(height, width, n_planes)
    latents, coarse, filters, upsampling = inputs
    fine = torch.full((2, n_planes + 1, height, width), torch.nan, device=DEVICE)
    stack_level[(n_planes * blocks + own_blocks, 2)](
        latents, coarse, fine, filters, upsampling, height, width, n_planes, 0, 0, 0, 0, latents.stride(0),
        coarse.stride(0), fine.stride(0), N_TAPS, N_TAPS, HALVED=halved, BLOCK=BLOCK,
    )  # fmt: skip
    expected = _expected(*inputs)
    torch.testing.assert_close(fine, _halved(expected) if halved else expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("together", [1, 2])
def test_gradients_are_those_of_plain_operations(height: int, width: int, together: int) -> None:
    n_planes, (blocks, own_blocks) = 3, _blocks(height, width)
    inputs = [tensor.requires_grad_() for tensor in _drawn(height, width, n_planes)]
    expected = _expected(*inputs)
    upstream = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1)).to(DEVICE)
    expected.backward(upstream)
    latents, coarse, filters, upsampling = (tensor.detach() for tensor in inputs)
    by_latents, by_coarse = (torch.full_like(tensor, torch.nan) for tensor in (latents, coarse))
    n_doubling, by_fine = -(-n_planes // together) * blocks, _halved(upstream)
    parts = torch.full((2, n_doubling + own_blocks, N_TAPS), torch.nan, device=DEVICE)
    stack_level_back[(n_doubling + own_blocks, 2)](
        latents, coarse, by_latents, by_coarse, by_fine, filters, upsampling, parts, height, width, n_planes,
        together, 0, 0, 0, 0, 0, 0, latents.stride(0), coarse.stride(0), by_coarse.stride(0),
        by_fine.stride(0), N_TAPS, N_TAPS, parts.stride(0), BLOCK=BLOCK, num_stages=1,
    )  # fmt: skip
    by_filters, by_upsampling = parts[:, n_doubling:].sum(1), parts[:, :n_doubling].sum(1)
    assert inputs[1].grad is not None
    known = [inputs[0].grad, _halved(inputs[1].grad), inputs[2].grad, inputs[3].grad]
    for mine, exact in zip((by_latents, by_coarse, by_filters, by_upsampling), known, strict=True):
        assert exact is not None
        torch.testing.assert_close(mine, exact, rtol=1e-4, atol=1e-3)

"""Planes for tests of their kernels, and what the plain operations of torch make of them."""

import torch

from inr.cnn.fit.common.plain_losses import _double, _filter
from inr.cnn.fit.fused.image.plane_back_kernels import N_TAPS
from tests.inr.cnn.fit.drawn import DEVICE

BLOCK = 32
SIZES = [(1, 1), (2, 1), (1, 5), (2, 3), (7, 10), (9, 13)]


def drawn(height: int, width: int, n_planes: int) -> list[torch.Tensor]:
    """A level's latents, the coarser stack, and both kinds of taps, of two images."""
    generator = torch.Generator(DEVICE).manual_seed(0)
    coarse = (2, n_planes, (height + 1) // 2, (width + 1) // 2)
    shapes = [(2, height, width), coarse, (2, N_TAPS), (2, N_TAPS)]
    return [torch.randn(shape, generator=generator, device=DEVICE) for shape in shapes]


def expected(
    latents: torch.Tensor, coarse: torch.Tensor, filters: torch.Tensor, upsampling: torch.Tensor
) -> torch.Tensor:
    doubled = _double(coarse, upsampling)[..., : latents.shape[-2], : latents.shape[-1]]
    return torch.cat([_filter(latents.unsqueeze(-3), filters), doubled], dim=-3)


def halved(stack: torch.Tensor) -> torch.Tensor:
    """The same, columns of all planes but the first halved."""
    doubled = stack[:, 1:]
    return torch.cat([stack[:, :1], torch.cat([doubled[..., ::2], doubled[..., 1::2]], dim=-1)], dim=1)


def blocks(height: int, width: int) -> tuple[int, int]:
    """Blocks of a plane of the coarser stack, and of the level."""
    return -(-((height + 1) // 2 * ((width + 1) // 2)) // BLOCK), -(-height * width // BLOCK)

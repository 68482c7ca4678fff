"""Bits by kernels in Triton, and their gradients, against plain operations in twice the precision."""

import pytest
import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.fused.context import bits
from inr.cnn.fit.fused.context.bits import FusedContext
from tests.inr.cnn.fit.drawn import DEVICE, assert_near, point
from tests.inr.cnn.fit.fused.doubles import gradients_of, leaves_of
from tests.inr.networks import small


def _drawn(shape: LatentPyramid, n_images: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Latents, and the context model's matrices of each image."""
    at = point(shape, batch=(n_images,), own_matrices=True)
    return at.latents.detach(), [matrix.detach() for matrix in at.matrices[:4]]


def _found(shape: LatentPyramid, latents: torch.Tensor, matrices: list[torch.Tensor]) -> list[torch.Tensor]:
    context = FusedContext(shape, torch.device(DEVICE), batch=len(latents), exact=True)
    found = context.with_gradients(latents.to(DEVICE), [matrix.to(DEVICE) for matrix in matrices])
    return [tensor.cpu() for tensor in (found[0], found[1], *found[2])]


@pytest.mark.parametrize(
    ("width", "height", "n_levels", "n_images", "n_programs"),
    [
        (37, 29, 7, 1, 8),
        (16, 16, 1, 3, 1024),
        (70, 45, 1, 1, 8),
        (5, 3, 9, 1, 8),
        (1, 1, 1, 1, 8),
    ],
)
def test_bits_and_gradients_agree_with_plain_operations(
    width: int, height: int, n_levels: int, n_images: int, n_programs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bits, "_MOST_PROGRAMS", n_programs)  # if few, each takes tiles one after another
    shape = small(3, width, height, n_levels)
    latents, matrices = _drawn(shape, n_images)
    leaves = leaves_of(latents.double(), *(matrix.double() for matrix in matrices))
    exact = PlainLosses(shape).bits(leaves[0], leaves[1:])
    known = [exact.detach(), *gradients_of(exact.sum(), leaves)]
    for mine, its in zip(_found(shape, latents, matrices), known, strict=True):
        assert_near(mine, its)
    context = FusedContext(shape, torch.device(DEVICE), batch=n_images, exact=True)
    found = context.latent_bits(latents.to(DEVICE), [matrix.to(DEVICE) for matrix in matrices])
    assert_near(found.cpu(), PlainLosses(shape).latent_bits(leaves[0], leaves[1:]).detach())


def test_quick_ones_are_near() -> None:
    shape = small(3, 37, 29, 3)
    latents, matrices = _drawn(shape, 1)
    inputs = latents.to(DEVICE), [matrix.to(DEVICE) for matrix in matrices]
    context = FusedContext(shape, torch.device(DEVICE))
    bits, of_latents, of_matrices = context.with_gradients(*inputs)
    quick_bits, quick_of_latents, quick_of_matrices = context.with_gradients(*inputs, quick=True)
    torch.testing.assert_close(quick_bits, bits, rtol=3e-3, atol=0)
    for quick, its in zip((quick_of_latents, *quick_of_matrices), (of_latents, *of_matrices), strict=True):
        assert float((quick - its).norm()) < 0.02 * float(its.norm())


def test_results_are_the_same_each_time() -> None:
    shape = small(3, 9, 12, 1)
    inputs = _drawn(shape, 2)
    for one, other in zip(_found(shape, *inputs), _found(shape, *inputs), strict=True):
        assert torch.equal(one, other)


def test_coarse_grids_are_gathered_first_and_every_latent_once() -> None:
    shape = small(3, 70, 45, 5)
    blocks = FusedContext(shape, torch.device(DEVICE))._blocks.cpu().tolist()
    assert [grid for grid, _ in blocks] == sorted((grid for grid, _ in blocks), reverse=True)
    for place, (height, width) in enumerate(shape.grid_shapes):
        starts = [start for grid, start in blocks if grid == place]
        assert starts == list(range(0, height * width, bits._BLOCK))

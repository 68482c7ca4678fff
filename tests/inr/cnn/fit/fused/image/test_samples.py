"""Images by kernels in Triton, and their gradients, against plain operations in twice the precision."""

import pytest
import torch

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.fused.image import plan, samples
from inr.cnn.fit.fused.image.samples import FusedImage
from tests.inr.cnn.fit.drawn import DEVICE, architecture, assert_near, point
from tests.inr.cnn.fit.fused.doubles import gradients_of, leaves_of
from tests.inr.networks import small


def _drawn(pyramid: LatentPyramid, n_images: int) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
    at = point(pyramid, batch=(n_images,), own_matrices=True)
    return at.latents.detach(), [matrix.detach() for matrix in at.matrices], at.factors


def _found(
    pyramid: LatentPyramid, latents: torch.Tensor, matrices: list[torch.Tensor], factors: torch.Tensor
) -> list[torch.Tensor]:
    """Samples and the gradients of their sum, weighted."""
    fused = FusedImage(pyramid, DEVICE, exact=True)
    samples, done = fused.forward(latents.to(DEVICE), [matrix.to(DEVICE) for matrix in matrices])
    by_latents, of_matrices = fused.backward(done, factors.to(DEVICE))
    return [tensor.cpu() for tensor in (samples, by_latents, *of_matrices)]


def _assert_agree(pyramid: LatentPyramid, n_images: int) -> None:
    latents, matrices, factors = _drawn(pyramid, n_images)
    leaves = leaves_of(latents.double(), *(matrix.double() for matrix in matrices))
    samples = PlainLosses(pyramid).image(leaves[0], leaves[1:])
    by_latents, *of_matrices = gradients_of((samples * factors.double()).sum(), leaves)
    known = [samples.detach(), by_latents, *of_matrices[len(CONTEXT_MATRICES) :]]
    found = _found(pyramid, latents, matrices, factors)
    for mine, exact in zip(found, [tensor for tensor in known if tensor.numel()], strict=True):
        assert_near(mine, exact)


@pytest.mark.parametrize(
    ("shape", "n_images"),
    [
        ((3, 8, 10, 2), 3),
        ((3, 16, 16, 1), 1),
        ((1, 25, 21, 4), 1),
        ((4, 5, 9, 6), 1),
        ((2, 3, 2, 3), 1),
        ((3, 1, 1, 1), 1),
    ],
)
def test_images_and_gradients_agree_with_plain_operations(
    shape: tuple[int, int, int, int], n_images: int
) -> None:
    _assert_agree(small(*shape), n_images)


def test_networks_of_the_size_that_files_have_agree_too() -> None:
    _assert_agree(architecture(3, 9, 8, 3), 1)


def test_programs_take_several_tiles_and_several_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("N_SYNTHESIS", 2), ("N_RESIDUAL", 2), ("N_DOUBLING", 3)):
        monkeypatch.setattr(plan, name, most)
    monkeypatch.setattr(samples, "TAPS_ROWS", 4)
    monkeypatch.setattr(samples, "MATRIX_ROWS", 4)
    _assert_agree(small(3, 25, 21, 4), 1)


def test_results_are_the_same_each_time() -> None:
    pyramid = small(3, 9, 12, 2)
    drawn = _drawn(pyramid, 2)
    for one, other in zip(_found(pyramid, *drawn), _found(pyramid, *drawn), strict=True):
        assert torch.equal(one, other)


def test_hyperlatents_have_no_gradient() -> None:
    pyramid = small(3, 5, 4, 6)
    latents, matrices, factors = _drawn(pyramid, 1)
    _, by_latents, *_ = _found(pyramid, latents, matrices, factors)
    n_shown = sum(height * width for height, width in pyramid.grid_shapes[: pyramid.n_levels])
    assert n_shown < latents.shape[1]
    assert by_latents[:, :n_shown].any()
    assert not by_latents[:, n_shown:].any()

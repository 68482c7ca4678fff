"""Images by kernels in Triton, and their gradients, against plain operations in twice the precision."""

import os
from collections.abc import Sequence

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before kernels are imported
pytest.importorskip("triton")

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.fused import image, image_plan
from inr.cnn.fit.fused.image import FusedImage
from inr.cnn.fit.plain_losses import PlainLosses
from tests.inr.cnn.fit.drawn import architecture, point

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(autouse=True)
def _exact_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "WEIGHTS", "tf32x3")


def _drawn(
    pyramid: LatentPyramid, n_images: int, own: bool
) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
    at = point(pyramid, batch=(n_images,))
    generator = torch.Generator().manual_seed(1)
    matrices = [matrix.detach() for matrix in at.matrices]
    if own:
        matrices = [
            matrix + 0.02 * torch.randn(n_images, *matrix.shape, generator=generator) for matrix in matrices
        ]
    return at.latents.detach(), matrices, at.factors


def _results(
    function: object, latents: torch.Tensor, matrices: Sequence[torch.Tensor], factors: torch.Tensor
) -> list[torch.Tensor]:
    """Samples and the gradients of their sum, weighted."""
    assert callable(function)
    leaves = [tensor.clone().requires_grad_() for tensor in (latents, *matrices)]
    samples = function(leaves[0], leaves[1:])
    (samples * factors).sum().backward()
    gradients = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
    return [tensor.detach().cpu() for tensor in (samples, *gradients)]


def _assert_agree(pyramid: LatentPyramid, n_images: int, own: bool) -> None:
    latents, matrices, factors = _drawn(pyramid, n_images, own)
    known = _results(
        PlainLosses(pyramid).image,
        latents.double(),
        [matrix.double() for matrix in matrices],
        factors.double(),
    )
    found = _results(
        FusedImage(pyramid, DEVICE),
        latents.to(DEVICE),
        [matrix.to(DEVICE) for matrix in matrices],
        factors.to(DEVICE),
    )
    for mine, exact in zip(found, known, strict=True):
        most = float(exact.abs().max()) if exact.numel() else 0.0
        torch.testing.assert_close(mine.double(), exact, rtol=1e-4, atol=1e-6 + 2e-5 * most)


@pytest.mark.parametrize(
    ("shape", "n_images", "own"),
    [
        ((3, 16, 16, 2), 1, False),
        ((3, 16, 16, 2), 3, False),
        ((3, 16, 16, 1), 3, True),
        ((1, 37, 29, 5), 1, False),
        ((4, 13, 18, 5), 3, True),
        ((3, 37, 29, 7), 1, True),
        ((3, 3, 2, 3), 3, False),
        ((3, 1, 1, 1), 1, False),
        ((2, 5, 33, 7), 1, False),
    ],
)
def test_images_and_gradients_agree_with_plain_operations(
    shape: tuple[int, int, int, int], n_images: int, own: bool
) -> None:
    _assert_agree(architecture(*shape), n_images, own)


def test_programs_take_several_tiles_and_several_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("N_SYNTHESIS", 2), ("N_RESIDUAL", 2), ("N_DOUBLING", 3)):
        monkeypatch.setattr(image_plan, name, most)
    monkeypatch.setattr(image, "TAPS_ROWS", 4)
    monkeypatch.setattr(image, "MATRIX_ROWS", 4)
    pyramid = architecture(3, 37, 29, 5)
    assert FusedImage(pyramid, DEVICE)._plan.levels[0].n_together > 1
    _assert_agree(pyramid, 1, False)


def test_results_are_the_same_each_time() -> None:
    pyramid = architecture(3, 20, 14, 3)
    inputs = [part.to(DEVICE) for part in _drawn(pyramid, 2, False)[::2]]
    matrices = [matrix.to(DEVICE) for matrix in _drawn(pyramid, 2, False)[1]]
    fused = FusedImage(pyramid, DEVICE)
    first, second = (_results(fused, inputs[0], matrices, inputs[1]) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_hyperlatents_have_no_gradient() -> None:
    pyramid = architecture(3, 16, 16, 6)
    latents, matrices, factors = _drawn(pyramid, 1, False)
    found = _results(
        FusedImage(pyramid, DEVICE), latents.to(DEVICE), [m.to(DEVICE) for m in matrices], factors.to(DEVICE)
    )
    n_shown = sum(h * w for h, w in pyramid.grid_shapes[: pyramid.n_levels])
    assert n_shown < latents.shape[1]
    assert not found[1][:, n_shown:].any()

from dataclasses import replace

import numpy as np
import pytest
import torch

from inr.cnn.fit.compiled.image import Pixelwise, Residual, _edges_folded, _edges_repeated
from inr.cnn.fit.compiled.jobs import Jobs
from inr.cnn.fit.plain_losses import PlainLosses
from tests.inr.cnn.fit.drawn import Point, architecture, assert_near, point
from tests.inr.networks import made_up_prior


def pixelwise(jobs: Jobs, at: Point) -> torch.Tensor:
    named = dict(zip(jobs.architecture.matrices, at.matrices, strict=True))
    none = torch.zeros(0, 4)
    taps = named.get("filters", none), named.get("upsampling", none)
    return Pixelwise.apply(jobs, at.latents, *taps, named["synthesis0"], named["synthesis1"])


@pytest.mark.parametrize("size", [(1, 1, 1), (20, 30, 4), (129, 66, 7), (130, 65, 6)])
def test_samples_and_their_gradients_are_those_of_the_plain_operations(size: tuple[int, int, int]) -> None:
    """Without residual layers."""
    shape = replace(architecture(3, *size), prior=made_up_prior(2, synthesis=12, n_residuals=0))
    at, exact = point(shape), point(shape).to(torch.float64)
    expected = PlainLosses(shape).image(exact.latents, exact.matrices)
    (expected * exact.factors).sum().backward()
    samples = pixelwise(Jobs(shape, None), at)
    assert_near(samples.detach(), expected.detach())
    (samples * at.factors).sum().backward()
    for found, known in zip(at.gradients(), exact.gradients(), strict=True):
        assert_near(found, known)


def test_hyperlatents_are_not_shown() -> None:
    shape = architecture(3, 40, 40, 7)
    at, hidden = point(shape), sum(h * w for h, w in shape.grid_shapes[shape.n_levels :])
    samples = pixelwise(Jobs(shape, None), at)
    with torch.no_grad():
        at.latents[-hidden:] += 5
    assert torch.equal(pixelwise(Jobs(shape, None), at), samples)
    samples.sum().backward()
    assert at.latents.grad is not None
    assert not at.latents.grad[-hidden:].any()
    assert at.latents.grad[:-hidden].any()


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 70), (70, 33)])
def test_a_residual_layer_is_a_convolution_with_repeated_edges(
    height: int, width: int, rectify: bool
) -> None:
    generator = torch.Generator().manual_seed(1)
    samples, factors = (torch.randn(3, height, width, generator=generator) for _ in range(2))
    matrix = 0.2 * torch.randn(3, 28, generator=generator)
    exact = [tensor.double().requires_grad_() for tensor in (samples, matrix)]
    own = [tensor.clone().requires_grad_() for tensor in (samples, matrix)]
    padded = torch.nn.functional.pad(exact[0][None], (1, 1, 1, 1), mode="replicate")
    kernel = exact[1][:, :-1].reshape(3, 3, 3, 3)
    expected = exact[0] + torch.nn.functional.conv2d(padded, kernel, exact[1][:, -1])[0]
    expected = torch.relu(expected) if rectify else expected
    found = Residual.apply(Jobs(architecture(3, width, height, 1), None), own[0], own[1], rectify)
    assert_near(found.detach(), expected.detach())
    (expected * factors).sum().backward()
    (found * factors).sum().backward()
    for mine, known in zip(own, exact, strict=True):
        assert mine.grad is not None
        assert known.grad is not None
        assert_near(mine.grad, known.grad)


@pytest.mark.parametrize("shape", [(2, 1, 1), (1, 3, 2), (3, 4, 5)])
def test_edges_are_repeated_and_their_gradient_is_folded_back(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(1)
    planes = rng.random(shape).astype(np.float32)
    repeated = _edges_repeated(planes)
    np.testing.assert_array_equal(repeated, np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge"))
    upstream = rng.random(repeated.shape).astype(np.float32)
    product = float((repeated * upstream).sum())
    assert float((planes * _edges_folded(upstream)).sum()) == pytest.approx(product, rel=1e-5)

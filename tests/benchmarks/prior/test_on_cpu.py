import numpy as np
import pytest
import torch
from skimage import data

from benchmarks.prior.on_cpu import CompiledFits, SharedSoap
from inr.cnn.fit.common.losses import Target
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.fit.common.weights import symbol_bits
from tests.inr.cnn.fit.drawn import architecture

SHAPE = architecture(3, 24, 16, 4)
IMAGES = [np.ascontiguousarray(data.astronaut()[n : n + 16, 150:174]) for n in (20, 60)]
LAMBDA = 1e-3


def begun() -> CompiledFits:
    settings = PyramidSettings(n_steps=8, tail_fraction=0.0)
    fits = CompiledFits(
        IMAGES, SHAPE, settings, rd_lambdas=[LAMBDA] * 2, seeds=[0, 1], device=torch.device("cpu")
    )
    known = [
        torch.tensor(SHAPE.known(name)).float() * 2.0 ** -SHAPE.exponent(name) for name in SHAPE.matrices
    ]
    fits.known.copy_(torch.cat([matrix.flatten() for matrix in known]))
    fits.weights.copy_(fits.known.expand_as(fits.weights))
    return fits


def test_every_crop_fits_its_own_image_in_the_tensors_of_all() -> None:
    fits, costs = begun(), []
    for index in range(8):
        fits.take_step(index)
        costs.append(fits.costs.clone())
    assert bool((costs[-1] < costs[0]).all())
    assert not torch.equal(fits.latents[0], fits.latents[1])
    assert not torch.equal(fits.weights[0], fits.weights[1])
    assert bool((fits.weights != fits.known).any(dim=1).all())


def test_the_gradient_is_that_of_the_networks_work_and_the_cost_has_the_bits_of_weights_too() -> None:
    fits = begun()
    fits.weights += 0.01  # so that the difference costs bits
    matrices = [matrix.clone().requires_grad_() for matrix in fits.matrices(fits.weights[1])]
    known = fits.matrices(fits.known)
    fits.take_step(0)  # latents are zero, and the noise is the seed's
    losses, settings = PlainLosses(SHAPE), PyramidSettings(8, tail_fraction=0.0)
    other = CompiledFits(
        IMAGES, SHAPE, settings, rd_lambdas=[LAMBDA] * 2, seeds=[0, 1], device=torch.device("cpu")
    )
    noise = other._crops[1]._noise.draw(0) * settings.width(0)
    latents = losses.soften(torch.zeros(SHAPE.n_latents), noise, settings.temperature(0))
    cost = losses.distortion(latents, matrices, Target.of(IMAGES[1], None))
    cost = cost + LAMBDA / (24 * 16) * losses.bits(latents, matrices)
    cost.backward()
    gradient = torch.cat([matrix.grad.flatten() for matrix in matrices if matrix.grad is not None])
    torch.testing.assert_close(
        fits.by_weight[1], gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max())
    )
    bits = [symbol_bits((own - its) * 256) for own, its in zip(matrices, known, strict=True)]
    expected = float(cost.detach()) + LAMBDA / (24 * 16) * float(torch.stack(bits).sum().detach())
    assert float(fits.costs[1]) == pytest.approx(expected, rel=1e-4)


def test_shared_weights_move_by_about_the_rate_against_the_gradient() -> None:
    n_weights, soap = SHAPE.n_weights, SharedSoap(SHAPE)
    generator = torch.Generator().manual_seed(0)
    weights = torch.zeros(1, n_weights)
    gradients = torch.randn(1, n_weights, generator=generator)
    soap.step(weights, gradients, torch.tensor(0.01), refresh=soap.refreshes(0))
    assert float((weights * gradients).sum()) < 0
    assert 1e-3 < float(weights.abs().mean()) < 2e-2

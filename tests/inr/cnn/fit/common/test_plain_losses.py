import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from inr.cnn.fit.common.losses import Target
from inr.cnn.fit.common.plain_losses import PlainLosses, laplace_bits, soft_round
from inr.fit.process import torch_threads
from tests.inr.cnn.fit.drawn import SHAPES, Point, architecture, point, results
from tests.inr.networks import adding_nothing

BATCH = 2


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):  # so small that threads would only wait for each other
        yield


def test_soft_rounding_goes_from_the_identity_to_rounding() -> None:
    values = torch.linspace(-3, 3, 601)
    torch.testing.assert_close(soft_round(values, 20.0), values, atol=1e-3, rtol=0)
    off_halves = values[(values - values.round()).abs() < 0.45]
    cold = soft_round(off_halves, 0.005)
    assert (cold - off_halves.round()).abs().max() < 0.01


def test_gradients_are_those_of_the_bits() -> None:
    values = torch.tensor([0.0, 0.3, -2.2, 7.0, 40.0], dtype=torch.float64)
    centre = torch.tensor([0.1, -0.4, 0.0, 6.9, 0.0], dtype=torch.float64, requires_grad=True)
    log_spread = torch.tensor([-3.0, 0.0, 1.0, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c, s: laplace_bits(values, c, s), (centre, log_spread))


@pytest.mark.parametrize("spread", [0.1, 1.0, 20.0])
def test_bits_are_those_of_the_interval(spread: float) -> None:
    value, centre = torch.tensor([3.0]), torch.tensor([2.2])
    cdf = torch.distributions.Laplace(centre.double(), spread).cdf
    expected = -math.log2(float(cdf(torch.tensor([3.5])) - cdf(torch.tensor([2.5]))))
    bits = laplace_bits(value, centre, torch.tensor([math.log2(spread)]))
    assert float(bits) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shape", SHAPES[:-1])
@pytest.mark.parametrize("own_matrices", [False, True])
def test_a_batch_gives_what_its_images_give_alone(
    shape: tuple[int, int, int, int], own_matrices: bool
) -> None:
    pyramid = architecture(*shape)
    alone = [point(pyramid, seed).to(torch.float64) for seed in range(BATCH)]
    if not own_matrices:
        alone = [Point(at.latents, alone[0].matrices, at.factors).to(torch.float64) for at in alone]
    matrices = [torch.stack(each) for each in zip(*(at.matrices for at in alone), strict=True)]
    if not own_matrices:
        matrices = alone[0].matrices
    latents, factors = (torch.stack([getattr(at, name) for at in alone]) for name in ("latents", "factors"))
    together = Point(latents, matrices, factors).to(torch.float64)
    losses = PlainLosses(pyramid)
    expected = [torch.stack(each) for each in zip(*(results(losses, at) for at in alone), strict=True)]
    if not own_matrices:
        expected[3:] = [gradients.sum(0) for gradients in expected[3:]]
    found = results(losses, together)
    assert found[0].shape == (BATCH,)
    assert found[1].shape == (BATCH, shape[0], shape[2], shape[1])
    for mine, known in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, known, rtol=1e-9, atol=1e-9 * float(known.abs().max()))


@pytest.mark.parametrize("shape", [(3, 40, 24, 5), (1, 37, 23, 7), (4, 9, 12, 3)])
def test_samples_are_those_that_a_decoder_derives(shape: tuple[int, int, int, int]) -> None:
    pyramid = architecture(*shape)
    rng, network = np.random.default_rng(1), adding_nothing(pyramid)
    levels = [
        np.rint(rng.laplace(0, 0.5 * (1 + n), size)).astype(np.int16)
        for n, size in enumerate(pyramid.grid_shapes)
    ]
    latents = torch.from_numpy(np.concatenate([level.ravel() for level in levels])).float()
    known = [
        torch.tensor(pyramid.known(name)).float() * 2.0 ** -pyramid.exponent(name)
        for name in pyramid.matrices
    ]
    samples = PlainLosses(pyramid).image(latents, known)
    pixels = (samples.clamp(0, 1) * 255).permute(1, 2, 0).numpy()
    errors = np.abs(pixels - replace(network, levels=levels).render())
    assert errors.max() < 3  # roundings on the way add up
    assert errors.mean() < 0.5


def test_a_sample_at_an_end_of_the_scale_is_met_by_all_that_is_beyond() -> None:
    pyramid = architecture(3, 2, 1, 1)
    at = point(pyramid).to(torch.float64)
    at.latents.requires_grad_(False)
    for matrix in at.matrices:
        matrix.requires_grad_(False)
    beyond = PlainLosses(pyramid).image(at.latents, at.matrices)
    wanted = torch.where(beyond < 0, 0.0, torch.where(beyond > 1, 1.0, beyond))
    assert float(PlainLosses(pyramid).distortion(at.latents, at.matrices, Target(wanted, None))) == 0
    one_off = wanted.clone()
    one_off[0, 0, 0] = 1 - one_off[0, 0, 0].round()
    error = float(beyond[0, 0, 0] - one_off[0, 0, 0])
    found = PlainLosses(pyramid).distortion(at.latents, at.matrices, Target(one_off, None))
    assert float(found) == pytest.approx(error**2 / 6, rel=1e-5)

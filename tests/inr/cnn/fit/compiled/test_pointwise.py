from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from inr.cnn.fit.common.losses import Target
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.compiled.jobs import Jobs
from inr.cnn.fit.compiled.losses import CompiledLosses
from inr.cnn.fit.compiled.pointwise import Soften
from tests.inr.cnn.fit.drawn import architecture, assert_near, point


@pytest.mark.parametrize("temperature", [0.4, 0.1, 0.02])
def test_softened_latents_and_their_gradients_are_those_of_the_plain_operations(temperature: float) -> None:
    shape = architecture(1, 130, 70, 4)
    generator = torch.Generator().manual_seed(0)
    latents, noise, factors = (torch.randn(shape.n_latents, generator=generator) for _ in range(3))
    latents[:5] = torch.tensor([0.0, 1, -1, 0.5, -2.5])
    mine, exact = latents.clone().requires_grad_(), latents.double().requires_grad_()
    expected = PlainLosses(shape).soften(exact, 0.2 * noise.double(), temperature)
    found = Soften.apply(Jobs(shape, None), mine, 0.2 * noise, temperature)
    (expected * factors).sum().backward()
    (found * factors).sum().backward()
    assert mine.grad is not None
    assert exact.grad is not None
    # Where rounding errors decide on which side of a half a value is, it may be its other neighbour.
    near = (found - expected).abs() < 1e-5
    assert float(near.double().mean()) > 0.999
    assert float((mine.grad - exact.grad)[near].abs().max()) < 1e-4 * float(exact.grad.abs().max())
    with ThreadPoolExecutor(2) as pool:
        again = Soften.apply(Jobs(shape, pool), latents, 0.2 * noise, temperature)
    assert torch.equal(found, again)  # bit for bit, whatever the number of threads


@pytest.mark.parametrize("are_some_hidden", [False, True])
def test_the_distortion_and_its_gradients_are_those_of_the_plain_operations(are_some_hidden: bool) -> None:
    shape = architecture(4, 70, 65, 5)
    pixels = np.random.default_rng(0).choice(np.array([0, 90, 255], np.uint8), (65, 70, 4))
    visible = np.arange(65 * 70).reshape(65, 70) % 3 > 0 if are_some_hidden else None
    target = Target.of(pixels, visible)
    wanted = Target(target.samples.double(), None if target.shares is None else target.shares.double())
    at, exact = point(shape), point(shape).to(torch.float64)
    found = CompiledLosses(shape, None).distortion(at.latents, at.matrices, target)
    expected = PlainLosses(shape).distortion(exact.latents, exact.matrices, wanted)
    assert_near(found.detach(), expected.detach())
    (3 * found).backward()
    (3 * expected).backward()
    for mine, known in zip(at.gradients(), exact.gradients(), strict=True):
        assert_near(mine, known)

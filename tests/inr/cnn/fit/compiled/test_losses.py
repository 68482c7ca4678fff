"""The compiled loops of a fit against the plain operations of torch in twice the precision."""

import sys
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from inr.cnn.architecture import CONTEXT_MATRICES
from inr.cnn.fit.common.losses import Target
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.compiled.losses import CompiledLosses
from inr.cnn.prior import priors
from tests.inr.cnn.fit.drawn import SHAPES, architecture, assert_near_for_some_seed, point, results
from tests.inr.networks import made_up_prior


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as running:
        yield running


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_neurons", [None, (8, 12)])
def test_compiled_loops_agree_with_plain_operations(
    shape: tuple[int, int, int, int], n_neurons: tuple[int, int] | None, pool: ThreadPoolExecutor
) -> None:
    pyramid = architecture(*shape)
    if n_neurons:  # no prior of a file, and one residual layer
        context, synthesis = n_neurons
        made_up = made_up_prior(1, channels=pyramid.prior.channels, context=context, synthesis=synthesis)
        pyramid = replace(pyramid, prior=made_up)
    found, known = [], []
    for seed in range(3):
        at = point(pyramid, seed)
        known.append(results(PlainLosses(pyramid), at.to(torch.float64)))
        found.append(results(CompiledLosses(pyramid, None), at.to(torch.float32)))
        shared = results(CompiledLosses(pyramid, pool), at.to(torch.float32))
        for mine, again in zip(found[-1], shared, strict=True):
            assert torch.equal(mine, again)  # bit for bit, whatever the number of threads
    for mine, expected in zip(zip(*found, strict=True), zip(*known, strict=True), strict=True):
        assert_near_for_some_seed(mine, expected)


def test_losses_may_be_taken_several_times_before_their_gradients() -> None:
    pyramid = architecture(3, 70, 65, 5)
    losses, points = CompiledLosses(pyramid, None), [point(pyramid, seed) for seed in range(3)]
    expected = [results(losses, at.to(torch.float32)) for at in points]
    images = [losses.image(at.latents, at.matrices) for at in points]
    bits = [losses.bits(at.latents, at.matrices) for at in points]
    for at, image, its_bits in zip(points, images, bits, strict=True):
        torch.autograd.backward(0.01 * its_bits + (image * at.factors).sum())
    for at, image, its_bits, known in zip(points, images, bits, expected, strict=True):
        found = [its_bits.detach(), image.detach(), *at.gradients()]
        assert all(torch.equal(one, other) for one, other in zip(known, found, strict=True))


def test_one_losses_may_be_taken_by_several_threads_at_once(pool: ThreadPoolExecutor) -> None:
    pyramid = architecture(3, 128, 128, 7)
    losses, points = CompiledLosses(pyramid, pool), [point(pyramid, seed) for seed in range(4)]

    def gradients(n: int) -> tuple[torch.Tensor, ...]:
        matrices = [matrix.detach().float().requires_grad_() for matrix in points[n].matrices]
        bits = losses.bits(points[n].latents.float(), matrices)
        return torch.autograd.grad(bits, matrices[: len(CONTEXT_MATRICES)])

    alone, before = [gradients(n) for n in range(4)], sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(2) as callers:
            for _ in range(10):
                for known, found in zip(alone, callers.map(gradients, range(4)), strict=True):
                    assert all(torch.equal(one, other) for one, other in zip(known, found, strict=True))
    finally:
        sys.setswitchinterval(before)


def test_numbers_of_neurons_that_the_loops_cannot_take_are_refused() -> None:
    pyramid = architecture(3, 8, 8, 2)
    for sizes in ({"context": 6, "synthesis": 12}, {"context": 8, "synthesis": 10}):
        with pytest.raises(ValueError, match="multiples of 4"):
            CompiledLosses(replace(pyramid, prior=made_up_prior(1, **sizes)), None)
    for known in priors():
        CompiledLosses(architecture(known.channels, 8, 8, 2), None)


def test_a_step_keeps_few_planes_of_a_large_image_at_once() -> None:
    pyramid = architecture(3, 700, 800, 9)
    n_pixels = pyramid.height * pyramid.width
    losses, at = CompiledLosses(pyramid, None), point(pyramid, 0).to(torch.float32)
    target = Target.of(np.zeros((pyramid.height, pyramid.width, 3), np.uint8), None)

    def step() -> torch.Tensor:
        noise = torch.zeros_like(at.latents)
        latents = losses.soften(at.latents, noise, 0.3)
        return losses.bits(latents, at.matrices) + losses.distortion(latents, at.matrices, target)

    torch.autograd.backward(step())  # what loops keep to work in is there now
    tracemalloc.start()
    torch.autograd.backward(step())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Twelve planes are the stacks. A layer keeps its samples and a mask, and works on three planes more.
    assert 12 < peak / (4 * n_pixels) < 30

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

from benchmarks.cnn_choices.changes import hold, wider
from benchmarks.cnn_choices.choices import CHOICES, Choice, filters, hyperlatents
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.losses import losses_on
from inr.cnn.fit.plain_losses import PlainLosses
from inr.cnn.fit.presets import choose_pyramid
from inr.cnn.fit.schedule import PyramidSettings
from inr.cnn.fit.trainer import PyramidFit
from inr.fit.threads import torch_threads

PIXELS = np.ascontiguousarray(data.astronaut()[20:52, 150:190])


def fitted(shape: LatentPyramid, choice: Choice, n_steps: int) -> PyramidFit:
    with torch_threads(1), losses_on("cpu", shape) as losses:
        generator = torch.Generator().manual_seed(0)
        settings = PyramidSettings(n_steps)
        fit = PyramidFit(PIXELS, shape, settings, losses, 1e-3, generator, lambda _: True)
        hold(fit, shape, choice)
        fit.together()
    return fit


@pytest.mark.parametrize("without", [(), (filters,), (hyperlatents, filters)])
def test_what_a_choice_does_without_stays_what_it_begins_as(without: tuple) -> None:
    shape = replace(choose_pyramid(PIXELS, 1e-3), n_levels=6)
    fit = fitted(shape, Choice("", without=without), 30)
    named = dict(zip(shape.matrices, fit.weights.matrices, strict=True))
    known = torch.tensor(shape.known("filters")).float() * 2.0 ** -shape.exponent("filters")
    assert torch.equal(named["filters"].detach(), known) == (filters in without)
    n_shown = sum(height * width for height, width in shape.grid_shapes[: shape.n_levels])
    assert bool(fit.latents[:n_shown].any())
    assert bool(fit.latents[n_shown:].any()) == (hyperlatents not in without)


def test_errors_beyond_the_scale_count_only_where_both_sides_do() -> None:
    shape = choose_pyramid(PIXELS, 1e-3)
    chosen = fitted(shape, CHOICES[0], 0)
    assert (chosen.least.isinf() | (chosen.least == 0)).all()
    [both] = [choice for choice in CHOICES if not choice.one_sided]
    fit = fitted(shape, both, 0)
    assert (fit.least == -math.inf).all()
    assert (fit.most == math.inf).all()


@pytest.mark.parametrize("more", [(0, 0), (4, 0), (0, 8), (4, 8)])
def test_wider_networks_begin_as_the_same_function(more: tuple[int, int]) -> None:
    shape = replace(choose_pyramid(PIXELS, 1e-3), n_levels=5)
    other = wider(shape, more)
    assert other.prior.context_neurons == shape.prior.context_neurons + more[0]
    assert other.prior.synthesis_neurons == shape.prior.synthesis_neurons + more[1]
    latents = 3 * torch.randn(shape.n_latents, generator=torch.Generator().manual_seed(1))

    def outputs(of: LatentPyramid) -> tuple[torch.Tensor, torch.Tensor]:
        matrices = []
        for name, size in of.matrices.items():
            known = torch.tensor(of.known(name)).float() * 2.0 ** -of.exponent(name)
            assert tuple(known.shape) == size
            matrices.append(known)
        losses = PlainLosses(of)
        return losses.bits(latents, matrices), losses.image(latents, matrices)

    with torch_threads(1):
        for found, expected in zip(outputs(other), outputs(shape), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_new_neurons_have_inputs_so_that_they_can_learn() -> None:
    shape = choose_pyramid(PIXELS, 1e-3)
    hidden, wide = shape.prior.context_neurons, shape.prior.synthesis_neurons
    known = wider(shape, (4, 8)).prior.matrices
    for name, first, n in (("context0", hidden, 4), ("context1", hidden, 4), ("synthesis0", wide, 8)):
        assert known[name][first : first + n].any(axis=1).all()

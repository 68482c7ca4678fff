from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data

from benchmarks.cnn_choices.choices import CHOICES, Choice
from benchmarks.cnn_choices.held import HeldFits, masks, prior_without
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.prior import NO_GAIN, priors
from tests.inr.cnn.fit.drawn import DEVICE

pytestmark = pytest.mark.usefixtures("doubles")

PRIOR = priors()[0]
PIXELS = np.ascontiguousarray(data.astronaut()[20:36, 150:166])
SHAPE = LatentPyramid(channels=3, width=16, height=16, n_levels=PRIOR.n_levels, prior=PRIOR, gain=NO_GAIN)


def chosen(name: str) -> Choice:
    return next(choice for choice in CHOICES if choice.name == name)


def fitted(choice: Choice, pixels: np.ndarray = PIXELS) -> HeldFits:
    shape = replace(SHAPE, prior=prior_without(PRIOR, SHAPE, choice))
    settings = PyramidSettings(n_steps=4, tail_fraction=0.0)
    fits = HeldFits(
        choice, [pixels], shape, settings, rd_lambdas=[1e-3], seeds=[0], device=torch.device(DEVICE)
    )
    for index in range(4):
        fits.take_step(index)
    return fits


@pytest.mark.parametrize("name", ["no parents, no hyperlatents", "no filters", "no linear paths"])
def test_what_is_held_stays_and_all_else_moves(name: str) -> None:
    fits = fitted(chosen(name))
    kept = masks(fits.architecture, chosen(name))
    flat = torch.cat([kept[name].flatten() for name in fits.architecture.matrices]).bool()
    assert not flat.all()
    moved = (fits.weights != fits.known)[0].cpu()
    assert not moved[~flat].any()
    assert moved[flat].any()
    assert not fits.latents[0].cpu()[~kept["latents"].bool()].any()


def test_a_prior_without_filters_passes_latents_on_as_they_are() -> None:
    found = prior_without(PRIOR, SHAPE, chosen("no filters")).matrices["filters"]
    assert (found[:, 0] == 1 << PRIOR.exponents["filters"]).all()
    assert not found[:, 1:].any()


@pytest.mark.parametrize("n_neurons", [24, 48])
def test_a_prior_has_the_neurons_of_its_choice(n_neurons: int) -> None:
    found = prior_without(PRIOR, SHAPE, chosen(f"{n_neurons} synthesis neurons"))
    shape = replace(SHAPE, prior=found)
    assert found.synthesis_neurons == n_neurons
    assert {name: matrix.shape for name, matrix in found.matrices.items()} == shape.matrices
    if n_neurons > PRIOR.synthesis_neurons:
        assert not found.matrices["synthesis1"][:, PRIOR.synthesis_neurons : n_neurons].any()


def test_errors_on_both_sides_count_what_lies_beyond_the_scale() -> None:
    white = np.full_like(PIXELS, 255)
    beyond = torch.full((1, 3, 16, 16), 1.5, device=DEVICE)
    one, both = fitted(CHOICES[0], white), fitted(chosen("error on both sides"), white)
    assert not one._distortion(beyond).any()
    assert float(one.mse) == 0
    torch.testing.assert_close(both._distortion(beyond), torch.full_like(beyond, 2 * 0.5 / (3 * 16 * 16)))
    assert float(both.mse) == pytest.approx(0.25)

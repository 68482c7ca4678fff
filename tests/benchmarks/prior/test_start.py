from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.prior.entries import write
from benchmarks.prior.start import deepened, nearest
from inr.cnn.architecture import LatentPyramid
from inr.cnn.grids import MAX_LEVELS, grids_of
from inr.cnn.prior import NO_GAIN, Prior, priors
from tests.inr.networks import made_up_prior

LEVELS = 7


def shape_of(known: Prior, n_levels: int) -> LatentPyramid:
    return LatentPyramid(
        channels=known.channels, width=9, height=9, n_levels=n_levels, prior=known, gain=NO_GAIN
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("n_levels", [LEVELS, MAX_LEVELS])
def test_what_a_prior_of_fewer_levels_has_stays_as_it_is(channels: int, n_levels: int) -> None:
    known = made_up_prior(1, channels=channels, n_levels=n_levels)
    found = deepened(known, known.rd_lambda, torch.Generator().manual_seed(0))
    whole = replace(known, n_levels=MAX_LEVELS)
    shapes = shape_of(whole, MAX_LEVELS).matrices
    assert {name: tuple(matrix.shape) for name, matrix in found.items()} == shapes
    integers = {
        name: (matrix * 2.0 ** known.exponents[name]).round().int().numpy() for name, matrix in found.items()
    }
    whole = replace(whole, matrices=integers)
    for name in shapes:
        again = whole.matrix(name, channels, n_levels, NO_GAIN)
        np.testing.assert_array_equal(again, known.matrices[name])


def test_new_levels_begin_as_the_coarsest_that_there_was() -> None:
    known = made_up_prior(1, n_levels=LEVELS)
    found = deepened(known, known.rd_lambda, torch.Generator().manual_seed(0))
    for name in ("filters", "upsampling"):
        assert (found[name][LEVELS - 1 :] == found[name][LEVELS - 2]).all()
    inputs = found["synthesis0"][:, :-1]
    assert (inputs[:, LEVELS:] == inputs[:, LEVELS - 1 : LEVELS]).all()
    grids = grids_of(MAX_LEVELS)
    constants = [found["parents"][:, grid.columns.stop - 1] for grid in grids]
    for grid, its in zip(grids, constants, strict=True):
        assert torch.equal(its, constants[LEVELS - 1]) == (grid.depth >= LEVELS - 1 and not grid.is_hyper)
    new = found["parents"][:, grids[0].first_column + grids[0].parents.index(MAX_LEVELS - 1)]
    assert 0 < new.abs().max() < 0.1


def test_latents_are_in_units_that_go_with_the_root_of_lambda() -> None:
    known = made_up_prior(1)
    same, other = (
        deepened(known, factor * known.rd_lambda, torch.Generator().manual_seed(0)) for factor in (1, 4)
    )
    torch.testing.assert_close(other["synthesis0"][:, :-1], 2 * same["synthesis0"][:, :-1])
    torch.testing.assert_close(other["synthesis0"][:, -1], same["synthesis0"][:, -1])
    assert all(torch.equal(same[name], other[name]) for name in same if name != "synthesis0")


def test_a_fit_begins_with_the_prior_whose_lambda_is_nearest(tmp_path: Path) -> None:
    for known in priors():
        assert nearest(known.channels, 1.05 * known.rd_lambda, None) is known
    sizes = {"n_levels": 1, "context_neurons": 1, "synthesis_neurons": 1, "n_residuals": 0}
    entries = [
        {"rd_lambda": rd_lambda, "channels": channels, **sizes, "exponents": {}, "matrices": {}}
        for channels, rd_lambda in ((3, 1e-4), (1, 1e-3), (3, 1e-2))
    ]
    write(entries, tmp_path / "start.json")
    found = [nearest(3, rd_lambda, tmp_path / "start.json") for rd_lambda in (1e-9, 9e-4, 1.1e-3, 1.0)]
    assert [known.number for known in found] == [1, 1, 3, 3]
    assert nearest(1, 1e-4, tmp_path / "start.json").number == 2

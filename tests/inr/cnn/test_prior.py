import numpy as np
import pytest

from inr import InvalidField
from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.grids import MAX_LEVELS
from inr.cnn.network import MatrixCoding, Weights, context_model, synthesis, weights_of
from inr.cnn.prior import N_GAINS, NO_GAIN, Prior, prior, priors
from tests.inr.networks import pyramid

# Exponents that leave the arithmetic room (FORMAT.md, section 9.2); others are those of residual layers.
RANGES = {
    "context0": (7, 15),
    "parents": (7, 15),
    "synthesis0": (9, 12),
    "filters": (3, 10),
    "upsampling": (3, 10),
}


@pytest.mark.parametrize("number", [-1, 0, len(priors()) + 1])
def test_there_is_no_prior_of_another_number(number: int) -> None:
    with pytest.raises(InvalidField, match=f"prior: expected 1 to {len(priors())}, found {number}"):
        prior(number)


def test_priors_are_numbered_from_one_on() -> None:
    assert [known.number for known in priors()] == list(range(1, len(priors()) + 1))
    assert [prior(known.number) for known in priors()] == list(priors())
    assert {known.channels for known in priors()} == {1, 3}


@pytest.mark.parametrize("known", priors(), ids=lambda known: str(known.number))
def test_a_prior_has_every_matrix_in_its_shape_with_an_exponent_in_its_range(known: Prior) -> None:
    assert 1 <= known.n_levels <= MAX_LEVELS
    shape = pyramid(known.number, n_levels=known.n_levels)
    assert {name: matrix.shape for name, matrix in known.matrices.items()} == shape.matrices
    assert known.exponents.keys() == shape.matrices.keys()
    for name, exponent in known.exponents.items():
        low, high = RANGES.get(name, (3, 15))
        assert low <= exponent <= high, name


def test_a_file_that_adds_nothing_to_its_prior_has_its_networks() -> None:
    shape, weights = nothing_added(pyramid(more=1, gain=NO_GAIN + 6))
    context, networks = context_model(shape, weights), synthesis(shape, weights)
    known = prior(1)
    for place, name in enumerate(CONTEXT_MATRICES):
        np.testing.assert_array_equal(context.weights[place], shape.known(name))
        assert context.exponents[place] == known.exponents[name]
    np.testing.assert_array_equal(context.weights[0], known.matrices["context0"])
    np.testing.assert_array_equal(networks.upsampling, known.matrices["upsampling"][:2])
    np.testing.assert_array_equal(networks.filters, known.matrices["filters"][:2])
    before = known.matrices["synthesis0"] * 2.0 ** -known.exponents["synthesis0"]
    after = networks.first * 2.0 ** -networks.exponents[2]
    unit = 2.0 ** -networks.exponents[2]
    np.testing.assert_allclose(after[:-1, :3], before[:, :3] * 2**1.5, rtol=2e-3, atol=unit)
    np.testing.assert_allclose(after[:-1, 3], before[:, -1], atol=unit)
    assert not after[-1].any()
    np.testing.assert_array_equal(networks.second[:3], known.matrices["synthesis1"])
    assert not networks.second[3].any()
    residual = networks.residuals[0]
    assert residual.shape == (4, 37)
    np.testing.assert_array_equal(residual[:3, :27], known.matrices["residual0"][:, :27])
    assert not residual[3].any()
    assert not residual[:, 27:36].any()


@pytest.mark.parametrize("gain", range(N_GAINS))
def test_every_gain_leaves_room_for_what_files_add(gain: int) -> None:
    for known in priors():
        for more in (0, 1):
            shape = pyramid(known.number, n_levels=known.n_levels, more=more, gain=gain)
            nothing_added(shape)  # no row's sum leaves its limit
            assert shape.exponent("synthesis0") >= 6


@pytest.mark.parametrize("known", priors(), ids=lambda known: str(known.number))
def test_fewer_levels_have_the_blocks_of_the_grids_that_are_left(known: Prior) -> None:
    every = pyramid(known.number, n_levels=known.n_levels)
    columns = {}
    for grid in every.grids:
        names = [*(every.grids[parent].name for parent in grid.parents), "constant"]
        for column, name in zip(range(*grid.columns.indices(1000)), names, strict=True):
            columns[grid.name, name] = known.matrices["parents"][:, column]
    for n_levels in range(1, known.n_levels + 1):
        shape = pyramid(known.number, n_levels=n_levels)
        matrix = shape.known("parents")
        for grid in shape.grids:
            names = [*(shape.grids[parent].name for parent in grid.parents), "constant"]
            expected = [columns[grid.name, name] for name in names]
            np.testing.assert_array_equal(matrix[:, grid.columns].T, expected)


def nothing_added(shape: LatentPyramid) -> tuple[LatentPyramid, dict[str, Weights]]:
    symbols = [np.zeros(size, np.int32) for size in shape.matrices.values()]
    return shape, weights_of(shape, symbols, [MatrixCoding(0, 0)] * len(symbols))

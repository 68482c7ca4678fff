import numpy as np
import pytest

from inr import InvalidField
from inr.cnn.network import MatrixCoding, context_model, synthesis, weights_of
from inr.cnn.prior import N_GAINS, NO_GAIN, prior, priors
from tests.inr.networks import with_prior


@pytest.mark.parametrize("number", [-1, 0, len(priors()) + 1])
def test_there_is_no_prior_of_another_number(number: int) -> None:
    with pytest.raises(InvalidField, match=f"prior: expected 1 to {len(priors())}, found {number}"):
        prior(number)


def test_priors_are_numbered_from_one_on() -> None:
    assert [known.number for known in priors()] == list(range(1, len(priors()) + 1))
    assert [prior(known.number) for known in priors()] == list(priors())
    assert [known.channels for known in priors()] == [3, 1]


def test_a_file_that_adds_nothing_to_its_prior_has_its_networks() -> None:
    shape = with_prior(1, more=1, gain=NO_GAIN + 6)
    symbols = [np.zeros(size, np.int32) for size in shape.matrices.values()]
    weights = weights_of(shape, symbols, [MatrixCoding(0, 0)] * len(symbols))
    context, networks = context_model(weights), synthesis(shape, weights)
    known = prior(1)
    np.testing.assert_array_equal(context.weights[1], known.matrices["context1"])
    assert context.exponents[1] == known.exponents["context1"]
    np.testing.assert_array_equal(networks.filters, known.matrices["upsampling"][:2])
    before = known.matrices["synthesis0"] * 2.0 ** -known.exponents["synthesis0"]
    after = networks.first * 2.0 ** -networks.exponents[1]
    unit = 2.0 ** -networks.exponents[1]
    np.testing.assert_allclose(after[:, :3], before[:, :3] * 2**1.5, rtol=2e-3, atol=unit)
    np.testing.assert_allclose(after[:, 3], before[:, -1], atol=unit)
    np.testing.assert_array_equal(networks.second[:3], known.matrices["synthesis1"])
    residual = networks.residuals[0]
    assert residual.shape == (4, 37)
    np.testing.assert_array_equal(residual[:3, :27], known.matrices["residual0"][:, :27])
    assert not residual[3].any()
    assert not residual[:, 27:36].any()


@pytest.mark.parametrize("gain", range(N_GAINS))
def test_every_gain_leaves_room_for_what_files_add(gain: int) -> None:
    for known in priors():
        shape = with_prior(known.number, n_levels=known.n_levels, width=256, height=256, gain=gain)
        symbols = [np.zeros(size, np.int32) for size in shape.matrices.values()]
        weights_of(shape, symbols, [MatrixCoding(0, 0)] * len(symbols))  # no row's sum leaves its limit

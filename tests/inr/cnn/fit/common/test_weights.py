import math

import numpy as np
import pytest
import torch

from inr.cnn.fit.common.finish import rounded_network
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.common.weights import (
    ASSUMED_EXPONENT,
    NetworkWeights,
    cheapest_exponent,
    mean_index,
    symbol_bits,
)
from inr.cnn.network import largest_symbol
from inr.fit.quantizer import round_straight_through
from tests.inr.cnn.fit.drawn import architecture

SHAPE = architecture(3, 40, 24, 5)


def weights() -> NetworkWeights:
    return NetworkWeights(SHAPE)


def test_networks_begin_as_the_prior_and_cost_next_to_nothing() -> None:
    begun = weights()
    for n, name in enumerate(SHAPE.matrices):
        known = torch.tensor(SHAPE.known(name)) * 2.0 ** -SHAPE.exponent(name)
        torch.testing.assert_close(begun.matrices[n].detach(), known.float(), rtol=0, atol=0)
        assert not begun.symbols(n, SHAPE.exponent(name)).any()
    assert float(begun.assumed_bits().detach()) < 0.3 * SHAPE.n_weights


@pytest.mark.parametrize("exponent", [0, 3, 7])
def test_symbols_are_the_difference_from_the_prior(exponent: int) -> None:
    changed = weights()
    with torch.no_grad():
        changed.matrices[0][2, 3] += 5 * 2.0**-7
    symbols, coding = changed.coded(0, exponent)
    assert (coding.exponent, symbols.dtype) == (exponent, np.int32)
    assert symbols[2, 3] == (0 if exponent < 7 else 5)
    assert np.count_nonzero(symbols) == (exponent == 7)
    [again, *_], bits = changed.rounded([exponent] * len(changed.matrices))
    expected = changed.with_symbols(0, torch.tensor(symbols).float(), exponent)
    torch.testing.assert_close(again, expected)
    assert float(bits.detach()) > 0


def test_rounded_symbols_pass_gradients_on() -> None:
    begun = weights()
    matrices, _ = begun.rounded([7] * len(begun.matrices))
    matrices[1].sum().backward()
    assert (begun.matrices[1].grad == 1).all()


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_what_the_format_has_no_room_for_does_not_fit_and_is_cut_off(value: float) -> None:
    broken = weights()
    assert broken.fits(0, broken.symbols(0, 7), 7)
    with torch.no_grad():
        broken.matrices[0][0, 0] = value
    assert not broken.fits(0, broken.symbols(0, 7).round(), 7)
    assert not broken.coded(0, 7)[0].any()


def test_a_network_that_came_apart_is_made_all_the_same() -> None:
    """Whatever its exponents are: it does not count, since its bits are not finite, or its error is large."""
    names, latents = list(SHAPE.matrices), torch.zeros(SHAPE.n_latents)
    for n in range(len(names)):
        for exponent in (1, 2, 3):
            broken = weights()
            with torch.no_grad():
                broken.matrices[n] += 1e4 * torch.where(broken._known[n] < 0, -1.0, 1.0)
            exponents = [exponent if other == n else 0 for other in range(len(names))]
            rounded_network(SHAPE, latents, broken, exponents, PlainLosses(SHAPE))


def test_larger_symbols_cost_more() -> None:
    drawn = torch.randn(12, 20, generator=torch.Generator().manual_seed(0))
    bits = [float(symbol_bits((scale * drawn).round())) for scale in (0.1, 1.0, 10.0)]
    assert bits == sorted(bits)
    assert bits[-1] > bits[0] + 12 * 20 * 3


@pytest.mark.parametrize("by", [0.001, 0.1])
def test_bits_of_all_matrices_are_the_sum_of_those_of_each(by: float) -> None:
    changed, generator = weights(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for matrix in changed.matrices:
            matrix += by * torch.randn(matrix.shape, generator=generator)
    exponents = [(0, 3, 8)[n % 3] for n in range(len(changed.matrices))]
    symbols = [changed.symbols(n, k) for n, k in enumerate(exponents)]
    apart = torch.stack([symbol_bits(round_straight_through(mine)) for mine in symbols]).sum()
    matrices, bits = changed.rounded(exponents)
    torch.testing.assert_close(bits, apart)
    for n, (matrix, exponent) in enumerate(zip(matrices, exponents, strict=True)):
        torch.testing.assert_close(matrix, changed.with_symbols(n, symbols[n].round(), exponent))
    assumed = [symbol_bits(changed.symbols(n, ASSUMED_EXPONENT)) for n in range(len(exponents))]
    torch.testing.assert_close(changed.assumed_bits(), torch.stack(assumed).sum())
    gradients = (torch.autograd.grad(each, changed.matrices) for each in (bits, apart))
    for mine, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, expected)


def test_a_matrix_has_the_scale_of_its_mean_or_one_that_reaches_its_largest() -> None:
    assert mean_index(np.zeros((3, 4), np.int32)) == 0
    spike = np.zeros((30, 40), np.int32)
    spike[3, 5] = 900
    assert largest_symbol(mean_index(spike)) >= 900
    assert largest_symbol(mean_index(spike) - 1) < 900


@pytest.mark.parametrize("best", [0, 1, 5, 8, 9, 12])
def test_the_cheapest_exponent_is_found_in_its_valley_with_few_costs(best: int) -> None:
    asked: list[int] = []

    def cost(exponent: int) -> float:
        asked.append(exponent)
        return float(abs(exponent - best)) if exponent or not best else 100.0

    assert cheapest_exponent(cost, 12) == best
    assert len(asked) == len(set(asked)) <= 4 + abs(best - 8)


@pytest.mark.parametrize("most", [1, 3, 8, 15])
def test_the_cheapest_exponent_is_at_most_the_priors(most: int) -> None:
    assert cheapest_exponent(lambda exponent: -float(exponent), most) == most
    assert cheapest_exponent(float, most) == 0
    assert cheapest_exponent(lambda exponent: math.inf, most) == 0  # where none fits


def test_an_exponent_that_does_not_fit_is_passed_by() -> None:
    assert cheapest_exponent(lambda exponent: math.inf if exponent > 3 else -float(exponent), 12) == 3

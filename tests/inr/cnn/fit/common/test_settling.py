"""Symbols that settle: over a cost of which the best state is known, and over real losses."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch

from inr.cnn.architecture import CONTEXT_MATRICES
from inr.cnn.fit.common.settling import TRIALS_A_ROUND, Answer, Asked, advance, settle
from inr.cnn.fit.common.weights import NetworkWeights, symbol_bits
from tests.inr.cnn.fit.drawn import architecture

SHAPE = architecture(3, 12, 9, 3)
N_MATRICES = len(SHAPE.matrices)
EXPONENTS = [6] * N_MATRICES
PER_BIT = 1e-6


def drawn(spread: float = 3.0) -> NetworkWeights:
    """Weights a few symbols away from the prior's."""
    weights, generator = NetworkWeights(SHAPE), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for matrix in weights.matrices:
            matrix += spread * 2.0**-6 * torch.randn(matrix.shape, generator=generator)
    return weights


@torch.no_grad()
def rounded(weights: NetworkWeights) -> list[torch.Tensor]:
    return [weights.symbols(n, k).round() for n, k in enumerate(EXPONENTS)]


class Bowl:
    """Bits and distortion that are least where the matrices of both parts are as told."""

    def __init__(self, best: Sequence[torch.Tensor], steepness: float = 1.0) -> None:
        self._best, self._steepness = best, steepness
        self.seen: list[Asked] = []

    def parts(self, matrices: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        errors = [(mine - best).square().sum() for mine, best in zip(matrices, self._best, strict=True)]
        split = len(CONTEXT_MATRICES)
        scale = self._steepness
        return scale / PER_BIT * torch.stack(errors[:split]).sum(), scale * torch.stack(errors[split:]).sum()

    def __call__(self, asked: Asked) -> Answer:
        self.seen.append(asked)
        if asked.changed is not None:
            bits, distortion = map(float, self.parts(asked.matrices))
            unseen = math.nan  # what the change leaves as it is must not be looked at
            return Answer(bits, unseen) if asked.is_of_context else Answer(unseen, distortion)
        with torch.enable_grad():
            leaves = [matrix.clone().requires_grad_() for matrix in asked.matrices]
            bits, distortion = self.parts(leaves)
            gradients = torch.autograd.grad(distortion + PER_BIT * bits, leaves)
        return Answer(float(bits.detach()), float(distortion.detach()), gradients)


def run(
    weights: NetworkWeights,
    answer: Callable[[Asked], Answer],
    n_trials: int,
    exponents: Sequence[int] = EXPONENTS,
) -> list[Asked]:
    settling, seen = settle(weights, exponents, PER_BIT, n_trials), []
    asked = next(settling, None)
    while asked is not None:
        seen.append(asked)
        asked = advance(settling, answer(asked))
    return seen


def test_symbols_move_to_where_the_cost_is_least() -> None:
    """A few symbols are off by one or by two; the rest, whose bits cost next to nothing, stays."""
    weights = drawn()
    known = rounded(weights)
    best = [weights.with_symbols(n, symbols, 6) for n, symbols in enumerate(known)]
    off = [(0, 3, 1.0), (1, 40, -2.0), (2, 0, 1.0), (N_MATRICES - 1, 7, -1.0), (6, 11, 2.0)]
    with torch.no_grad():
        for n, at, by in off:
            symbols = known[n].clone().contiguous()
            symbols.view(-1)[at] += by
            weights.matrices[n].copy_(weights.with_symbols(n, symbols, 6))
    run(weights, Bowl(best, steepness=1e3), 500)
    for mine, its in zip(rounded(weights), known, strict=True):
        torch.testing.assert_close(mine, its)


def test_symbols_that_nothing_needs_move_to_where_they_cost_no_bits() -> None:
    weights = drawn(spread=0.8)
    before = sum(float(symbol_bits(symbols)) for symbols in rounded(weights))
    run(weights, Bowl([matrix.detach().clone() for matrix in weights.matrices], steepness=0.0), 5000)
    after = sum(float(symbol_bits(symbols)) for symbols in rounded(weights))
    assert after < 0.2 * before


def test_the_cost_falls_and_weights_end_as_the_best_that_was_asked_for() -> None:
    weights = drawn()
    bowl = Bowl([matrix.detach().clone() for matrix in weights.matrices])  # not at any symbols

    def cost(asked: Asked) -> float:
        bits, distortion = map(float, bowl.parts(asked.matrices))
        return distortion + PER_BIT * (bits + asked.own_bits)

    seen = run(weights, bowl, 400)
    costs = [cost(asked) for asked in seen]
    least = seen[costs.index(min(costs))]
    assert min(costs) < costs[0]
    for mine, its in zip(weights.matrices, least.matrices, strict=True):
        assert torch.equal(mine, its)
    assert least.own_bits == pytest.approx(sum(float(symbol_bits(mine)) for mine in rounded(weights)))


@pytest.mark.parametrize("n_trials", [0, 1, TRIALS_A_ROUND, TRIALS_A_ROUND + 7])
def test_no_more_moves_are_tried_than_allowed(n_trials: int) -> None:
    weights = drawn()
    bowl = Bowl([torch.zeros_like(matrix) for matrix in weights.matrices], steepness=1e3)
    seen = run(weights, bowl, n_trials)
    assert sum(asked.changed is not None for asked in seen) == n_trials
    assert sum(asked.changed is None for asked in seen) == -(-n_trials // TRIALS_A_ROUND)


def test_a_matrix_that_is_not_coded_stays_as_it_is() -> None:
    weights = drawn()
    bowl = Bowl([torch.zeros_like(matrix) for matrix in weights.matrices])
    seen = run(weights, bowl, 100, [0, *EXPONENTS[1:]])
    assert 0 not in {asked.changed for asked in seen}
    assert len(seen) > 100
    assert torch.equal(weights.matrices[0], NetworkWeights(SHAPE).matrices[0])


def test_a_move_for_which_the_format_has_no_room_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = drawn()
    monkeypatch.setattr(NetworkWeights, "fits", lambda _self, n, _symbols, _exponent: n != 2)
    seen = run(weights, Bowl([torch.zeros_like(matrix) for matrix in weights.matrices]), 200)
    changed = {asked.changed for asked in seen}
    assert 2 not in changed
    assert len(changed) > 3


def test_a_fit_that_came_apart_is_asked_for_once() -> None:
    weights = drawn()
    with torch.no_grad():
        weights.matrices[0][0, 0] = math.nan
    bowl = Bowl([torch.zeros_like(matrix) for matrix in weights.matrices])
    assert len(run(weights, bowl, 100)) == 1

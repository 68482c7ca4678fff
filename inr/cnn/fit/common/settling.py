"""The last stretch of a fit of family `cnn`: single symbols of the networks move where that lowers the cost.

The stretch before it rounds weights straight through, so it ends beside the best rounded state, not at it.
The gradient there says which symbols to try: of the moves that pay, nearly all are among those that it calls
good (benchmarks/results/cnn_choices.md). Each is tried by itself, and kept if the cost is lower. Cool-Chic
5.0.1 searches all symbols; here the gradient chooses.

`settle` is a generator, so that a card can measure the trials of several images in step.
"""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from inr.cnn.architecture import CONTEXT_MATRICES
from inr.cnn.fit.common.weights import NetworkWeights, symbol_bits
from inr.fit.entropy import constant_and_slope, context_scales

_T = TypeVar("_T")

TRIALS_A_ROUND = 50  # by one gradient
_LEAST_GAIN = 1e-4  # of the cost: the first round that gains less is the last


@dataclass(frozen=True)
class Asked:
    """Rounded matrices that are to be measured.

    Attributes:
        matrices: The matrices, in wire order.
        changed: Number of the one matrix that differs from what was kept; None where gradients are wanted.
        own_bits: Bits of the matrices' symbols.
    """

    matrices: Sequence[torch.Tensor]
    changed: int | None
    own_bits: float

    @property
    def is_of_context(self) -> bool:
        """Whether the change is the context model's, which leaves the distortion as it is."""
        return self.changed is not None and self.changed < len(CONTEXT_MATRICES)


@dataclass(frozen=True)
class Answer:
    """What rounded matrices lead to.

    Attributes:
        bits: Bits of the latents; not looked at after a change of the synthesis.
        distortion: Mean squared error; not looked at after a change of the context model.
        gradients: Of distortion + per_bit · bits, for each matrix, where they are wanted.
    """

    bits: float
    distortion: float
    gradients: Sequence[torch.Tensor] = ()


Settling = Generator[Asked, Answer, None]


@dataclass(frozen=True)
class _State:
    """Symbols, what they stand for, and what they cost."""

    symbols: tuple[torch.Tensor, ...]
    matrices: tuple[torch.Tensor, ...]
    own_bits: tuple[float, ...]
    bits: float = 0.0
    distortion: float = 0.0

    def cost(self, per_bit: float) -> float:
        return self.distortion + per_bit * (self.bits + sum(self.own_bits))

    def asked(self, changed: int | None = None) -> Asked:
        return Asked(self.matrices, changed, sum(self.own_bits))

    def measured(self, asked: Asked, answer: Answer) -> "_State":
        if asked.changed is None:
            return replace(self, bits=answer.bits, distortion=answer.distortion)
        if asked.is_of_context:
            return replace(self, bits=answer.bits)
        return replace(self, distortion=answer.distortion)


@torch.no_grad()
def settle(weights: NetworkWeights, exponents: Sequence[int], per_bit: float, n_trials: int) -> Settling:
    """Ask what rounded matrices lead to, and keep the symbols that cost least.

    Args:
        weights: The networks' weights; in the end they are what those symbols stand for.
        exponents: Exponent of each matrix, in wire order.
        per_bit: Cost of a bit.
        n_trials: Most moves that are tried.
    """
    state, n_tried = _begun(weights, exponents), 0
    while n_tried < n_trials:
        asked = state.asked()
        answer = yield asked
        state = state.measured(asked, answer)
        first = state.cost(per_bit)
        if not math.isfinite(first):
            break
        moves = _moves(state, exponents, answer.gradients, per_bit)
        for n, at, by in moves[: min(TRIALS_A_ROUND, n_trials - n_tried)]:
            n_tried += 1
            trial = _moved(state, weights, exponents, n, at, by)
            if trial is None:
                continue
            asked = trial.asked(n)
            trial = trial.measured(asked, (yield asked))
            if trial.cost(per_bit) < state.cost(per_bit):
                state = trial
        if first - state.cost(per_bit) < _LEAST_GAIN * first:
            break
    for matrix, mine in zip(weights.matrices, state.matrices, strict=True):
        matrix.copy_(mine)


def advance(settling: Settling, answer: Answer) -> Asked | None:
    """Give an answer; return what is asked for next, None at the end."""
    try:
        return settling.send(answer)
    except StopIteration:
        return None


def _begun(weights: NetworkWeights, exponents: Sequence[int]) -> _State:
    symbols = [weights.symbols(n, k).round().contiguous() for n, k in enumerate(exponents)]
    matrices = [weights.with_symbols(n, symbols[n], k) for n, k in enumerate(exponents)]
    own_bits = [float(symbol_bits(mine)) if k else 0.0 for mine, k in zip(symbols, exponents, strict=True)]
    return _State(tuple(symbols), tuple(matrices), tuple(own_bits))


def _moved(
    state: _State, weights: NetworkWeights, exponents: Sequence[int], n: int, at: int, by: float
) -> _State | None:
    """The state with one symbol moved; None where the format has no room for it."""
    symbols = state.symbols[n].clone()
    symbols.view(-1)[at] += by
    if not weights.fits(n, symbols, exponents[n]):
        return None

    return replace(
        state,
        symbols=_with(state.symbols, n, symbols),
        matrices=_with(state.matrices, n, weights.with_symbols(n, symbols, exponents[n])),
        own_bits=_with(state.own_bits, n, float(symbol_bits(symbols))),
    )


def _with(values: tuple[_T, ...], n: int, value: _T) -> tuple[_T, ...]:
    return (*values[:n], value, *values[n + 1 :])


def _moves(
    state: _State, exponents: Sequence[int], gradients: Sequence[torch.Tensor], per_bit: float
) -> list[tuple[int, int, float]]:
    """The moves by one that the gradient calls good, best first: matrix, place in it, and +1 or -1."""
    found = sorted(_good_moves(state, exponents, gradients, per_bit))
    return [(n, at, by) for _, n, at, by in found]


def _good_moves(
    state: _State, exponents: Sequence[int], gradients: Sequence[torch.Tensor], per_bit: float
) -> Iterator[tuple[float, int, int, float]]:
    for n, (symbols, exponent) in enumerate(zip(state.symbols, exponents, strict=True)):
        if not exponent:
            continue
        by_symbol = gradients[n] * 2.0**-exponent
        _, slope = constant_and_slope(context_scales(symbols))
        for by in (1.0, -1.0):
            more_bits = slope * ((symbols + by).abs() - symbols.abs())
            change = (by * by_symbol + per_bit * more_bits).reshape(-1)
            for at in torch.nonzero(change < 0).flatten().tolist():
                yield float(change[at]), n, at, by

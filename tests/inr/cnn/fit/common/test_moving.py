"""Latents that move: over real losses, and over a cost of which the best latents are known."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.losses import Target
from inr.cnn.fit.common.moving import BLOCK, MARGIN, Blocks, Measured, Moves, Play, at_once
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.common.weights import NetworkWeights
from tests.inr.cnn.fit.drawn import architecture

PER_BIT = 1e-3 / (80 * 70)
SHAPE = architecture(3, 80, 70, 5)


class Real:
    """The losses of a drawn picture, begun from several sets of latents, under the prior's networks."""

    def __init__(self, shape: LatentPyramid = SHAPE, distance: float = 0.2, n_images: int = 1) -> None:
        generator = torch.Generator().manual_seed(1)
        self._matrices = [matrix.detach() for matrix in NetworkWeights(shape).matrices]
        self._losses = PlainLosses(shape)
        self.best = torch.randn(shape.n_latents, generator=generator)
        noise = torch.randn(n_images, shape.n_latents, generator=generator)
        self.latents = (self.best + distance * noise).round()
        image = self._losses.image(self.best, self._matrices)
        self._target = Target(image.clamp(0, 1), None)
        self.per_bit = torch.full((n_images,), PER_BIT)

    def measure(self, latents: torch.Tensor) -> Measured:
        errors = self._target.squared_errors(self._losses.image(latents, self._matrices))
        bits = self._losses.latent_bits(latents, self._matrices)
        return Measured(bits, errors.sum(1).flatten(1) / errors[0].numel())

    def cost(self) -> float:
        return float(self.measure(self.latents).costs(self.per_bit).sum())

    def gradient(self, latents: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            leaf = latents.clone().requires_grad_()
            cost = self._target.squared_errors(self._losses.image(leaf, self._matrices)).mean((1, 2, 3))
            cost = cost + self.per_bit * self._losses.bits(leaf, self._matrices)
            return torch.autograd.grad(cost.sum(), leaf)[0]

    def move(self, n_trials: int, shape: LatentPyramid = SHAPE) -> list[float]:
        return [float(found.costs(self.per_bit).sum()) for found in self.moves(shape).rounds(n_trials)]

    def moves(self, shape: LatentPyramid = SHAPE, play: Play = at_once) -> Moves:
        return Moves(self.latents, shape, self.measure, self.gradient, per_bit=self.per_bit, play=play)


def test_each_round_lowers_the_cost_and_what_it_reports_is_what_the_latents_cost() -> None:
    real = Real()
    before = real.latents.clone()
    costs = [real.cost(), *real.move(64)]
    assert costs[1] == costs[0]
    assert len(costs) > 3
    assert all(late < early for early, late in itertools.pairwise(costs[1:]))
    last = real.cost()
    assert last < 0.99 * costs[0]
    moved = (real.latents - before).abs()
    assert set(moved.unique().tolist()) == {0.0, 1.0}


def test_what_is_kept_of_each_block_is_what_a_measure_of_all_finds() -> None:
    """Blocks do not reach each other: the cost that a round reports is that of its latents, measured anew."""
    real, seen = Real(), []
    measure = real.measure

    def noted(latents: torch.Tensor) -> Measured:
        seen.append(latents.clone())
        return measure(latents)

    real.measure = noted
    for found in real.moves().rounds(32):
        again = measure(real.latents)
        torch.testing.assert_close(found.bits, again.bits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found.errors, again.errors, rtol=1e-4, atol=1e-9)
    assert len(seen) == 33


@pytest.mark.parametrize("n_trials", [0, 1, 16, 21])
def test_no_more_trials_are_made_than_allowed(n_trials: int) -> None:
    real, n_measured = Real(distance=0.5), 0
    measure = real.measure

    def counted(latents: torch.Tensor) -> Measured:
        nonlocal n_measured
        n_measured += 1
        return measure(latents)

    real.measure = counted
    rounds = real.move(n_trials)
    assert n_measured == 1 + n_trials
    assert len(rounds) == -(-n_trials // 16)


def test_images_side_by_side_move_as_each_does_alone() -> None:
    """One of them, which has nothing to gain, ends after its first round; the others go on."""
    many = Real(n_images=3)
    Real.move(settled := Real(), 64)
    many.latents[1] = settled.latents[0]
    alone = [Real() for _ in range(3)]
    for one, its in zip(alone, many.latents.clone(), strict=True):
        one.latents = its[None].clone()
    rounds = len(many.move(64))
    assert rounds == max(len(one.move(64)) for one in alone)
    for one, its in zip(alone, many.latents, strict=True):
        assert torch.equal(one.latents[0], its)


def test_work_of_a_kind_is_given_to_what_plays_it() -> None:
    real, kinds = Real(), []

    def play(kind: str, work: Callable[[], None]) -> None:
        kinds.append(kind)
        work()

    assert len(list(real.moves(play=play).rounds(8))) == 1
    assert [kind[-1] for kind in kinds] == list("00010002")


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (40, 3), (33, 65)])
def test_grids_of_any_size(size: tuple[int, int]) -> None:
    width, height = size
    shape = architecture(3, width, height, 1 if min(size) == 1 else 2)
    real = Real(shape, distance=1.0)
    before = real.cost()
    real.move(16, shape)
    assert real.cost() <= before


def test_a_fit_that_came_apart_ends_after_a_round() -> None:
    real = Real()
    real.latents[0, 3] = math.nan
    assert len(real.move(64)) == 1


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_latent_in_the_middle_of_a_block_reaches_no_other_block(place: int) -> None:
    shape = architecture(3, 200, 150, 5)
    real = Real(shape)
    blocks = Blocks(shape, place, torch.tensor([5, 11]))
    hopes = torch.rand(1, shape.n_latents, generator=torch.Generator().manual_seed(2))
    [chosen] = blocks.best(hopes)
    found = real.measure(real.latents)
    for latent in chosen.nonzero().flatten().tolist():
        moved = real.latents.clone()
        moved[0, latent] += 3
        trial = real.measure(moved)
        own = blocks.of_latents[latent]
        changed = (trial.bits - found.bits)[0].abs() > 1e-4
        assert changed[latent]
        assert set(blocks.of_latents[changed].tolist()) == {int(own)}
        lit = (trial.errors - found.errors)[0].abs() > 1e-10
        assert set(blocks.of_pixels[lit].tolist()) <= {int(own)}


def test_every_latent_of_a_level_is_in_a_middle_at_some_place_of_the_blocks() -> None:
    shape = architecture(3, 40, 36, 3)
    seen = torch.zeros(shape.n_latents, dtype=torch.bool)
    for top in range(0, BLOCK, BLOCK - 2 * MARGIN):
        for left in range(0, BLOCK, BLOCK - 2 * MARGIN):
            blocks = Blocks(shape, 0, torch.tensor([top, left]))
            seen |= blocks.best(torch.ones(1, shape.n_latents))[0]
    assert bool(seen[: 40 * 36].all())
    assert not bool(seen[40 * 36 :].any())

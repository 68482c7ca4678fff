"""Moves that take images to their aims: over the real losses of test_moving.py."""

from collections.abc import Sequence

import pytest
import torch

from inr.cnn.fit.common.moving import Measured
from inr.cnn.fit.common.trimming import _NEAR, move_towards
from inr.fit.steering import Aim, Steering
from tests.inr.cnn.fit.common.test_moving import PER_BIT, SHAPE, Real

LAMBDA = PER_BIT * SHAPE.width * SHAPE.height
OWN_BITS = 100.0


def moved(real: Real, aims: Sequence[Aim | None], n_trials: int = 16) -> tuple[list[Measured], Measured]:
    """What was yielded, and what the latents lead to in the end."""
    n = len(aims)
    rounds = move_towards(
        real.latents, SHAPE, real.measure, real.gradient, per_bit=real.per_bit,
        steerings=[Steering(LAMBDA, aim) for aim in aims], own_bits=[OWN_BITS] * n, n_trials=n_trials,
    )  # fmt: skip
    return list(rounds), real.measure(real.latents)


def state(found: Measured, n: int) -> tuple[float, float]:
    return float(found.errors[n].sum()), float(found.bits[n].sum()) + OWN_BITS


def test_without_an_aim_latents_move_for_the_cost_alone() -> None:
    known, real = Real(), Real()
    n_rounds = len(known.move(16))
    rounds, _ = moved(real, [None])
    assert len(rounds) == n_rounds
    assert torch.equal(real.latents, known.latents)


@pytest.mark.parametrize(("share", "of_bits"), [(0.99, False), (1.01, False), (0.8, True)])
def test_what_is_missed_by_little_is_made_up_for(share: float, of_bits: bool) -> None:
    real = Real()
    _, known = moved(Real(), [None])
    mse, bits = state(known, 0)
    aim = Aim(bits=share * bits) if of_bits else Aim(mse=share**3 * mse)
    before = aim.log_change(mse, bits)
    assert abs(before) > _NEAR
    _, found = moved(real, [aim])
    after = aim.log_change(*state(found, 0))
    assert abs(after) < 0.9 * abs(before)


def test_an_image_that_is_near_its_aim_stays_while_others_move() -> None:
    _, known = moved(Real(), [None])
    mse, bits = state(known, 0)
    real, alone = Real(n_images=2), Real()
    real.latents[:] = alone.latents
    moved(real, [Aim(mse=mse), Aim(bits=0.98 * bits)])
    moved(alone, [None])
    assert torch.equal(real.latents[0], alone.latents[0])
    assert not torch.equal(real.latents[1], alone.latents[0])


def test_an_aim_far_away_takes_no_more_than_its_passes() -> None:
    n_measured = 0
    real = Real()
    measure = real.measure

    def counted(latents: torch.Tensor) -> Measured:
        nonlocal n_measured
        n_measured += 1
        return measure(latents)

    real.measure = counted
    moved(real, [Aim(mse=1e-8)], n_trials=16)
    assert n_measured - 2 <= 16 + 6 * 16

"""λ that moves: over fits that are made up, of which the end is known."""

import math
from itertools import pairwise

import numpy as np
import pytest

from inr.config import MAX_LAMBDA, MIN_LAMBDA
from inr.fit.steering import _PROGRESS, _SHORT_DB, FIRST, LAST, Aim, Steering, is_look

N_STEPS = 1000


class MadeUp:
    """A fit whose PSNR and log bits are lines in log λ; the end heeds late changes of λ less.

    Args:
        needed: λ at which it ends at 30 dB and 10 000 bits.
    """

    def __init__(self, needed: float) -> None:
        self._needed = needed

    def end(self, heeded: float) -> tuple[float, float]:
        """Mean squared error and bits at the end of a fit at log λ."""
        distance = heeded - math.log(self._needed)
        return 10 ** (-(30 - 2.6 * distance) / 10), 10_000 * math.exp(-0.55 * distance)

    def run(self, steering: Steering) -> tuple[float, float, list[float]]:
        """Error and bits at the end, and λ after each look."""
        heeded, seen = math.log(steering.rd_lambda), []
        for index in range(N_STEPS):
            if is_look(index, N_STEPS):
                progress, before = (index + 1) / N_STEPS, steering.rd_lambda
                mse, bits = self.end(heeded)
                late = max(0.0, 0.5 - progress)  # what the state lacks yet
                steering.look(progress, mse * 10 ** (0.2 * late), bits * (1 + late), 0.02 * bits)
                heeded += (1 - 0.9 * progress) * math.log(steering.rd_lambda / before)
                seen.append(steering.rd_lambda)
        return *self.end(heeded), seen


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.3, 2.0])
def test_a_fit_ends_at_the_error_or_at_the_bits_that_it_is_steered_to(factor: float) -> None:
    fit = MadeUp(1e-3)
    mse, _, _ = fit.run(Steering(1e-3 * factor, Aim(mse=1e-3)))
    assert -10 * math.log10(mse) == pytest.approx(30, abs=0.2)
    _, bits, _ = fit.run(Steering(1e-3 * factor, Aim(bits=10_000)))
    assert bits == pytest.approx(10_000, rel=0.04)


def test_early_looks_are_trusted_less_than_late_ones() -> None:
    def moved(progress: float, mse: float) -> float:
        steering = Steering(1e-3, Aim(mse=1e-3))
        steering.look(progress, mse, 1e4, 1e3)
        return math.log(steering.rd_lambda)

    def by_a_little(progress: float) -> float:
        usual = 1e-3 * 10 ** (0.1 * float(np.interp(progress, _PROGRESS, _SHORT_DB)))  # as at the aim's λ
        return moved(progress, usual) - moved(progress, 1.05 * usual)

    assert 0 < by_a_little(0.1) < by_a_little(0.3) < by_a_little(0.6)


@pytest.mark.parametrize(("mse", "bits", "larger"), [(2e-3, 1e4, False), (5e-4, 1e4, True)])
def test_lambda_grows_where_a_fit_is_better_than_its_aim(mse: float, bits: float, larger: bool) -> None:
    steering = Steering(1e-3, Aim(mse=1e-3))
    steering.look(0.9, mse, bits, 0.0)
    assert (steering.rd_lambda > 1e-3) == larger


@pytest.mark.parametrize(("bits", "larger"), [(2e4, True), (5e3, False)])
def test_lambda_grows_where_a_fit_has_too_many_bits(bits: float, larger: bool) -> None:
    steering = Steering(1e-3, Aim(bits=1e4))
    steering.look(0.9, 1e-3, bits, 0.0)
    assert (steering.rd_lambda > 1e-3) == larger


def test_without_an_aim_lambda_stays() -> None:
    steering = Steering(1e-3, None)
    steering.look(0.5, 1.0, 1e9, 1e9)
    assert steering.rd_lambda == 1e-3


@pytest.mark.parametrize("state", [(math.nan, 1.0, 1.0), (1.0, math.inf, 1.0), (1.0, 1.0, math.nan)])
def test_what_is_no_number_moves_nothing(state: tuple[float, float, float]) -> None:
    steering = Steering(1e-3, Aim(mse=1e-3))
    steering.look(0.5, *state)
    assert steering.rd_lambda == 1e-3


@pytest.mark.parametrize(
    ("begin", "aim", "end"), [(1e-5, Aim(mse=1e-8), MIN_LAMBDA), (1.0, Aim(bits=1.0), MAX_LAMBDA)]
)
def test_lambda_stays_in_its_range(begin: float, aim: Aim, end: float) -> None:
    _, _, seen = MadeUp(1e-3).run(Steering(begin, aim))
    assert seen[-1] == pytest.approx(end)


def test_an_image_without_any_error_or_bits_is_a_state_like_others() -> None:
    for aim in (Aim(mse=1e-3), Aim(bits=1e4)):
        steering = Steering(1e-3, aim)
        steering.look(0.5, 0.0, 0.0, 0.0)
        assert steering.rd_lambda != 1e-3


@pytest.mark.parametrize("n_steps", [1, 50, 300, 1000, 5000])
def test_looks_are_apart_and_none_is_taken_near_the_ends(n_steps: int) -> None:
    looks = [index for index in range(n_steps) if is_look(index, n_steps)]
    assert all(FIRST <= (index + 1) / n_steps <= LAST for index in looks)
    assert all(late - early >= 5 for early, late in pairwise(looks))
    assert len(looks) <= 1 / 0.04
    assert len(looks) >= (9 if n_steps == 50 else 0 if n_steps == 1 else 20)

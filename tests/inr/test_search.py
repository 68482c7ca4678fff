import math
from itertools import pairwise

import pytest

from inr import Attempt, CodecConfig, Contract, ContractMissed
from inr.search import BPP_TOLERANCE, MAX_FITS, PSNR_TOLERANCE_DB, Reached, first_lambda, search


def photograph(rd_lambda: float, *, psnr_db: float = 30.0, slope: float = -2.6) -> Attempt:
    """An attempt at an image whose PSNR and log bpp are lines in log λ."""
    log_ratio = math.log(rd_lambda / 0.002)
    rate_bpp = 0.3 * math.exp(-0.55 * log_ratio)
    return Attempt(rd_lambda, rate_bpp, psnr_db + slope * log_ratio, round(rate_bpp * 1000))


def run(
    config: CodecConfig, contract: Contract | None = None, **image: float
) -> tuple[Reached, list[Attempt], int]:
    """The end of a search, its attempts, and how many of them were refits."""
    asked = search(config, contract, first_lambda(config))
    attempts, refits = list[Attempt](), list[bool]()
    try:
        wanted = next(asked)
        while True:
            attempts.append(photograph(wanted.rd_lambda, **image))
            refits.append(wanted.is_refit)
            wanted = asked.send(attempts[-1])
    except StopIteration as ended:
        assert refits == sorted(refits)
        return ended.value, attempts, sum(refits)


def test_a_given_lambda_takes_one_fit() -> None:
    reached, attempts, n_refits = run(CodecConfig(rd_lambda=0.01))
    assert reached == Reached(best=0, meets_contract=True)
    assert n_refits == 0
    assert [attempt.rd_lambda for attempt in attempts] == [0.01]


@pytest.mark.parametrize("target", [24.0, 30.0, 36.0])
@pytest.mark.parametrize("image", [{}, {"psnr_db": 33.0}, {"psnr_db": 29.0, "slope": -2.0}])
def test_a_target_psnr_is_met_within_its_tolerance(target: float, image: dict[str, float]) -> None:
    reached, attempts, _ = run(CodecConfig(target_psnr_db=target), **image)
    assert len(attempts) <= MAX_FITS
    assert 0 <= attempts[reached.best].psnr_db - target <= 2 * PSNR_TOLERANCE_DB
    if not image:
        assert len(attempts) <= 2


def test_a_target_rate_is_not_exceeded() -> None:
    reached, attempts, _ = run(CodecConfig(target_bpp=1.1))
    assert 1.1 * 0.94 <= attempts[reached.best].rate_bpp <= 1.1


def test_a_fit_that_steers_is_asked_to_go_half_the_tolerance_beyond_and_then_less_what_it_missed_by() -> None:
    asked = search(CodecConfig(target_psnr_db=36.0), None, 0.003)
    first = next(asked)
    assert (first.rd_lambda, first.beyond) == (pytest.approx(0.003), PSNR_TOLERANCE_DB / 2)
    second = asked.send(Attempt(0.001, 0.5, 35.8, 50))
    assert second.beyond == pytest.approx(0.3)
    assert second.rd_lambda == pytest.approx(0.001 * math.exp(-0.25 / 2.6))  # from where the first one ended
    third = asked.send(Attempt(0.001, 0.5, 36.2, 50))  # at the same λ: no slope is to be had of it
    assert third.beyond == pytest.approx(0.15)
    with pytest.raises(StopIteration) as ended:
        asked.send(Attempt(0.0009, 0.5, 36.03, 50))
    assert ended.value.value == Reached(best=2, meets_contract=True)


def test_a_fit_that_steers_into_the_tolerance_is_the_only_one() -> None:
    asked = search(CodecConfig(target_bpp=0.5), None, 0.003)
    assert next(asked).beyond == BPP_TOLERANCE / 2
    with pytest.raises(StopIteration):
        asked.send(Attempt(0.002, 0.495, 33.0, 50))


def test_no_aim_goes_with_a_given_lambda_or_a_refit() -> None:
    asked = search(CodecConfig(rd_lambda=0.01), Contract(32.0), 0.01)
    assert next(asked).beyond is None
    refit = asked.send(photograph(0.01))
    assert (refit.is_refit, refit.beyond) == (True, None)


def test_the_nearest_attempt_counts_where_none_reaches_the_target() -> None:
    reached, attempts, _ = run(CodecConfig(target_psnr_db=60.0), psnr_db=20.0, slope=-0.1)
    assert len(attempts) <= MAX_FITS
    assert attempts[reached.best].psnr_db == max(attempt.psnr_db for attempt in attempts)


def test_a_search_goes_on_past_an_exact_image() -> None:
    asked = search(CodecConfig(target_psnr_db=40.0), None, 0.001)
    next(asked)
    asked.send(Attempt(0.001, 0.1, math.inf, 50))  # far beyond the target: a larger λ is worth a try
    with pytest.raises(StopIteration) as ended:
        asked.send(Attempt(0.001, 0.1, 40.05, 50))
    assert ended.value.value == Reached(best=1, meets_contract=True)


def test_a_contract_takes_refits_with_a_smaller_lambda_and_a_spare() -> None:
    reached, attempts, n_refits = run(CodecConfig(rd_lambda=0.01), Contract(32.0))
    assert reached == Reached(best=len(attempts) - 1, meets_contract=True)
    assert n_refits == len(attempts) - 1
    assert attempts[reached.best].psnr_db >= 32.0
    lambdas = [attempt.rd_lambda for attempt in attempts]
    assert lambdas == sorted(lambdas, reverse=True)
    assert all(after <= before / 2 for before, after in pairwise(lambdas))


def test_a_contract_that_the_goal_meets_takes_no_refit() -> None:
    reached, attempts, n_refits = run(CodecConfig(target_psnr_db=36.0), Contract(30.0))
    assert n_refits == 0
    assert attempts[reached.best].psnr_db >= 36.0


@pytest.mark.parametrize(("max_refits", "n_attempts"), [(0, 1), (2, 3), (10, 5)])
def test_a_contract_out_of_reach_ends_after_its_refits_or_at_the_smallest_lambda(
    max_refits: int, n_attempts: int
) -> None:
    reached, attempts, _ = run(
        CodecConfig(rd_lambda=0.0002), Contract(99.0, max_refits), slope=-0.1, psnr_db=30
    )
    assert not reached.meets_contract
    assert len(attempts) <= n_attempts
    assert min(attempt.rd_lambda for attempt in attempts) >= 1e-5


def test_the_first_lambda_of_a_target_is_that_of_a_typical_photograph() -> None:
    assert first_lambda(CodecConfig(rd_lambda=0.3)) == 0.3
    assert first_lambda(CodecConfig(target_psnr_db=30.0)) == pytest.approx(0.002)
    assert first_lambda(CodecConfig(target_bpp=0.3)) == pytest.approx(0.002)
    assert first_lambda(CodecConfig(target_psnr_db=60.0)) == 1e-5
    assert first_lambda(CodecConfig(target_bpp=0.001)) == 1.0


def test_a_missed_contract_says_how_near_it_came() -> None:
    attempts = (photograph(0.01), photograph(0.005))
    missed = ContractMissed(Contract(50.0), attempts, 0, 1, "cpu", ())
    assert str(missed) == f"the best of 2 fits has {attempts[1].psnr_db:.2f} dB, below the contract of 50 dB"
    assert str(ContractMissed(Contract(50.0), (), 1, 0, "cpu", ())).startswith("no fit succeeded, below")

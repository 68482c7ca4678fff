import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from inr import CodecConfig, Contract, DeadlineExceeded, Encoded, FitDiverged
from inr.config import MAX_REFITS
from inr.errors import ConfigError
from inr.search import Attempt
from tasks.catalogue.contract import SMALLEST_LAMBDA, Fitted, fit_to_contract

CONFIG = CodecConfig(model="mlp", preset="draft", rd_lambda=0.004)


def encoded(rd_lambda: float, psnr_db: float) -> Encoded:
    return Encoded(
        bitstream=b"",
        pixels=np.zeros((1, 1, 3), np.uint8),
        symbols_digest="",
        pixels_digest="",
        psnr_db=psnr_db,
        rate_bpp=1.0,
        estimated_rate_bits=8.0,
        rd_lambda=rd_lambda,
        n_parameters=1,
        device="cpu",
        restarts=0,
        n_refits=0,
        attempts=(Attempt(rd_lambda, 1.0, psnr_db, 1),),
        history=(),
    )


def fits(results: Sequence[float | Exception]) -> tuple[list[CodecConfig], Callable[[CodecConfig], Encoded]]:
    """An encoder whose fits end with these PSNRs or errors, and the configs that it is asked for."""
    asked: list[CodecConfig] = []

    def encode(config: CodecConfig) -> Encoded:
        asked.append(config)
        result = results[len(asked) - 1]
        if isinstance(result, Exception):
            raise result
        return encoded(config.rd_lambda or 0.0015, result)

    return asked, encode


def test_without_a_contract_the_first_fit_is_taken():
    asked, encode = fits([20.0])
    fitted = fit_to_contract(CONFIG, None, encode)
    assert (fitted.is_met, len(fitted.encodings), asked) == (True, 1, [CONFIG])


def test_a_fit_that_meets_the_contract_is_not_repeated():
    asked, encode = fits([35.0])
    assert fit_to_contract(CONFIG, Contract(35.0), encode).is_met
    assert asked == [CONFIG]


def test_a_fit_that_misses_is_repeated_with_a_lambda_that_fits_the_gap():
    asked, encode = fits([30.0, 34.9, 35.1])
    fitted = fit_to_contract(CONFIG, Contract(35.0), encode)
    assert fitted.is_met
    assert fitted.encodings[-1].psnr_db == 35.1
    lambdas = [config.rd_lambda for config in asked]
    assert lambdas == pytest.approx([0.004, 0.004 * math.exp(-5.2 / 2.6), 0.004 * math.exp(-2) / 2])


def test_a_goal_gives_way_to_the_lambda_that_meets_the_contract():
    asked, encode = fits([30.0, 36.0])
    config = CodecConfig(model="mlp", preset="draft", target_bpp=0.2, seed=7)
    assert fit_to_contract(config, Contract(35.0), encode).is_met
    assert asked[0] == config
    assert (asked[1].target_bpp, asked[1].preset, asked[1].seed) == (None, "draft", 7)
    assert (asked[1].rd_lambda or 1) < 0.0015


@pytest.mark.parametrize("max_refits", [0, 1, 4])
def test_refits_are_bounded(max_refits: int):
    asked, encode = fits([20.0] * 20)
    fitted = fit_to_contract(CONFIG, Contract(21.0, max_refits), encode)
    assert (fitted.is_met, len(asked), fitted.n_attempts) == (False, 1 + max_refits, 1 + max_refits)


def test_lambda_ends_at_the_smallest_there_is():
    asked, encode = fits([20.0] * 20)
    fit_to_contract(CONFIG, Contract(90.0, MAX_REFITS), encode)
    assert [config.rd_lambda for config in asked] == [0.004, SMALLEST_LAMBDA]


@pytest.mark.parametrize("results", [[FitDiverged("x")], [20.0, FitDiverged("x")]])
def test_an_image_that_no_network_holds_misses_the_contract(results: list[float | Exception]):
    fitted = fit_to_contract(CONFIG, Contract(35.0), fits(results)[1])
    assert not fitted.is_met
    assert len(fitted.encodings) == len(results) - 1
    with pytest.raises(FitDiverged):
        fit_to_contract(CONFIG, None, fits([FitDiverged("x")])[1])


def test_a_deadline_is_one_for_all_fits_and_no_reason_to_store_without_loss():
    with pytest.raises(DeadlineExceeded):
        fit_to_contract(CONFIG, Contract(35.0), fits([20.0, DeadlineExceeded("x")])[1])


def test_the_note_says_what_was_reached():
    contract = Contract(35.0)
    made = tuple(encoded(0.001, psnr) for psnr in (30.0, 33.333, 32.0))
    told = "stored without loss: the best of 3 fits has 33.33 dB, below the contract of 35 dB"
    assert Fitted(made, is_met=False).describe(contract) == told
    assert "no fit succeeded" in Fitted((), is_met=False).describe(contract)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"min_psnr_db": 9.9}, "min_psnr"),
        ({"min_psnr_db": math.nan}, "min_psnr"),
        ({"min_psnr_db": 101.0}, "min_psnr"),
        ({"min_psnr_db": 30.0, "max_refits": -1}, "max_refits"),
        ({"min_psnr_db": 30.0, "max_refits": MAX_REFITS + 1}, "max_refits"),
    ],
)
def test_a_contract_out_of_range_is_named(given: dict[str, float], told: str):
    with pytest.raises(ConfigError, match=f"{told}: expected .*, found"):
        Contract(**given)  # type: ignore[arg-type]


def test_a_contract_is_frozen_and_compares_by_value():
    assert dataclasses.replace(Contract(30.0), max_refits=3) == Contract(30.0)

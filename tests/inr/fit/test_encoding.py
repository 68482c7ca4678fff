"""One encoding, fit by fit: collapses, goals, contracts, and the check at its end."""

import math

import numpy as np
import pytest

from inr import CodecConfig, Contract, ContractMissed, FitDiverged, SelfCheckFailed, encode
from inr.fit import encoding as encoding_module
from inr.search import MAX_FITS
from tests.inr.toy import ToyFitter, ToyNetwork, toy_family

DRAFT = CodecConfig(model="mlp", preset="draft", rd_lambda=5e-4)
STEPS = 150
TOY = {"model": "toy", "rd_lambda": 1e-3}


def test_a_collapsed_fit_is_begun_again_once_with_another_seed(photograph: np.ndarray) -> None:
    with toy_family(ToyFitter(collapses=lambda request: request.seed < 2**32)):
        encoded = encode(photograph, CodecConfig(**TOY), device="cpu")
    assert encoded.restarts == 1
    assert {progress.attempt for progress in encoded.history} == {1, 2}


def test_a_fit_below_the_mean_colour_counts_as_collapsed(photograph: np.ndarray) -> None:
    wild = photograph[:, :, ::-1]  # the toy's columns are right for another image
    with toy_family(ToyFitter()), pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.inr.toy.toy_network", lambda pixels, n: made(255 - wild, n))
        with pytest.raises(FitDiverged, match=r"expected at least the .* dB of the image's mean colour"):
            encode(photograph, CodecConfig(**TOY), device="cpu")


def made(pixels: np.ndarray, n_columns: int) -> object:
    height, width, channels = pixels.shape
    return ToyNetwork(width, height, channels, np.resize([255, 0], n_columns * channels).astype(np.int32))


def test_a_contract_is_met_by_refits_and_its_miss_names_what_was_tried(photograph: np.ndarray) -> None:
    with toy_family(ToyFitter()):
        met = encode(
            photograph, CodecConfig(**TOY | {"rd_lambda": 0.01}), device="cpu", contract=Contract(12.7)
        )
        assert met.psnr_db >= 12.7
        assert met.n_refits == len(met.attempts) - 1 >= 1
        with pytest.raises(ContractMissed, match="the best of 2 fits has") as missed:
            encode(photograph, CodecConfig(**TOY), device="cpu", contract=Contract(70, max_refits=2))
        assert missed.value.n_refits == 1
        assert missed.value.device == "cpu"
        assert len(missed.value.history) == 8
    with toy_family(ToyFitter(collapses=lambda request: True)):
        with pytest.raises(ContractMissed, match="no fit succeeded") as missed:
            encode(photograph, CodecConfig(**TOY), device="cpu", contract=Contract(20))
        assert (missed.value.attempts, missed.value.restarts) == ((), 1)


def test_a_refit_that_collapses_leaves_the_refits_before_it_counted(photograph: np.ndarray) -> None:
    fitter, contract = ToyFitter(collapses=lambda request: request.rd_lambda < 0.004), Contract(12.7, 9)
    with toy_family(fitter), pytest.raises(ContractMissed, match="the best of 2 fits has") as missed:
        encode(photograph, CodecConfig(**TOY | {"rd_lambda": 0.01}), device="cpu", contract=contract)
    assert (missed.value.n_refits, missed.value.restarts) == (1, 1)


def test_a_bitstream_that_decodes_otherwise_is_never_returned(
    photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding_module, "digest_pixels", lambda pixels: "0" * 64)
    with pytest.raises(SelfCheckFailed, match="expected symbols and pixels"):
        encode(photograph, DRAFT, device="cpu", n_steps=STEPS)


@pytest.mark.parametrize("target", [20.0, 26.0])
def test_a_target_psnr_is_met_or_its_miss_reported(photograph: np.ndarray, target: float) -> None:
    config = CodecConfig(model="mlp", preset="draft", target_psnr_db=target)
    encoded = encode(photograph, config, device="cpu", n_steps=STEPS)
    assert 1 <= len(encoded.attempts) <= MAX_FITS
    reached = [attempt for attempt in encoded.attempts if attempt.psnr_db >= target]
    if reached:
        assert encoded.psnr_db == min(attempt.psnr_db for attempt in reached)
    else:
        assert encoded.psnr_db == max(attempt.psnr_db for attempt in encoded.attempts)


def test_a_target_bpp_is_not_exceeded_where_it_can_be_met(photograph: np.ndarray) -> None:
    config = CodecConfig(model="mlp", preset="draft", target_bpp=2.0)
    encoded = encode(photograph, config, device="cpu", n_steps=STEPS)
    assert 1 <= len(encoded.attempts) <= MAX_FITS
    fitting = [attempt for attempt in encoded.attempts if attempt.rate_bpp <= 2.0]
    if fitting:
        assert encoded.rate_bpp == max(attempt.rate_bpp for attempt in fitting)


def test_one_colour_is_exact() -> None:
    flat = np.full((20, 30, 3), (3, 141, 255), dtype=np.uint8)
    encoded = encode(flat, DRAFT, device="cpu")
    assert encoded.psnr_db == math.inf
    assert len(encoded.bitstream) < 400

"""One encoding, fit by fit: collapses, goals, contracts, and the check at its end."""

import math
import re
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from inr import (
    CodecConfig,
    Contract,
    ContractMissed,
    FitDiverged,
    Limits,
    SelfCheckFailed,
    TooMuchWork,
    decode,
    encode,
)
from inr.config import MODELS
from inr.fit import encoding as encoding_module
from inr.fit.requests import FitRequest
from inr.metrics import mse, psnr_db
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


def flat_colour(pixels: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.rint(pixels.mean((0, 1))).astype(np.uint8), pixels.shape)


@pytest.mark.parametrize("goal", [{"rd_lambda": 1e-3}, {"target_psnr_db": 30.0}, {"target_bpp": 1.0}])
def test_a_fit_below_the_mean_colour_is_begun_again_and_then_the_mean_colour_counts(
    photograph: np.ndarray, goal: dict[str, float]
) -> None:
    with toy_family(ToyFitter()), pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.inr.toy.toy_network", made)
        encoded = encode(photograph, CodecConfig(model="toy", **goal), device="cpu")
    np.testing.assert_array_equal(encoded.pixels, flat_colour(photograph))
    assert (encoded.n_parameters, len(encoded.bitstream)) == (0, 25)
    assert encoded.restarts == len(encoded.attempts) >= 1


@pytest.mark.parametrize("goal", [{"rd_lambda": 1e-3}, {"target_psnr_db": 30.0}, {"target_bpp": 1.0}])
def test_a_fit_that_ends_in_nan_twice_leaves_the_mean_colour_and_says_why(
    photograph: np.ndarray, goal: dict[str, float]
) -> None:
    with toy_family(ToyFitter(lambda request: True)):
        encoded = encode(photograph, CodecConfig(model="toy", **goal), device="cpu")
        np.testing.assert_array_equal(decode(encoded.bitstream).pixels, encoded.pixels)
    np.testing.assert_array_equal(encoded.pixels, flat_colour(photograph))
    assert (encoded.n_parameters, encoded.restarts) == (0, len(encoded.attempts))
    assert isinstance(encoded.fallback, FitDiverged)
    assert re.search(r"expected at least the .* dB of .* found NaN and NaN", str(encoded.fallback))


def test_a_search_goes_on_after_a_fit_that_diverged(photograph: np.ndarray) -> None:
    seen: list[FitRequest] = []

    def first_two(request: FitRequest) -> bool:
        seen.append(request)
        return len(seen) <= 2

    with toy_family(ToyFitter(first_two)):
        encoded = encode(photograph, CodecConfig(model="toy", target_psnr_db=20.0), device="cpu")
    assert (encoded.fallback, encoded.restarts) == (None, 1)
    assert len(encoded.attempts) > 1
    assert encoded.n_parameters > 0


def test_a_fit_goes_on_from_the_one_before_where_that_missed_by_little(photograph: np.ndarray) -> None:
    """Not where it missed by much, nor for λ or a contract, nor once a fit has collapsed."""
    seen: list[FitRequest] = []

    def noted(request: FitRequest) -> bool:
        seen.append(request)
        return len(seen) == 3

    with toy_family(ToyFitter(noted)):
        encoded = encode(photograph, CodecConfig(model="toy", target_bpp=0.5), device="cpu")
        again, tried = seen.pop(3), [attempt.rd_lambda for attempt in encoded.attempts]
        assert again.begin is None
        assert (again.seed, seen[2].seed) == (1 << 32, 0)
        assert len(seen) == len(tried) > 2
        near = [abs(math.log(one / other)) < 0.7 for one, other in pairwise(tried)]
        assert [request.begin is not None for request in seen] == [False, *near]
        assert True in near
        assert False in near
        seen.clear()
        encode(photograph, CodecConfig(**TOY | {"rd_lambda": 0.01}), device="cpu", contract=Contract(12.7))
    assert [request.begin for request in seen if request.begin is not None] == []
    assert len(seen) > 1


@pytest.mark.parametrize(
    ("contract", "is_met"), [(None, True), (Contract(10.0), True), (Contract(13.0, 9), False)]
)
def test_a_file_that_decoders_would_refuse_for_its_work_is_not_made(
    photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch, contract: Contract | None, is_met: bool
) -> None:
    limits = Limits(max_multiply_adds=0, multiply_adds_per_byte=1)
    monkeypatch.setattr(encoding_module, "decode", partial(decode, limits=limits))
    config = CodecConfig(model="mlp", preset="draft", rd_lambda=1e-4)
    if not is_met:
        with pytest.raises(ContractMissed, match="no fit succeeded"):
            encode(photograph, config, device="cpu", n_steps=STEPS, contract=contract)
        return
    encoded = encode(photograph, config, device="cpu", n_steps=STEPS, contract=contract)
    assert isinstance(encoded.fallback, TooMuchWork)
    np.testing.assert_array_equal(encoded.pixels, flat_colour(photograph))
    assert len(encoded.attempts) >= 1


@pytest.mark.parametrize(("rd_lambda", "is_flat"), [(1e-4, False), (1e-3, False), (0.5, True)])
def test_the_mean_colour_counts_where_its_cost_is_less(
    photograph: np.ndarray, rd_lambda: float, is_flat: bool
) -> None:
    with toy_family(ToyFitter()):
        encoded = encode(photograph, CodecConfig(model="toy", rd_lambda=rd_lambda), device="cpu")
    assert (encoded.n_parameters == 0, encoded.restarts) == (is_flat, 0)
    error = mse(reference=photograph, decoded=flat_colour(photograph))
    cost = 10 ** (-encoded.psnr_db / 10) + rd_lambda * encoded.rate_bpp
    assert cost <= error + rd_lambda * 8 * 25 / photograph[:, :, 0].size + 1e-12
    assert [attempt.n_bytes for attempt in encoded.attempts] == [len(encoded.bitstream)]


def test_a_target_or_a_contract_that_the_mean_colour_reaches_takes_no_fit(photograph: np.ndarray) -> None:
    fitter = ToyFitter()
    paper = (photograph // 64 + 200).astype(np.uint8)
    with toy_family(fitter):
        config = CodecConfig(model="toy", target_psnr_db=30.0)
        encoded = encode(paper, config, contract=Contract(32.0), device="cpu")
        assert (fitter.seen, encoded.attempts, encoded.n_parameters) == ([], (), 0)
        assert encoded.psnr_db >= 32
        strict = encode(paper, config, contract=Contract(encoded.psnr_db + 0.1, 9), device="cpu")
        assert fitter.seen
        assert strict.psnr_db > encoded.psnr_db


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


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("goal", [{"rd_lambda": 1e-5}, {"target_psnr_db": 60.0}, {"target_bpp": 0.001}])
def test_one_colour_is_exact_and_takes_no_network(model: str, channels: int, goal: dict[str, float]) -> None:
    flat = np.full((20, 30, channels), (3, 141, 255, 249)[:channels], dtype=np.uint8)
    config = CodecConfig(model=model, **goal)
    encoded = encode(flat, config, contract=Contract(100.0), device="cpu")
    np.testing.assert_array_equal(encoded.pixels, flat)
    assert (encoded.psnr_db, encoded.attempts, encoded.n_parameters) == (math.inf, (), 0)
    assert len(encoded.bitstream) == 22 + channels


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("channels", "constant"), [(4, {3: 255}), (4, {3: 249}), (2, {1: 255}), (3, {1: 7}), (4, {0: 0, 3: 1})]
)
def test_channels_of_one_value_come_back_exactly(
    photograph: np.ndarray, model: str, channels: int, constant: dict[int, int]
) -> None:
    pixels = np.concatenate([photograph, photograph[::-1, :, :1]], axis=2)[:32, :32, :channels].copy()
    for channel, value in constant.items():
        pixels[:, :, channel] = value
    encoded = encode(pixels, CodecConfig(model=model), device="cpu", n_steps=STEPS)
    decoded = decode(encoded.bitstream).pixels
    for channel, value in constant.items():
        assert set(np.unique(decoded[:, :, channel])) == {value}


@pytest.mark.parametrize("model", MODELS)
def test_grey_in_three_channels_comes_back_grey_and_costs_what_grey_costs(
    photograph: np.ndarray, model: str
) -> None:
    grey, config = photograph[:32, :32, :1], CodecConfig(model=model)
    opaque = np.full_like(grey, 255)
    alone = encode(np.ascontiguousarray(grey), config, device="cpu", n_steps=STEPS)
    for parts in ((grey,) * 3, (grey, grey, grey, opaque)):
        encoded = encode(np.concatenate(parts, axis=2), config, device="cpu", n_steps=STEPS)
        for channel in range(3):
            np.testing.assert_array_equal(encoded.pixels[:, :, channel], alone.pixels[:, :, 0])
        assert encoded.symbols_digest == alone.symbols_digest
        assert len(encoded.bitstream) == len(alone.bitstream) + len(parts) - 3


def logo(hidden: int) -> np.ndarray:
    """A disc with a soft edge; outside of it, alpha 0 over noise or one colour."""
    y, x = np.mgrid[:40, :40]
    distance = np.hypot(y - 20, x - 20)
    pixels = np.empty((40, 40, 4), np.uint8)
    pixels[:, :, 0], pixels[:, :, 1], pixels[:, :, 2] = 5 * y, 6 * x, 90
    pixels[:, :, 3] = np.clip(255 * (16 - distance) / 4, 0, 255)
    outside = pixels[:, :, 3] == 0
    noise = np.random.default_rng(hidden).integers(0, 256, (outside.sum(), 3), np.uint8)
    pixels[outside, :3] = noise if hidden else 200
    return pixels


@pytest.mark.parametrize("model", MODELS)
def test_what_nobody_sees_changes_neither_file_nor_psnr(model: str) -> None:
    config = CodecConfig(model=model)
    plain, noisy, other = (encode(logo(n), config, device="cpu", n_steps=STEPS) for n in (0, 1, 2))
    assert plain.bitstream == noisy.bitstream == other.bitstream
    assert plain.psnr_db == noisy.psnr_db
    original = logo(1)
    visible = original[:, :, 3] > 0
    colours = original[visible][:, :3].astype(float) - noisy.pixels[visible][:, :3]
    alpha = original[:, :, 3].astype(float) - noisy.pixels[:, :, 3]
    errors = np.concatenate([colours.ravel(), alpha.ravel()])
    assert noisy.psnr_db == pytest.approx(-10 * math.log10(np.square(errors / 255).mean()))


@pytest.mark.parametrize("model", MODELS)
def test_what_nobody_sees_counts_where_it_is_asked_for(model: str) -> None:
    pixels = logo(1)
    ignored = encode(pixels, CodecConfig(model=model), device="cpu", n_steps=STEPS)
    kept = encode(pixels, CodecConfig(model=model, hidden="keep"), device="cpu", n_steps=STEPS)
    assert kept.psnr_db == psnr_db(reference=pixels, decoded=kept.pixels)
    assert kept.psnr_db < ignored.psnr_db
    assert kept.bitstream != ignored.bitstream


def test_an_image_that_nobody_sees_is_a_file_without_a_network() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 4), np.uint8)
    pixels[:, :, 3] = 0
    encoded = encode(pixels, CodecConfig(), device="cpu")
    assert (encoded.psnr_db, encoded.n_parameters, encoded.pixels.any()) == (math.inf, 0, False)

import dataclasses
import math

import numpy as np
import pytest
import torch

from inr import (
    CodecConfig,
    ConfigError,
    DeadlineExceeded,
    FitDiverged,
    Metadata,
    Progress,
    SelfCheckFailed,
    decode,
    encode,
    inspect,
)
from inr import encoder as encoder_module
from inr.bitstream import Limits
from inr.metrics import psnr_db
from inr.mlp.fit import encoder as mlp_encoder
from inr.mlp.fit import presets
from inr.mlp.fit.trainer import FitSettings
from inr.search import MAX_FITS

DRAFT = CodecConfig(model="mlp", preset="draft", rd_lambda=5e-4)

pytestmark = pytest.mark.usefixtures("quick_fits")


def test_an_encoded_image_is_what_its_file_decodes_to(photograph: np.ndarray) -> None:
    metadata = Metadata(icc_profile=b"profile", exif=None)
    encoded = encode(photograph, DRAFT, metadata=metadata, device="cpu")
    decoded = decode(encoded.bitstream)
    np.testing.assert_array_equal(decoded.pixels, encoded.pixels)
    assert decoded.metadata == metadata
    assert (decoded.symbols_digest, decoded.pixels_digest) == (encoded.symbols_digest, encoded.pixels_digest)
    assert encoded.psnr_db == psnr_db(reference=photograph, decoded=decoded.pixels) > 15
    assert encoded.rate_bpp == 8 * len(encoded.bitstream) / (48 * 64)
    assert (encoded.device, encoded.restarts, encoded.rd_lambda) == ("cpu", 0, 5e-4)
    assert [attempt.n_bytes for attempt in encoded.attempts] == [len(encoded.bitstream)]
    found = inspect(encoded.bitstream)
    assert found.n_parameters == encoded.n_parameters
    assert sum(section.n_bytes for section in found.sections) == found.n_bytes == len(encoded.bitstream)
    payload = next(section.n_bytes for section in found.sections if section.name == "payload")
    assert sum(tensor.bits for tensor in found.tensors) == pytest.approx(8 * payload, abs=128)
    assert found.icc_bytes == 7


def test_the_same_command_gives_the_same_bytes(photograph: np.ndarray) -> None:
    first, second = (encode(photograph, DRAFT, device="cpu").bitstream for _ in range(2))
    assert first == second
    other = encode(photograph, dataclasses.replace(DRAFT, seed=1), device="cpu").bitstream
    assert other != first


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 1), (9, 1, 2), (5, 3, 4), (17, 31, 1)])
def test_any_size_and_channel_count(shape: tuple[int, int, int]) -> None:
    ramp = np.linspace(0, 255, math.prod(shape)).astype(np.uint8).reshape(shape)
    encoded = encode(ramp, dataclasses.replace(DRAFT, rd_lambda=1e-5), device="cpu")
    assert decode(encoded.bitstream).pixels.shape == shape


def test_one_colour_is_exact() -> None:
    flat = np.full((20, 30, 3), (3, 141, 255), dtype=np.uint8)
    encoded = encode(flat, DRAFT, device="cpu")
    assert encoded.psnr_db == math.inf
    assert len(encoded.bitstream) < 400


def test_a_callback_ends_the_fit_with_its_own_error(photograph: np.ndarray) -> None:
    seen: list[Progress] = []

    def deadline(progress: Progress) -> None:
        seen.append(progress)
        raise DeadlineExceeded("no time left")

    with pytest.raises(DeadlineExceeded, match="no time left"):
        encode(photograph, DRAFT, device="cpu", on_progress=deadline)
    assert [(p.attempt, p.step, p.n_steps, p.rd_lambda) for p in seen] == [(1, 100, 150, 5e-4)]


def test_history_is_what_the_callback_saw(photograph: np.ndarray) -> None:
    seen: list[Progress] = []
    encoded = encode(photograph, DRAFT, device="cpu", on_progress=seen.append)
    assert encoded.history == tuple(seen)
    assert all(math.isfinite(p.psnr_db) and p.estimated_bpp > 0 for p in seen)


@pytest.mark.parametrize("rate", [50.0, math.nan])
def test_a_collapsed_fit_is_begun_again_once_and_then_named(
    photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    """Rates that throw any fit off: the real loop diverges, twice."""
    broken = FitSettings(n_steps=60, matrix_rate=rate, vector_rate=rate, warmup_steps=1, report_steps=30)
    monkeypatch.setattr(mlp_encoder, "choose_settings", lambda _: broken)
    seen: list[Progress] = []
    with pytest.raises(FitDiverged, match=r"expected at least the .* dB of the image's mean colour"):
        encode(photograph, DRAFT, device="cpu", on_progress=seen.append)
    assert {progress.attempt for progress in seen} == {1, 2}


def test_a_restart_is_counted_and_can_succeed(
    photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = FitSettings(n_steps=60, matrix_rate=50.0, vector_rate=50.0, warmup_steps=1)
    settings = iter([broken, FitSettings(n_steps=200)])
    monkeypatch.setattr(mlp_encoder, "choose_settings", lambda _: next(settings))
    assert encode(photograph, DRAFT, device="cpu").restarts == 1


def test_a_bitstream_that_decodes_otherwise_is_never_returned(
    photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_level_off(*args: object, **kwargs: object) -> np.ndarray:
        pixels = encoder_module_render(*args, **kwargs)
        pixels[0, 0, 0] ^= 1
        return pixels

    encoder_module_render = encoder_module.render
    monkeypatch.setattr(encoder_module, "render", one_level_off)
    with pytest.raises(SelfCheckFailed, match="expected symbols and pixels"):
        encode(photograph, DRAFT, device="cpu")


@pytest.mark.parametrize("target", [20.0, 26.0])
def test_a_target_psnr_is_met_or_its_miss_reported(photograph: np.ndarray, target: float) -> None:
    encoded = encode(
        photograph, CodecConfig(model="mlp", preset="draft", target_psnr_db=target), device="cpu"
    )
    assert 1 <= len(encoded.attempts) <= MAX_FITS
    reached = [attempt for attempt in encoded.attempts if attempt.psnr_db >= target]
    if reached:
        assert encoded.psnr_db == min(attempt.psnr_db for attempt in reached)
    else:
        assert encoded.psnr_db == max(attempt.psnr_db for attempt in encoded.attempts)


def test_a_target_bpp_is_not_exceeded_where_it_can_be_met(photograph: np.ndarray) -> None:
    encoded = encode(photograph, CodecConfig(model="mlp", preset="draft", target_bpp=2.0), device="cpu")
    assert 1 <= len(encoded.attempts) <= MAX_FITS
    fitting = [attempt for attempt in encoded.attempts if attempt.rate_bpp <= 2.0]
    if fitting:
        assert encoded.rate_bpp == max(attempt.rate_bpp for attempt in fitting)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.broadcast_to(np.uint8(0), (1, 65536, 1)),
        np.broadcast_to(np.uint8(0), (65535, 1025, 2)),
    ],
)
def test_pixels_of_another_form_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="pixels: expected"):
        encode(pixels, DRAFT)


def test_devices_are_checked() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ConfigError, match="device"):
        encode(pixels, DRAFT, device="tpu")  # type: ignore[arg-type]  # the error under test
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="CUDA"):
            encode(pixels, DRAFT, device="cuda")


@pytest.mark.gpu
def test_a_fit_on_a_gpu_decodes_to_the_same_pixels_on_the_cpu(photograph: np.ndarray) -> None:
    encoded = encode(photograph, DRAFT, device="cuda")
    assert encoded.device == "cuda"
    assert decode(encoded.bitstream).pixels_digest == encoded.pixels_digest
    assert encoded.psnr_db > 15


def test_presets_are_in_order() -> None:
    steps = [presets.choose_settings(preset).n_steps for preset in ("draft", "standard", "best")]
    assert steps == sorted(steps)
    assert Limits().max_samples == 2**27

"""Fits of family `cnn`: whole encodings of small photographs."""

import math

import numpy as np
import pytest
import torch
from skimage import data

from inr import CodecConfig, FitDiverged, Progress, decode, encode
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit import encoder as cnn_encoder
from inr.cnn.fit import trainer as cnn_trainer
from inr.cnn.fit.trainer import PyramidSettings, fit_pyramid, soft_round

DRAFT = CodecConfig(model="cnn", preset="draft", rd_lambda=1e-3)


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[20:148, 150:278])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of fewer steps, where a test is not about their quality."""
    monkeypatch.setitem(cnn_encoder._SETTINGS, "draft", PyramidSettings(150))


def fitted_digest(pixels: np.ndarray) -> str:
    return encode(pixels, DRAFT, device="cpu").symbols_digest


def test_a_photograph_becomes_a_small_file_of_good_quality(photograph: np.ndarray) -> None:
    seen: list[Progress] = []
    encoded = encode(photograph, DRAFT, device="cpu", on_progress=seen.append)
    assert encoded.psnr_db > 28
    assert encoded.rate_bpp < 2
    assert encoded.estimated_rate_bits == pytest.approx(8 * len(encoded.bitstream), rel=0.01)
    assert decode(encoded.bitstream).pixels_digest == encoded.pixels_digest
    assert [progress.step for progress in seen] == list(range(50, seen[-1].n_steps + 1, 50))
    assert seen[-1].psnr_db == pytest.approx(encoded.psnr_db, abs=0.5)


@pytest.mark.usefixtures("quick")
def test_the_same_command_gives_the_same_bytes_on_any_number_of_threads(photograph: np.ndarray) -> None:
    small = np.ascontiguousarray(photograph[:96, :80])
    before = torch.get_num_threads()
    try:
        digests = []
        for n_threads in (1, 2, 2):
            torch.set_num_threads(n_threads)
            digests.append(fitted_digest(small))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert len(set(digests)) == 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 1), (40, 1, 4), (3, 2, 2), (130, 5, 3)])
@pytest.mark.usefixtures("quick")
def test_every_size_can_be_encoded(shape: tuple[int, int, int], photograph: np.ndarray) -> None:
    height, width, channels = shape
    pixels = np.resize(photograph, (height, width, channels))
    encoded = encode(pixels, DRAFT, device="cpu")
    assert encoded.pixels.shape == shape


@pytest.mark.usefixtures("quick")
def test_one_colour_is_exact() -> None:
    for colour in ((0, 0, 0), (255, 254, 1), (77, 128, 129)):
        pixels = np.full((30, 20, 3), colour, dtype=np.uint8)
        encoded = encode(pixels, DRAFT, device="cpu")
        np.testing.assert_array_equal(encoded.pixels, pixels)
        assert len(encoded.bitstream) < 60


@pytest.mark.usefixtures("quick")
def test_more_rate_is_spent_for_a_smaller_lambda(photograph: np.ndarray) -> None:
    small = np.ascontiguousarray(photograph[:64, :64])
    found = [
        encode(small, CodecConfig(model="cnn", preset="draft", rd_lambda=value), device="cpu")
        for value in (1e-2, 1e-3, 1e-4)
    ]
    assert sorted(found, key=lambda encoded: encoded.rate_bpp) == found
    assert sorted(found, key=lambda encoded: encoded.psnr_db) == found


def test_a_fit_that_comes_apart_is_begun_again_once_and_then_named(
    photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cnn_encoder._SETTINGS, "draft", PyramidSettings(60, latent_rate=math.nan))
    with pytest.raises(FitDiverged, match="found NaN and NaN"):
        encode(photograph, DRAFT, device="cpu")


@pytest.mark.usefixtures("quick")
def test_what_the_callback_raises_ends_the_fit(photograph: np.ndarray) -> None:
    class Enough(Exception):  # not an error
        pass

    def stop(_: Progress) -> None:
        raise Enough

    before = torch.get_num_threads()
    with pytest.raises(Enough):
        encode(photograph, DRAFT, device="cpu", on_progress=stop)
    assert torch.get_num_threads() == before


def test_soft_rounding_goes_from_the_identity_to_rounding() -> None:
    values = torch.linspace(-3, 3, 601)
    torch.testing.assert_close(soft_round(values, 20.0), values, atol=1e-3, rtol=0)
    off_halves = values[(values - values.round()).abs() < 0.45]
    cold = soft_round(off_halves, 0.005)
    assert (cold - off_halves.round()).abs().max() < 0.01


@pytest.mark.gpu
def test_a_fit_on_a_gpu_decodes_on_the_cpu(photograph: np.ndarray) -> None:
    encoded = encode(photograph, DRAFT, device="cuda")
    assert encoded.device == "cuda"
    assert decode(encoded.bitstream).pixels_digest == encoded.pixels_digest


def test_the_plain_operations_fit_as_the_compiled_ones_do(
    photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = LatentPyramid(3, 32, 24, 4, 16, 40, 2, prior=1)
    pixels = np.ascontiguousarray(photograph[:24, :32])

    def cost() -> float:
        last: list[float] = []
        fit_pyramid(
            pixels,
            architecture,
            PyramidSettings(20, report_steps=10),  # later, rounding errors have grown
            rd_lambda=1e-3,
            seed=0,
            device="cpu",
            report=lambda step, rate, psnr: last.append(10 ** (-psnr / 10) + 1e-3 * rate),
        )
        return last[-1]

    compiled = cost()
    monkeypatch.setattr(cnn_trainer, "compiled_kernels", lambda: None)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # so small that threads would only wait for each other
    try:
        assert cost() == pytest.approx(compiled, rel=0.005)
    finally:
        torch.set_num_threads(before)

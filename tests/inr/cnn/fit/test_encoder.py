"""Fits of family `cnn`: whole encodings of small photographs."""

import numpy as np
import pytest
import torch
from skimage import data

from inr import CodecConfig, DeadlineExceeded, Progress, decode, encode

STEPS = 150  # where a test is not about the quality of fits
DRAFT = CodecConfig(model="cnn", preset="draft", rd_lambda=1e-3)


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[20:148, 150:278])


def test_a_photograph_becomes_a_small_file_of_good_quality(photograph: np.ndarray) -> None:
    seen: list[Progress] = []
    encoded = encode(photograph, DRAFT, device="cpu", on_progress=seen.append)
    assert encoded.psnr_db > 28
    assert encoded.rate_bpp < 2
    assert encoded.estimated_rate_bits == pytest.approx(8 * len(encoded.bitstream), rel=0.01)
    assert decode(encoded.bitstream).pixels_digest == encoded.pixels_digest
    assert [progress.step for progress in seen] == list(range(50, seen[-1].n_steps + 1, 50))
    assert seen[-1].psnr_db == pytest.approx(encoded.psnr_db, abs=0.5)


def test_the_same_command_gives_the_same_bytes_on_any_number_of_threads(photograph: np.ndarray) -> None:
    small = np.ascontiguousarray(photograph[:96, :80])
    before = torch.get_num_threads()
    try:
        digests = []
        for n_threads in (1, 2, 2):
            torch.set_num_threads(n_threads)
            digests.append(encode(small, DRAFT, device="cpu", n_steps=STEPS).symbols_digest)
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert len(set(digests)) == 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 1), (40, 1, 4), (3, 2, 2), (130, 5, 3)])
def test_every_size_can_be_encoded(shape: tuple[int, int, int], photograph: np.ndarray) -> None:
    height, width, channels = shape
    pixels = np.resize(photograph, (height, width, channels))
    encoded = encode(pixels, DRAFT, device="cpu", n_steps=STEPS)
    assert encoded.pixels.shape == shape


def test_one_colour_is_exact() -> None:
    for colour in ((0, 0, 0), (255, 254, 1), (77, 128, 129)):
        pixels = np.full((30, 20, 3), colour, dtype=np.uint8)
        encoded = encode(pixels, DRAFT, device="cpu")
        np.testing.assert_array_equal(encoded.pixels, pixels)
        assert len(encoded.bitstream) < 60


def test_more_rate_is_spent_for_a_smaller_lambda(photograph: np.ndarray) -> None:
    small = np.ascontiguousarray(photograph[:64, :64])
    found = [
        encode(small, CodecConfig(model="cnn", preset="draft", rd_lambda=value), device="cpu", n_steps=STEPS)
        for value in (1e-2, 1e-3, 1e-4)
    ]
    assert sorted(found, key=lambda encoded: encoded.rate_bpp) == found
    assert sorted(found, key=lambda encoded: encoded.psnr_db) == found


def test_what_the_callback_returns_ends_the_fit(photograph: np.ndarray) -> None:
    before = torch.get_num_threads()
    with pytest.raises(DeadlineExceeded, match="enough"):
        encode(photograph, DRAFT, device="cpu", on_progress=lambda _: DeadlineExceeded("enough"))
    assert torch.get_num_threads() == before


@pytest.mark.gpu
def test_a_fit_on_a_gpu_decodes_on_the_cpu(photograph: np.ndarray) -> None:
    encoded = encode(photograph, DRAFT, device="cuda")
    assert encoded.device == "cuda"
    assert decode(encoded.bitstream).pixels_digest == encoded.pixels_digest

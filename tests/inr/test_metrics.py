import math

import numpy as np
import pytest

from inr.metrics import bpp, ms_ssim, mse, psnr_db, psnr_of, visible_pixels

BLACK = np.zeros((300, 200, 3), np.uint8)


def test_psnr_of_known_errors() -> None:
    off = BLACK + np.uint8(1)
    assert mse(reference=BLACK, decoded=off) == pytest.approx(255**-2)
    assert psnr_db(reference=BLACK, decoded=off) == pytest.approx(20 * math.log10(255))
    assert psnr_db(reference=BLACK, decoded=BLACK + np.uint8(255)) == 0
    assert psnr_db(reference=BLACK, decoded=BLACK) == math.inf


def test_mse_does_not_wrap_around() -> None:
    a, b = np.full((2, 2, 1), 250, np.uint8), np.full((2, 2, 1), 5, np.uint8)
    assert mse(reference=a, decoded=b) == mse(reference=b, decoded=a) == pytest.approx((245 / 255) ** 2)


@pytest.mark.parametrize("metric", [mse, ms_ssim])
def test_shapes_must_agree(metric) -> None:
    with pytest.raises(ValueError, match="one shape"):
        metric(reference=BLACK, decoded=BLACK[:-1])


def test_ms_ssim_is_one_for_equal_images_and_none_for_small_ones() -> None:
    noisy = np.random.default_rng(0).integers(0, 256, BLACK.shape, dtype=np.uint8)
    assert ms_ssim(reference=noisy, decoded=noisy) == pytest.approx(1)
    blurred = (noisy // 2 + 64).astype(np.uint8)
    assert 0 < ms_ssim(reference=noisy, decoded=blurred) < 1
    assert ms_ssim(reference=noisy[:160], decoded=noisy[:160]) is None


def test_bpp_counts_the_whole_file() -> None:
    assert bpp(n_bytes=300, width=60, height=40) == 1


def test_only_colours_under_alpha_0_are_hidden() -> None:
    pixels = np.full((3, 4, 4), 9, np.uint8)
    assert visible_pixels(pixels) is None
    assert visible_pixels(pixels[:, :, :3] * np.uint8(0)) is None
    pixels[1, 2, 3] = 0
    visible = visible_pixels(pixels)
    assert visible is not None
    assert np.argwhere(~visible).tolist() == [[1, 2]]
    assert visible_pixels(pixels[:, :, 2:]) is not None  # grey and alpha


@pytest.mark.parametrize("channels", [2, 4])
def test_hidden_colours_count_neither_in_the_sum_nor_in_the_number(channels: int) -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.integers(0, 256, (600, 5, channels), np.uint8) for _ in range(2))
    visible = rng.random((600, 5)) < 0.4
    squares = np.square((a.astype(float) - b) / 255)
    counted = np.concatenate([squares[visible][:, :-1].ravel(), squares[:, :, -1].ravel()])
    assert mse(reference=a, decoded=b, visible=visible) == pytest.approx(counted.mean())
    expected = pytest.approx(-10 * math.log10(counted.mean()))
    assert psnr_db(reference=a, decoded=b, visible=visible) == expected
    same = np.where(visible[..., None], a, b)
    same[:, :, -1] = a[:, :, -1]
    assert psnr_db(reference=a, decoded=same, visible=visible) == math.inf


def test_psnr_of_an_error() -> None:
    assert (psnr_of(0.0), psnr_of(1.0), psnr_of(1e-3)) == (math.inf, 0, pytest.approx(30))

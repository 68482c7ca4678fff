import sys

import numpy as np
import pytest

from inr.metrics import ms_ssim, psnr_db
from tasks.report.quality import flip, measure_quality
from tests.tasks.pictures import gradient


def noisy(pixels: np.ndarray, amount: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(-amount, amount + 1, pixels.shape)
    return np.clip(pixels.astype(int) + noise, 0, 255).astype(np.uint8)


def test_measures_are_those_of_the_pair():
    original = gradient(170, 165, 3)
    decoded = noisy(original, 20)
    found = measure_quality(reference=original, decoded=decoded)
    assert found.psnr_db == psnr_db(reference=original, decoded=decoded)
    assert found.ms_ssim == ms_ssim(reference=original, decoded=decoded)
    assert found.flip == flip(reference=original, decoded=decoded)
    assert 0 < found.flip < 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_flip_is_zero_for_equal_images_and_grows(channels: int):
    original = gradient(20, 30, channels)
    values = [flip(reference=original, decoded=noisy(original, amount)) for amount in (0, 10, 60)]
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values[0] < values[1] < values[2]


def test_black_and_white_are_as_far_as_can_be():
    black = np.zeros((32, 32, 3), np.uint8)
    assert flip(reference=black, decoded=black + 255) == pytest.approx(1, abs=0.05)


def test_alpha_does_not_count():
    original = gradient(20, 30, 4)
    changed = original.copy()
    changed[:, :, 3] = 255 - changed[:, :, 3]
    assert flip(reference=original, decoded=changed) == pytest.approx(0, abs=1e-6)


def test_without_the_package_there_is_no_flip(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "flip_evaluator", None)
    original = gradient(20, 30, 3)
    assert flip(reference=original, decoded=original) is None
    assert measure_quality(reference=original, decoded=original).psnr_db == float("inf")

import numpy as np
import pytest

from inr.metrics import visible_pixels
from tasks.originals.yardstick import lossy_webp
from tests.tasks.pictures import photograph


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_more_quality_costs_more_bytes(channels: int):
    pixels = np.asarray(photograph(40, 48, channels)).reshape(40, 48, -1)
    found = [lossy_webp(pixels, quality) for quality in (20, 60, 95)]
    sizes = [each.n_bytes for each in found if each is not None]
    errors = [each.error for each in found if each is not None]
    assert sorted(sizes) == sizes
    assert len(sizes) == 3
    assert sorted(errors, reverse=True) == errors
    assert 0 < errors[0] < 0.02


def test_what_nobody_sees_does_not_count():
    pixels = np.asarray(photograph(40, 48, 4)).copy()
    pixels[:, :, 3] = 255
    pixels[10:, :, 3] = 0
    pixels[10:, :, :3] = np.random.default_rng(0).integers(0, 256, (30, 48, 3))
    all_of_it, seen = (lossy_webp(pixels, 75, visible) for visible in (None, visible_pixels(pixels)))
    assert all_of_it is not None
    assert seen is not None
    assert seen.error < all_of_it.error / 4


def test_what_webp_cannot_hold_has_no_measure():
    assert lossy_webp(np.zeros((1, 16384, 3), np.uint8), 75) is None

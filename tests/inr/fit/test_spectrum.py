import math
from itertools import pairwise

import numpy as np
import pytest
from skimage import data

from inr.config import MAX_LAMBDA, MIN_LAMBDA
from inr.fit.spectrum import _squares, expected_lambda
from inr.fit.steering import Aim

PICTURE = np.ascontiguousarray(data.astronaut())
SHAPES = [(1, 1, 3), (1, 50, 1), (40, 3, 4), (16, 17, 2), (130, 90, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_coefficients_hold_the_energy_of_the_image(shape: tuple[int, int, int]) -> None:
    pixels = np.resize(PICTURE, shape)
    height, width, _ = shape
    edges = ((0, -height % 16), (0, -width % 16), (0, 0))
    padded = np.pad(pixels, edges, mode="edge").astype(np.float64) / 255
    assert _squares(pixels).mean() == pytest.approx(np.square(padded).mean(), rel=1e-4)


def test_of_a_large_image_some_blocks_are_looked_at_all_over_it() -> None:
    pixels = np.zeros((1024, 1024, 1), np.uint8)
    pixels[512:] = 255
    squares = _squares(pixels)
    assert squares.shape == (1024, 16, 16, 1)
    assert squares.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("shape", SHAPES[2:])
def test_more_quality_and_more_bits_are_expected_of_a_smaller_lambda(shape: tuple[int, int, int]) -> None:
    pixels, (height, width, _) = np.resize(PICTURE[100:], shape), shape
    by_quality = [expected_lambda(pixels, Aim(mse=10 ** (-db / 10))) for db in (20, 25, 30, 35)]
    by_bits = [expected_lambda(pixels, Aim(bits=bpp * height * width)) for bpp in (0.5, 1.0, 4.0)]
    for found in (by_quality, by_bits):
        assert all(late < early for early, late in pairwise(found))


def test_what_is_out_of_reach_leads_to_an_end_of_the_range() -> None:
    assert expected_lambda(PICTURE, Aim(mse=1e-8)) == pytest.approx(MIN_LAMBDA, rel=1e-3)
    assert expected_lambda(PICTURE, Aim(bits=1.0)) == pytest.approx(MAX_LAMBDA, rel=1e-3)
    flat = np.full((20, 20, 3), 7, np.uint8)
    assert math.isfinite(expected_lambda(flat, Aim(mse=1e-3)))


def test_a_photograph_is_expected_to_need_what_fits_of_photographs_do() -> None:
    """At λ = 0.001 photographs have from 31 to 37 dB, and from 0.3 to 1.2 bpp."""
    assert 2e-4 < expected_lambda(PICTURE, Aim(mse=10**-3.4)) < 4e-3
    assert 2e-4 < expected_lambda(PICTURE, Aim(bits=0.6 * 512 * 512)) < 4e-3

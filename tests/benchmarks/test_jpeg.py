import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.jpeg import QUALITIES, SUBSAMPLINGS, better, better_mean, encode_jpeg, measure_jpeg
from inr.metrics import psnr_db
from tasks.curves import Point


@pytest.fixture
def ramp() -> NDArray[np.uint8]:
    """A smooth picture with detail in colour: uint8 [48, 64, 3]."""
    y, x = np.mgrid[0:48, 0:64]
    channels = [4 * x, 5 * y, 127 + 127 * np.sin(x / 2) * np.cos(y / 3)]
    return np.stack(channels, axis=2).astype(np.uint8)


@pytest.mark.parametrize(("subsampling", "factors"), [("4:2:0", (2, 2)), ("4:4:4", (1, 1))])
def test_files_are_progressive_and_subsampled_as_asked(
    ramp: NDArray[np.uint8], subsampling: str, factors: tuple[int, int]
) -> None:
    image = Image.open(io.BytesIO(encode_jpeg(ramp, quality=50, subsampling=subsampling)))
    assert image.format == "JPEG"
    assert image.info["progressive"]
    assert image.layer[0][1:3] == factors  # type: ignore[attr-defined]


def test_rate_is_the_whole_file_and_psnr_that_of_its_pixels(ramp: NDArray[np.uint8]) -> None:
    data = encode_jpeg(ramp, quality=30, subsampling="4:2:0")
    point = measure_jpeg(ramp, quality=30, subsampling="4:2:0")
    assert point.bpp == 8 * len(data) / (48 * 64)
    assert point.psnr_db == psnr_db(reference=ramp, decoded=np.asarray(Image.open(io.BytesIO(data))))


def test_grey_is_coded_as_grey(ramp: NDArray[np.uint8]) -> None:
    grey = ramp[:, :, :1]
    assert Image.open(io.BytesIO(encode_jpeg(grey, quality=50, subsampling="4:2:0"))).mode == "L"
    assert measure_jpeg(grey, quality=90, subsampling="4:2:0").psnr_db > 35


def test_quality_costs_bits(ramp: NDArray[np.uint8]) -> None:
    low, high = (measure_jpeg(ramp, quality=quality, subsampling="4:4:4") for quality in (10, 90))
    assert low.bpp < high.bpp
    assert low.psnr_db < high.psnr_db


def test_the_grid_is_dense_and_rises() -> None:
    assert list(QUALITIES) == sorted(set(QUALITIES))
    assert len(QUALITIES) > 80
    assert SUBSAMPLINGS == ("4:2:0", "4:4:4")


def test_the_better_subsampling_counts_at_each_rate() -> None:
    small = {"4:2:0": [Point(0.1, 20), Point(0.4, 22)], "4:4:4": [Point(0.2, 19), Point(0.5, 30)]}
    assert better(small) == [Point(0.1, 20), Point(0.5, 30)]


def test_the_mean_is_taken_before_the_better() -> None:
    one = {"4:2:0": [Point(0.1, 20)], "4:4:4": [Point(0.2, 30)]}
    other = {"4:2:0": [Point(0.3, 22)], "4:4:4": [Point(0.4, 32)]}
    assert better_mean([one, other]) == [
        Point(pytest.approx(0.2), pytest.approx(21)),
        Point(pytest.approx(0.3), pytest.approx(31)),
    ]

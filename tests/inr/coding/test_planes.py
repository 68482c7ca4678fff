"""What a network need not code is taken out and put back, exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.bitstream import Planes
from inr.coding.planes import merge, planes_of, split

VARY, SAME, REPEAT = "varies", "one value", "repeats the first"


@st.composite
def images(draw: st.DrawFn) -> np.ndarray:
    """Images whose channels vary, have one value, or repeat the first."""
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    kinds = draw(st.lists(st.sampled_from((VARY, SAME, REPEAT)), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    channels: list[np.ndarray] = []
    for kind in kinds:
        if kind == REPEAT and channels:
            channels.append(channels[0])
        elif kind == SAME:
            channels.append(np.full(shape, rng.integers(256), np.uint8))
        else:
            channels.append(rng.integers(0, 256, shape, np.uint8))
    return np.stack(channels, axis=2)


@given(images())
def test_what_is_split_is_merged_again(pixels: np.ndarray) -> None:
    planes = planes_of(pixels)
    coded = split(pixels, planes)
    assert coded.shape == (*pixels.shape[:2], len(planes.coded(pixels.shape[2])))
    np.testing.assert_array_equal(merge(coded if coded.size else None, planes, pixels.shape), pixels)


@given(images())
def test_no_channel_that_is_coded_has_one_value_and_grey_is_one_channel(pixels: np.ndarray) -> None:
    planes = planes_of(pixels)
    coded = split(pixels, planes)
    assert all(np.ptp(coded[:, :, n]) for n in range(coded.shape[2]))
    colours = {pixels[:, :, n].tobytes() for n in range(min(3, pixels.shape[2]))}
    varies = not {0, 1, 2} & planes.constants.keys()
    assert planes.is_grey == (pixels.shape[2] >= 3 and len(colours) == 1 and varies)


RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4)
FLAT = np.full((3, 4), 9, np.uint8)


@pytest.mark.parametrize(
    ("channels", "expected", "n_coded"),
    [
        ((RAMP,), Planes(), 1),
        ((FLAT,), Planes({0: 9}), 0),
        ((RAMP, FLAT), Planes({1: 9}), 1),
        ((RAMP, RAMP), Planes(), 2),  # grey, and alpha that happens to be equal
        ((RAMP, RAMP, RAMP), Planes({}, is_grey=True), 1),
        ((RAMP, RAMP, RAMP, FLAT), Planes({3: 9}, is_grey=True), 1),
        ((RAMP, RAMP, RAMP, RAMP), Planes({}, is_grey=True), 2),
        ((FLAT, FLAT, FLAT, RAMP), Planes({0: 9, 1: 9, 2: 9}), 1),
        ((RAMP, FLAT, RAMP), Planes({1: 9}), 2),
        ((RAMP, RAMP, RAMP[::-1]), Planes(), 3),
    ],
)
def test_planes_of_known_images(channels: tuple[np.ndarray, ...], expected: Planes, n_coded: int) -> None:
    pixels = np.stack(channels, axis=2)
    planes = planes_of(pixels)
    assert planes == expected
    assert len(planes.coded(len(channels))) == n_coded


def test_an_image_without_such_planes_is_not_copied() -> None:
    pixels = np.stack((RAMP, RAMP[::-1], RAMP), axis=2)
    planes = planes_of(pixels)
    assert split(pixels, planes) is pixels
    assert merge(pixels, planes, pixels.shape) is pixels

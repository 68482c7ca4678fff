import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UnsupportedImage
from tasks.originals.forms import indexed, lifted, reduced, without_opaque_alpha


@st.composite
def pictures(draw: st.DrawFn) -> np.ndarray:
    """Pictures of every number of channels, some of them grey in colour, opaque or of few values."""
    height, width, channels = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    most = draw(st.sampled_from((1, 2, 256)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pixels = rng.integers(256 - most, 256, (height, width, channels), np.uint8)
    if channels >= 3 and draw(st.booleans()):
        pixels[:, :, 1:3] = pixels[:, :, :1]
    if channels % 2 == 0 and draw(st.booleans()):
        pixels[:, :, -1] = 255
    return pixels


@given(pictures())
def test_what_is_reduced_is_lifted_again(pixels: np.ndarray):
    form = reduced(pixels)
    assert form.shape[2] <= pixels.shape[2]
    np.testing.assert_array_equal(lifted(form, pixels.shape[2]), pixels)
    np.testing.assert_array_equal(reduced(form), form)


@given(pictures())
def test_indices_and_palette_are_the_pixels(pixels: np.ndarray):
    found = indexed(pixels)
    assert found is not None  # sixteen pixels have no more colours
    indices, palette = found
    np.testing.assert_array_equal(palette[indices], pixels)
    assert len(palette) == len({tuple(pixel) for pixel in pixels.reshape(-1, pixels.shape[2])})


def test_more_colours_than_a_palette_has_room_for_are_none():
    values = np.arange(257)
    pixels = np.stack([values % 256, values // 256, values * 0], axis=1).astype(np.uint8)[None]
    assert indexed(pixels) is None
    found = indexed(pixels[:, :256])
    assert found is not None
    assert len(found[1]) == 256


@pytest.mark.parametrize(
    ("channels", "named"),
    [(1, "found alpha that is not opaque"), (3, "found alpha that is not opaque"), (2, "found colours")],
)
def test_what_has_no_room_is_refused(channels: int, named: str):
    pixels = np.array([[[1, 2, 3, 4]]], np.uint8)
    with pytest.raises(UnsupportedImage, match=f"expected {channels} channels?, {named}"):
        lifted(pixels, channels)


def test_only_alpha_that_hides_nothing_is_left_out():
    pixels = np.array([[[1, 255], [2, 255]]], np.uint8)
    assert without_opaque_alpha(pixels).shape == (1, 2, 1)
    pixels[0, 1, 1] = 254
    assert without_opaque_alpha(pixels) is pixels
    assert without_opaque_alpha(pixels[:, :, :1]).shape == (1, 2, 1)

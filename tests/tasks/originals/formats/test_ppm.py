import numpy as np
import pytest

from tasks.errors import UnsupportedImage
from tasks.originals.opening import Picture, open_picture


def opened(data: bytes) -> Picture:
    return open_picture(data, max_pixels=1000)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"P1\n2 1\n0 1\n", [255, 0]),
        (b"P4\n2 1\n\x40", [255, 0]),
        (b"P2 2 1 255 7 9\n", [7, 9]),
        (b"P5 2 1 255\n\7\x09", [7, 9]),
    ],
)
def test_samples_of_eight_bits_and_fewer_are_read(data: bytes, expected: list[int]):
    np.testing.assert_array_equal(opened(data).pixels[0, :, 0], expected)


@pytest.mark.parametrize("data", [b"P3 1 1 15 0 5 15\n", b"P6 1 1 15\n\0\5\x0f"])
def test_another_white_than_255_is_noted(data: bytes):
    picture = opened(data)
    np.testing.assert_array_equal(picture.pixels[0, 0], [0, 85, 255])
    assert picture.notes == ("samples widened from 0 to 15 to 0 to 255",)


@pytest.mark.parametrize(
    "data", [b"P5 1 1 256\n\0\0", b"P2 1 1 300 7", b"P6 1 1 65535\n" + bytes(6), b"P3 1 1 1000 1 2 3"]
)
def test_more_than_eight_bits_are_refused(data: bytes):
    with pytest.raises(UnsupportedImage, match="8 bits per sample, found a maximum of"):
        opened(data)


@pytest.mark.parametrize("data", [b"PyRGBA 1 1 255\n1234", b"PyP 1 1 255\n1", b"P0CMYK 1 1 255\n1234"])
def test_kinds_that_pillow_alone_writes_are_refused(data: bytes):
    with pytest.raises(UnsupportedImage, match="expected P1 to P6"):
        opened(data)


def test_comments_and_what_follows_the_picture_are_noted():
    picture = opened(b"P5\n# by a scanner\n1 1\n#\n255\n\7P5 1 1 255\n\x08")
    assert picture.pixels.ravel().tolist() == [7]
    assert picture.notes == ("comments dropped: by a scanner, ", "12 bytes after the picture dropped")
    assert opened(b"P5 1 1 255\n\7\n").notes == ()


def test_samples_above_the_white_are_noted():
    assert opened(b"P5 2 1 15\n\x0f\xff").notes[1:] == (
        "damaged: samples above 15, the most that the header says",
    )

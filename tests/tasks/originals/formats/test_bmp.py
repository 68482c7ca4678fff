import struct

import numpy as np
import pytest

from tasks.errors import UnsupportedImage
from tasks.originals.opening import Picture, open_picture


def bmp(
    bits: int,
    size: tuple[int, int],
    pixels: bytes,
    *,
    palette: bytes = b"",
    compression: int = 0,
    header: bytes = b"",
    resolution: int = 0,
    colours: int = 0,
) -> bytes:
    """A BMP whose header of 40 bytes is followed by `header`, masks or more of a header."""
    more = len(header) if len(header) > 12 else 0
    start = 14 + 40 + len(header) + len(palette)
    info = struct.pack(
        "<IiiHHIIiiII",
        *(40 + more, *size, 1, bits, compression, len(pixels), resolution, resolution, colours, 0),
    )
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + info + header + palette + pixels


def opened(data: bytes) -> Picture:
    return open_picture(data, max_pixels=1000)


def greys(*values: int) -> bytes:
    return b"".join(bytes([value, value, value, 0]) for value in values)


@pytest.mark.parametrize(
    ("compression", "masks", "words", "expected", "bits"),
    [
        (3, (0xF800, 0x07E0, 0x001F), (0xF800, 0x07E0, 0x001F, 0x0821), [8, 4, 8], "5, 6 and 5"),
        (3, (0x7C00, 0x03E0, 0x001F), (0x7C00, 0x03E0, 0x001F, 0x0421), [8, 8, 8], "5, 5 and 5"),
        (0, (), (0x7C00, 0x03E0, 0x001F, 0x0421), [8, 8, 8], "5, 5 and 5"),
    ],
)
def test_samples_of_five_and_six_bits_are_widened_with_a_note(
    compression: int, masks: tuple[int, ...], words: tuple[int, ...], expected: list[int], bits: str
):
    masked = struct.pack(f"<{len(masks)}I", *masks)
    picture = opened(bmp(16, (4, 1), struct.pack("<4H", *words), compression=compression, header=masked))
    primaries = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    np.testing.assert_array_equal(picture.pixels[0], [*primaries, expected])
    assert picture.notes == (f"samples of {bits} bits widened to 8",)


@pytest.mark.parametrize(
    ("bits", "pixels", "palette", "expected"),
    [
        (1, b"\x60\0\0\0", greys(0, 255), [0, 255, 255, 0]),
        (1, b"\x60\0\0\0", greys(255, 0), [255, 0, 0, 255]),
        (4, b"\x01\x23\0\0", greys(*range(0, 256, 17)), [0, 17, 34, 51]),
        (8, b"\0\1\2\3", greys(*range(4)), [0, 1, 2, 3]),
        (8, b"\0\1\1\0", greys(9, 200), [9, 200, 200, 9]),
    ],
)
def test_palettes_give_the_colours_in_the_file(bits: int, pixels: bytes, palette: bytes, expected: list[int]):
    picture = opened(bmp(bits, (4, 1), pixels, palette=palette, colours=len(palette) // 4))
    np.testing.assert_array_equal(picture.pixels[0, :, 0], expected)


@pytest.mark.parametrize(
    ("bits", "pixels", "palette"),
    [
        (8, b"\0\1\1\0", greys(0, 255)),
        (4, b"\x01\x23\0\0", greys(*range(16))),
        (4, b"\1\0\0\0", greys(0, 255)),
    ],
)
def test_a_palette_of_greys_that_pillow_takes_for_samples_is_refused(
    bits: int, pixels: bytes, palette: bytes
):
    with pytest.raises(UnsupportedImage, match=f"a palette of greys with {bits} bits a pixel"):
        opened(bmp(bits, (4, 1), pixels, palette=palette, colours=len(palette) // 4))


def test_a_fourth_sample_and_a_resolution_are_noted():
    seen, unseen = (bmp(32, (2, 1), bytes([1, 2, 3, fourth, 4, 5, 6, 0])) for fourth in (9, 0))
    assert opened(seen).notes == ("fourth sample dropped: it has no stated meaning",)
    assert opened(unseen).notes == ()
    assert opened(bmp(24, (1, 1), bytes(4), resolution=2835)).notes == (
        "resolution dropped: 2835 x 2835 pixels a metre",
    )


@pytest.mark.parametrize(("bits", "compression"), [(24, 0), (16, 0), (32, 3), (8, 0), (1, 0)])
def test_bytes_after_the_picture_are_noted(bits: int, compression: int):
    masks = struct.pack("<3I", 0xFF0000, 0xFF00, 0xFF) if compression else b""
    row = bytes((5 * bits + 31) // 32 * 4)
    palette = greys(*range(0, 256, 255 // ((1 << bits) - 1))) if bits <= 8 else b""
    whole = bmp(bits, (5, 3), 3 * row, compression=compression, header=masks, palette=palette)
    note = "7 bytes after the picture dropped"
    assert note not in opened(whole).notes
    assert note in opened(whole + bytes(7)).notes


@pytest.mark.parametrize(("bits", "pixels"), [(8, b"\0\3\7\0"), (4, b"\x03\x70\0\0")])
def test_a_pixel_beyond_its_palette_is_damage(bits: int, pixels: bytes):
    whole, short = (bmp(bits, (3, 1), pixels, palette=bytes(range(4 * n)), colours=n) for n in (8, 4))
    assert opened(whole).notes == ("converted from P to RGB",)
    assert opened(short).notes[0] == "damaged: a palette of 4 colours, and a pixel of number 7"


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_bit_before_samples_of_five_bits_is_noted_where_it_is_set(width: int):
    padding = b"\xff\xff" * (width % 2)
    plain, marked = (struct.pack(f"<{width}H", *[word] * width) + padding for word in (0x7FFF, 0xFFFF))
    assert len(opened(bmp(16, (width, 2), 2 * plain)).notes) == 1
    picture = opened(bmp(16, (width, 2), plain + marked))
    assert picture.notes[1] == "sample of the first of 16 bits dropped: it may be alpha"


def version_5(kind: bytes, profile: bytes = b"", size: int | None = None, points: bytes = bytes(48)) -> bytes:
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0)
    length = len(profile) if size is None else size
    header = masks + kind + points + struct.pack("<IIII", 0, 124 + 4, length, 0)
    return bmp(24, (1, 1), bytes([1, 2, 3, 0]), header=header) + profile


def test_an_embedded_profile_is_kept_and_what_else_says_how_colours_look_is_noted():
    picture = opened(version_5(b"DEBM", b"a profile"))
    assert picture.metadata.icc_profile == b"a profile"
    assert picture.notes == ()
    cut = opened(version_5(b"DEBM", b"a profile", 99))
    assert cut.metadata.icc_profile is None
    assert cut.notes == ("ICC profile dropped: it cannot be read",)
    assert opened(version_5(b"KNIL", b"c:\\p.icc")).notes == ("ICC profile dropped: it is a file of its own",)
    assert opened(version_5(b"BGRs")).notes == ()
    assert opened(version_5(bytes(4))).notes == ()
    assert "end points and gamma" in opened(version_5(bytes(4), points=b"\1" * 48)).notes[0]


@pytest.mark.parametrize("palette", [greys(0, 255), greys(*range(256))])
def test_runs_are_read_as_they_are(palette: bytes):
    pixels = bytes([2, 1, 2, 0, 0, 0, 4, 0, 0, 1])
    picture = opened(bmp(8, (4, 2), pixels, palette=palette, compression=1, colours=len(palette) // 4))
    one = palette[4]
    np.testing.assert_array_equal(picture.pixels[:, :, 0], [[0, 0, 0, 0], [one, one, 0, 0]])

"""Headers that libjxl wrote, and headers that are written here and that libjxl reads."""

from collections.abc import Sequence

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UnsupportedImage
from tasks.originals.formats.jxl.boxes import CODESTREAM
from tasks.originals.formats.jxl.header import Header, read_header
from tests.tasks.originals.formats.jxl.streams import (
    GREY,
    PLAIN,
    SRGB,
    Field,
    encoded,
    extra,
    header,
    packed,
    side,
    size,
)

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
ALPHA: tuple[Field, ...] = ((1, 2), (1, 1))
NO_CHANNEL: tuple[Field, ...] = ((0, 2),)
SIZES = [
    *((1, 1), (8, 8), (256, 256), (264, 8), (8, 264), (9000, 3), (3, 9000), (65535, 1)),
    *((12, 10), (40, 30), (30, 20), (32, 18), (50, 40), (32, 16), (41, 31), (121, 101), (513, 511)),
]


def plain(width: int, height: int, mode: str = "RGB") -> Header:
    return Header((width, height), mode, 8, 1, None, None)


@pytest.mark.parametrize("channels", MODES)
@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("lossless", [True, False])
def test_size_and_mode_of_what_libjxl_wrote(width: int, height: int, channels: int, lossless: bool):
    pixels = np.zeros((height, width, channels), np.uint8)
    stream = encoded(pixels, lossless=lossless, effort=1)
    assert read_header(stream) == plain(width, height, MODES[channels])


def test_a_picture_that_libjxl_writes_in_boxes():
    assert read_header(encoded(np.zeros((2, 300_000), np.uint8), effort=1)) == plain(300_000, 2, "L")


@given(st.integers(1, 700), st.integers(1, 700))
def test_every_size_is_read_as_it_was_written(width: int, height: int):
    assert read_header(encoded(np.zeros((height, width), np.uint8), effort=1)).size == (width, height)


@pytest.mark.parametrize("length", [1, 512, 513, 8192, 8193, 1 << 18, (1 << 18) + 1, 10**9, 1 << 30])
def test_sides_that_no_picture_has_are_read_too(length: int):
    assert read_header(header(size(length, 7))).size == (length, 7)
    assert read_header(header(size(7, length))).size == (7, length)


@pytest.mark.parametrize(
    ("ratio", "width"), [(1, 100), (2, 120), (3, 133), (4, 150), (5, 177), (6, 125), (7, 200)]
)
def test_every_ratio_of_sides(ratio: int, width: int):
    assert read_header(header(((0, 1), *side(100), (ratio, 3)))).size == (width, 100)


def test_the_headers_made_here_are_those_of_libjxl():
    for channels, (held, colours) in {
        1: (NO_CHANNEL, GREY),
        2: (ALPHA, GREY),
        3: (NO_CHANNEL, SRGB),
        4: (ALPHA, SRGB),
    }.items():
        made = header(size(70, 601), channels=held, colours=colours)
        assert encoded(np.zeros((601, 70, channels), np.uint8)).startswith(made)
        assert read_header(made) == plain(70, 601, MODES[channels])


def test_a_header_that_says_nothing_is_of_colours_in_8_bits():
    assert read_header(CODESTREAM + packed(*size(7, 5), (1, 1))) == plain(7, 5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_picture(orientation: int):
    found = read_header(header(size(70, 601), extra(orientation, shown=size(35, 300))))
    assert found.size == ((70, 601) if orientation <= 4 else (601, 70))
    assert (found.orientation, found.shown_size) == (orientation, (35, 300))


@pytest.mark.parametrize("depth", range(1, 9))
def test_samples_of_few_bits(depth: int):
    stream = encoded(np.zeros((3, 4), np.uint8), bitspersample=depth)
    assert read_header(stream).depth == depth


def xy(selector: int, value: int) -> tuple[Field, ...]:
    return ((selector, 2), (value, 19 if selector < 2 else 20 if selector == 2 else 21))


CUSTOM: tuple[Field, ...] = ((2, 2), (0, 4))
COLOURS = {
    "P3": ((1, 2), (2, 2), (9, 4), (0, 1), (2, 2), (11, 4)),
    "linear": ((1, 2), (1, 2), (0, 1), (2, 2), (6, 4)),
    "gamma": ((1, 2), (1, 2), (1, 1), (4545455, 24)),
    "PQ": ((1, 2), (2, 2), (7, 4), (0, 1), (2, 2), (14, 4)),
    "custom": (*CUSTOM, *xy(0, 7), *xy(1, 7), *CUSTOM, *(6 * xy(2, 7)), (0, 1), (2, 2), (11, 4)),
}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("P3", (1, 11, 13)),
        ("linear", (1, 1, 8)),
        ("gamma", (1, 1, 0)),
        ("PQ", (1, 9, 16)),
        ("custom", (2, 2, 13)),
    ],
)
def test_colours_that_are_not_those_of_srgb(name: str, found: tuple[int, int, int]):
    space: tuple[Field, ...] = ((0, 1), (0, 1), (0, 2))
    assert read_header(header(size(7, 5), colours=(*space, *COLOURS[name]))).colours == found


def channel(
    kind: Sequence[Field], depth: Sequence[Field] = ((0, 1), (0, 2)), shift: int = 0
) -> tuple[Field, ...]:
    """An extra channel that says all of itself, with a name; of alpha less whether it is associated."""
    name = ((1, 2), (3, 4), *(3 * ((65, 8),)))
    return ((1, 2), (0, 1), *kind, *depth, (shift, 2), *name)


REFUSED = {
    "a preview": (header(size(7, 5), extra(preview=1)), "expected one picture, found a preview"),
    "an animation": (header(size(7, 5), extra(animation=1)), "expected one picture, found an animation"),
    "ten bits": (header(size(7, 5), depth=((0, 1), (1, 2))), "8 bits per sample, found 10"),
    "64 bits": (header(size(7, 5), depth=((0, 1), (3, 2), (63, 6))), "8 bits per sample, found 64"),
    "floats": (header(size(7, 5), depth=((1, 1), (1, 2), (4, 4))), "found 16, as floats"),
    "black": (header(size(7, 5), channels=channel(((2, 2), (2, 4)))), "found one of kind 4"),
    "spot": (header(size(7, 5), channels=channel(((2, 2), (0, 4)))), "found one of kind 2"),
    "two": (header(size(7, 5), channels=((2, 2), (0, 4))), "found 2 channels beside colours"),
    "4097": (header(size(7, 5), channels=((3, 2), (4095, 12))), "found 4096 channels beside colours"),
    "deep alpha": (
        header(size(7, 5), channels=(*channel(((0, 2),), depth=((0, 1), (2, 2))), (0, 1))),
        "8 bits per sample, found 12",
    ),
    "thin alpha": (
        header(size(7, 5), channels=(*channel(((0, 2),), depth=((0, 1), (3, 2), (0, 6))), (0, 1))),
        "expected alpha of 8 bits a pixel, found alpha of 1 bit",
    ),
    "small alpha": (
        header(size(7, 5), channels=(*channel(((0, 2),), shift=1), (0, 1))),
        "found alpha of 8 bits, 1 of 8 a side",
    ),
    "associated": (
        header(size(7, 5), channels=(*channel(((0, 2),)), (1, 1))),
        "found alpha multiplied into the colours",
    ),
    "a profile": (header(size(7, 5), colours=((0, 1), (1, 1), (0, 2))), "no ICC profile"),
    "XYB": (header(size(7, 5), colours=((0, 1), (0, 1), (2, 2), (0, 4))), "found colour space 2"),
    "no stream": (b"\x0a\xff" + bytes(20), "expected a codestream"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_taken_is_refused_by_name(name: str):
    stream, reason = REFUSED[name]
    with pytest.raises(UnsupportedImage, match=f"^JPEG XL: .*{reason}"):
        read_header(stream)


def test_alpha_with_a_name_is_alpha():
    found = read_header(header(size(7, 5), channels=(*channel(((0, 2),)), (0, 1))))
    assert found == plain(7, 5, "RGBA")


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((3, 4, 3), np.uint16), "8 bits per sample, found 16"),
        (np.zeros((3, 4, 3), np.float32), "found 32, as floats"),
        (np.zeros((2, 3, 4, 3), np.uint8), "found an animation"),
    ],
)
def test_what_libjxl_wrote_and_is_not_taken(pixels: np.ndarray, reason: str):
    with pytest.raises(UnsupportedImage, match=reason):
        read_header(encoded(pixels))


def test_a_header_is_cut_anywhere_but_at_its_end():
    whole = header(size(70, 601), extra(6, shown=size(35, 300)), channels=ALPHA, colours=GREY)
    assert read_header(whole).size == (601, 70)
    for length in range(len(CODESTREAM), len(whole) - 1):
        with pytest.raises(UnsupportedImage, match="damaged: the header goes on"):
            read_header(whole[:length])


@given(st.binary(max_size=64))
def test_any_bytes_are_a_header_or_refused(data: bytes):
    try:
        found = read_header(CODESTREAM + data)
    except UnsupportedImage:
        return
    assert min(found.size) >= 0
    assert found.mode in MODES.values()


def test_plain_is_what_libjxl_writes_without_extra_fields():
    pixels = np.random.default_rng(0).integers(0, 256, (601, 70, 3), np.uint8)
    stream = encoded(pixels)
    frame = stream[len(header(size(70, 601), PLAIN)) :]
    turned = imagecodecs.jpegxl_decode(header(size(70, 601), extra(3)) + frame)
    np.testing.assert_array_equal(turned, pixels[::-1, ::-1])

import itertools
import struct

import imagecodecs
import numpy as np
import pytest

from inr.bitstream import MAX_METADATA_BYTES
from tasks.errors import UnsupportedImage
from tasks.originals.formats.jxl.boxes import (
    CODESTREAM,
    CONTAINER,
    Box,
    boxes,
    codestream,
    content,
    in_boxes,
)

STREAM = CODESTREAM + bytes(range(40))
PIXELS = np.zeros((3, 4), np.uint8)


def box(name: bytes, body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(body) if length is None else length, name) + body


def part(number: int, body: bytes, *, is_last: bool) -> bytes:
    return box(b"jxlp", struct.pack(">I", number | is_last << 31) + body)


def test_boxes_of_every_kind_of_length_are_told_apart():
    long = struct.pack(">I4sQ", 1, b"long", 16 + 3) + b"abc"
    data = CONTAINER + box(b"none", b"") + long + box(b"rest", b"to the end", length=0)
    found = [Box(b"JXL ", CONTAINER[8:], True), Box(b"none", b"", True), Box(b"long", b"abc", True)]
    assert list(boxes(data)) == [*found, Box(b"rest", b"to the end", True)]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_box_that_is_cut_says_so(cut: int):
    whole = CONTAINER + box(b"four", b"body")
    assert [each.is_whole for each in boxes(whole)] == [True, True]
    assert [each.is_whole for each in boxes(whole[:-cut])] == [True, False]


@pytest.mark.parametrize("length", [2, 7])
def test_a_box_shorter_than_its_header_is_refused(length: int):
    with pytest.raises(UnsupportedImage, match=rf"damaged: box b'four' of {length} bytes"):
        list(boxes(CONTAINER + box(b"four", b"body", length=length)))


def test_a_long_box_shorter_than_its_header_is_refused():
    with pytest.raises(UnsupportedImage, match="damaged: box b'four' of 15 bytes"):
        list(boxes(struct.pack(">I4sQ", 1, b"four", 15)))


def test_a_codestream_stands_alone_in_a_box_or_in_parts_in_any_order():
    parts = [STREAM[:5], STREAM[5:6], STREAM[6:]]
    assert codestream(STREAM) == STREAM
    assert list(boxes(STREAM)) == []
    assert codestream(CONTAINER + box(b"else", b"1") + box(b"jxlc", STREAM)) == STREAM
    numbered = [part(n, body, is_last=n == 2) for n, body in enumerate(parts)]
    for order in itertools.permutations(numbered):
        assert codestream(CONTAINER + b"".join(order)) == STREAM


@pytest.mark.parametrize(("numbers", "found"), [((), r"\[\]"), ((1,), r"\[1\]"), ((0, 2), r"\[0, 2\]")])
def test_a_codestream_without_all_of_its_parts_is_refused(numbers: tuple[int, ...], found: str):
    data = CONTAINER + b"".join(part(n, STREAM, is_last=False) for n in numbers)
    with pytest.raises(UnsupportedImage, match=f"a whole codestream, found parts {found}"):
        codestream(data)


@pytest.mark.parametrize(("exif", "xmp"), [(b"MM\0*", None), (None, b"<x/>"), (b"II*\0", b"<x/>")])
def test_what_is_carried_lies_in_boxes_before_the_codestream(exif: bytes | None, xmp: bytes | None):
    data = in_boxes(STREAM, exif, xmp)
    held = {each.name: each.body for each in boxes(data)}
    assert held.get(b"Exif") == (exif and bytes(4) + exif)
    assert held.get(b"xml ") == xmp
    assert list(held)[-1] == b"jxlc"
    assert codestream(data) == STREAM


def test_the_boxes_begin_as_those_of_libjxl_and_it_reads_them():
    written = bytes(imagecodecs.jpegxl_encode(PIXELS, lossless=True, usecontainer=True))
    ours = in_boxes(codestream(written), b"MM\0*", b"<x/>")
    start = next(boxes(written)), list(boxes(written))[1]
    assert tuple(boxes(ours))[:2] == start
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(ours), PIXELS)


@pytest.mark.parametrize("empty", [None, b""])
def test_a_codestream_that_carries_nothing_stays_alone(empty: bytes | None):
    assert in_boxes(STREAM, empty, empty) == STREAM


def test_a_box_in_brotli_is_read_up_to_what_is_kept():
    def packed(body: bytes, *, is_whole: bool = True) -> Box:
        return Box(b"brob", b"xml " + imagecodecs.brotli_encode(body), is_whole)

    assert packed(b"<x/>").kind == b"xml "
    assert content(packed(b"<x/>" * 99)) == b"<x/>" * 99
    assert len(content(packed(bytes(MAX_METADATA_BYTES))) or b"") == MAX_METADATA_BYTES
    assert content(packed(bytes(MAX_METADATA_BYTES + 1))) is None
    assert content(packed(b"<x/>", is_whole=False)) is None
    assert content(Box(b"brob", b"xml junk", True)) is None


def test_a_box_without_compression_is_what_it_says():
    plain = Box(b"xml ", b"<x/>", True)
    assert (plain.kind, content(plain)) == (b"xml ", b"<x/>")
    assert content(plain._replace(is_whole=False)) is None

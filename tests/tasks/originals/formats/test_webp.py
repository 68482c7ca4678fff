import struct
from typing import Any

import pytest

from tasks.originals.formats.webp import canvas, chunks
from tasks.originals.opening import open_picture
from tests.tasks.pictures import file_of, phone_exif, photograph

PARTS = {"icc_profile": b"a profile", "exif": phone_exif(1), "xmp": b"<x/>"}


def riff(*parts: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP"
    for name, held in parts:
        body += name + struct.pack("<I", len(held)) + held + bytes(len(held) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_chunks_of_odd_size_are_told_apart():
    parts = [(b"VP8X", bytes(10)), (b"odd ", b"123"), (b"EXIF", b"")]
    assert list(chunks(riff(*parts) + b"more")) == parts


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"lossless": True, **PARTS}])
def test_the_size_is_in_the_first_chunk(options: dict[str, Any]):
    data = file_of(photograph(12, 16), "WEBP", **options)
    assert canvas(data) == (16, 12)
    assert canvas(data[:24]) == canvas(data[:12]) == (0, 0)


def test_the_three_blocks_are_kept_whatever_the_header_announces():
    data = file_of(photograph(), "WEBP", **PARTS)
    silent = bytearray(data)
    silent[20] = 0
    for each in (data, bytes(silent)):
        picture = open_picture(each, max_pixels=1000)
        assert vars(picture.metadata) == PARTS
        assert picture.notes == ()


def test_other_chunks_and_bytes_after_the_picture_are_noted():
    found = [*chunks(file_of(photograph(), "WEBP", **PARTS)), (b"C2PA", b"signed"), (b"XMP ", b"<second/>")]
    picture = open_picture(riff(*found) + b"more", max_pixels=1000)
    assert picture.metadata.xmp == PARTS["xmp"]
    assert picture.notes == ("WebP chunks dropped: C2PA, XMP ", "4 bytes after the picture dropped")

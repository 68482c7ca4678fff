import struct

import pytest
from PIL import Image

from tasks.originals.formats.exif import (
    DamagedExif,
    Upright,
    bare,
    exif_orientation,
    upright,
    upright_xmp,
    xmp_orientation,
)
from tests.tasks.pictures import phone_exif

ATTRIBUTE, ELEMENT = b'<x tiff:Orientation="6"/>', b"<tiff:Orientation>6</tiff:Orientation>"


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("header", [b"", b"Exif\0\0", b"Exif\0\0Exif\0\0"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_two_bytes_are_changed_and_no_other(orientation: int, header: bytes, order: str):
    exif = header + phone_exif(orientation, order)
    assert bare(exif) == phone_exif(orientation, order)
    assert exif_orientation(exif) == orientation
    found = upright(exif, None)
    assert found == Upright(orientation, header + phone_exif(1, order), None)
    assert upright(found.exif, None) == Upright(1, found.exif, None)


@pytest.mark.parametrize("value", [0, 9, 1000])
def test_an_orientation_that_is_none_is_left(value: int):
    exif = phone_exif(value)
    assert upright(exif, ELEMENT) == Upright(1, exif, ELEMENT)


@pytest.mark.parametrize(
    ("kind", "size", "code"), [(3, 2, "H"), (4, 4, "I"), (6, 1, "b"), (8, 2, "h"), (9, 4, "i")]
)
def test_whole_numbers_of_every_size_are_read_as_pillow_reads_them(kind: int, size: int, code: str):
    held = struct.pack(f"<{code}", 6).ljust(4, b"\0")
    exif = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHI", 0x0112, kind, 1) + held + bytes(4)
    by_pillow = Image.Exif()
    by_pillow.load(exif)
    assert exif_orientation(exif) == by_pillow[0x0112] == 6
    found = upright(exif, None)
    assert found.orientation == 6
    assert found.exif == exif.replace(held, struct.pack(f"<{code}", 1).ljust(4, b"\0"))
    assert size == struct.calcsize(code)


@pytest.mark.parametrize("kind", [1, 2, 5, 7])
def test_what_is_no_whole_number_is_no_orientation(kind: int):
    exif = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHI4s", 0x0112, kind, 1, b"6") + bytes(4)
    assert upright(exif, None) == Upright(1, exif, None)


def test_every_one_of_several_tags_is_set_and_the_last_counts():
    tags = b"".join(struct.pack("<HHIHH", 0x0112, 3, 1, value, 0) for value in (3, 6))
    exif = b"II*\0\x08\0\0\0\2\0" + tags + bytes(4)
    found = upright(exif, None)
    assert found.orientation == 6
    assert exif_orientation(found.exif or b"") == 1
    assert (found.exif or b"").count(struct.pack("<HHIHH", 0x0112, 3, 1, 1, 0)) == 2


@pytest.mark.parametrize(
    "exif", [b"", b"II", b"II*\0\x08\0\0", b"garbage and more", b"II*\0\xff\0\0\0", b"II*\0\x08\0\0\0\2\0"]
)
def test_what_is_no_tiff_structure_is_said_to_be_none(exif: bytes):
    with pytest.raises(DamagedExif, match="expected"):
        upright(exif, ATTRIBUTE)


@pytest.mark.parametrize("xmp", [ATTRIBUTE, ELEMENT])
def test_xmp_counts_where_exif_says_nothing(xmp: bytes):
    assert xmp_orientation(xmp) == 6
    assert upright_xmp(xmp) == xmp.replace(b"6", b"1")
    silent = b"II*\0\x08\0\0\0\0\0" + bytes(4)
    assert upright(None, xmp) == Upright(6, None, xmp.replace(b"6", b"1"))
    assert upright(silent, xmp) == Upright(6, silent, xmp.replace(b"6", b"1"))


def test_where_both_speak_exif_counts_and_xmp_follows_if_it_said_the_same():
    assert upright(phone_exif(6), ATTRIBUTE) == Upright(6, phone_exif(1), ATTRIBUTE.replace(b"6", b"1"))
    assert upright(phone_exif(3), ATTRIBUTE) == Upright(3, phone_exif(1), ATTRIBUTE)
    assert upright(phone_exif(1), ATTRIBUTE) == Upright(1, phone_exif(1), ATTRIBUTE)


def test_what_the_file_itself_says_counts_before_both():
    assert upright(None, ATTRIBUTE, 1) == Upright(1, None, ATTRIBUTE)
    assert upright(None, ATTRIBUTE, 8) == Upright(8, None, ATTRIBUTE)
    assert xmp_orientation(None) is None

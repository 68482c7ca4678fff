import struct

import pytest

from tasks.errors import UnsupportedImage
from tasks.originals.opening import Picture, open_picture
from tests.tasks.pictures import file_of, image, phone_exif, photograph

WHOLE = file_of(photograph(), "JPEG")
LONG = bytes(range(256)) * 600  # of more than one segment


def opened(data: bytes) -> Picture:
    return open_picture(data, max_pixels=10_000)


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def with_segments(*segments: bytes) -> bytes:
    return WHOLE[:2] + b"".join(segments) + WHOLE[2:]


def parts_of(profile: bytes, n: int, order: list[int]) -> list[bytes]:
    size = -(-len(profile) // n)
    parts = [profile[k * size : (k + 1) * size] for k in range(n)]
    return [segment(0xE2, b"ICC_PROFILE\0" + bytes([k + 1, n]) + parts[k]) for k in order]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_a_profile_in_several_segments_is_put_together(order: list[int]):
    picture = opened(with_segments(*parts_of(LONG, 3, order)))
    assert picture.metadata.icc_profile == LONG
    assert picture.notes == ()


@pytest.mark.parametrize("order", [[0, 1], [0, 2], [0, 1, 1], [0, 1, 2, 2]])
def test_a_profile_of_which_a_part_is_missing_is_dropped_with_a_note(order: list[int]):
    picture = opened(with_segments(*parts_of(LONG, 3, order)))
    assert picture.metadata.icc_profile is None
    assert picture.notes == ("ICC profile dropped: a part of it is missing, or there twice",)


def test_a_profile_after_the_frame_is_kept():
    at = WHOLE.index(b"\xff\xda")
    picture = opened(WHOLE[:at] + parts_of(b"a profile", 1, [0])[0] + WHOLE[at:])
    assert picture.metadata.icc_profile == b"a profile"


def test_an_exif_block_of_two_segments_is_one():
    exif = phone_exif(1) + LONG[:70_000]
    segments = (segment(0xE1, b"Exif\0\0" + part) for part in (exif[:60_000], exif[60_000:]))
    assert opened(with_segments(*segments)).metadata.exif == b"Exif\0\0" + exif


def test_every_other_segment_is_named():
    data = with_segments(
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<first/>"),
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40)),
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0"),
        segment(0xE2, b"FPXR\0" + bytes(9)),
        segment(0xEC, b"Ducky\0\1"),
        segment(0xFE, b"by a program"),
    )
    picture = opened(data)
    assert picture.metadata.xmp == b"<first/>"
    assert picture.notes == (
        "comment dropped: by a program",
        "JPEG segments dropped: APP1 more of XMP, APP13 Photoshop 3.0, APP2 FPXR, APP12 Ducky",
    )


@pytest.mark.parametrize(
    ("unit", "x", "y", "notes"),
    [
        (0, 1, 1, ()),
        (0, 2, 1, ("resolution dropped: 2 x 1 (aspect of a pixel)",)),
        (1, 300, 300, ("resolution dropped: 300 x 300 dpi",)),
        (2, 118, 118, ("resolution dropped: 118 x 118 pixels a centimetre",)),
    ],
)
def test_a_resolution_is_noted(unit: int, x: int, y: int, notes: tuple[str, ...]):
    head = b"JFIF\0\1\1" + struct.pack(">BHHBB", unit, x, y, 0, 0)
    assert opened(WHOLE[:2] + segment(0xE0, head) + WHOLE[20:]).notes == notes


def test_a_thumbnail_in_the_first_segment_is_noted():
    head = b"JFIF\0\1\1\0\0\1\0\1\1\1" + bytes(3)
    assert opened(WHOLE[:2] + segment(0xE0, head) + WHOLE[20:]).notes == ("JFIF thumbnail dropped",)


def test_bytes_after_the_picture_and_damage_are_noted():
    assert opened(WHOLE + WHOLE).notes == (f"{len(WHOLE)} bytes after the picture dropped",)
    cut = WHOLE[:-40] + b"\xff\xd9"
    assert opened(cut).notes[0].startswith("damaged: the end before the picture is whole, ")


def test_where_damage_is_not_looked_for_a_note_says_so():
    at = WHOLE.index(b"\xff\xc0") + 1
    arithmetic = WHOLE[:at] + b"\xc9" + WHOLE[at + 1 :]
    assert opened(arithmetic).notes[0].startswith("damage was not looked for")


def test_of_several_pictures_the_first_is_kept_and_nothing_else_is_said():
    data = file_of(image(), "MPO", save_all=True, append_images=[image()])
    assert opened(data).notes == ("the first of several pictures in an MPO file is kept",)


def test_four_colours_need_a_marker_that_says_how_they_are_meant():
    data = file_of(photograph().convert("CMYK"), "JPEG")
    assert opened(data).notes == ("converted from CMYK to RGB",)
    at = data.index(b"\xff\xee")
    with pytest.raises(UnsupportedImage, match="expected an Adobe marker"):
        opened(data[:at] + data[at + 16 :])

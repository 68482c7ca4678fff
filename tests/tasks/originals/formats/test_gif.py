import io

import numpy as np
import pytest
from PIL import Image

from tasks.errors import UnsupportedImage
from tasks.originals.opening import Picture, open_picture
from tests.tasks.pictures import file_of, image

WHOLE = file_of(image().convert("P"), "GIF")
XMP = b"<x:xmpmeta> \xe2\x80\xaf </x:xmpmeta>"
PALETTE = 13 + 3 * 256  # where the blocks begin


def opened(data: bytes) -> Picture:
    return open_picture(data, max_pixels=1000)


def sub_blocks(body: bytes) -> bytes:
    parts = [body[n : n + 255] for n in range(0, len(body), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def with_blocks(*blocks: bytes) -> bytes:
    start = 13 + (3 << (WHOLE[10] & 7) + 1)
    return b"GIF89a" + WHOLE[6:start] + b"".join(blocks) + WHOLE[start:]


def application(name: bytes, body: bytes) -> bytes:
    return b"!\xff" + bytes([len(name)]) + name + body


def test_profile_and_xmp_are_kept_byte_for_byte():
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    profile = bytes(range(256)) * 3
    data = with_blocks(
        application(b"XMP DataXMP", XMP + trailer), application(b"ICCRGBG1012", sub_blocks(profile))
    )
    picture = opened(data)
    assert picture.metadata.xmp == XMP
    assert picture.metadata.icc_profile == profile
    assert picture.notes == ("converted from P to RGB",)
    np.testing.assert_array_equal(picture.pixels, opened(WHOLE).pixels)


def test_comments_texts_and_other_extensions_are_noted():
    data = with_blocks(
        b"!\xfe" + sub_blocks(b"by a program"),
        application(b"NETSCAPE2.0", b"\3\1\0\0\0"),
        application(b"MGK8BIM0000", sub_blocks(b"1")),
        b"!\x01" + sub_blocks(bytes(12)),
    )
    assert opened(data).notes[:3] == (
        "comment dropped: by a program",
        "text over the picture dropped",
        "GIF extensions dropped: MGK8BIM0000",
    )


def test_an_aspect_of_pixels_is_noted():
    for value, notes in ((49, ()), (113, ("aspect of a pixel dropped: 2",))):
        data = WHOLE[:12] + bytes([value]) + WHOLE[13:]
        assert opened(data).notes[:-1] == notes


def test_a_file_without_its_end_and_one_with_more_are_noted():
    assert opened(WHOLE[:-1]).notes[0] == "damaged: the file ends before its trailer"
    assert opened(WHOLE + b"more").notes[0] == "4 bytes after the picture dropped"


def part_of_a_screen(background: int, **options: int) -> bytes:
    file = io.BytesIO()
    frame = Image.new("P", (4, 4), 1)
    frame.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    frame.save(file, "GIF", background=background, optimize=False, **options)
    data = bytearray(file.getvalue())
    data[6:10] = bytes([8, 0, 8, 0])
    return bytes(data)


def test_a_part_of_a_screen_is_refused_unless_what_is_around_it_is_known():
    with pytest.raises(UnsupportedImage, match="expected a frame of the whole screen"):
        opened(part_of_a_screen(2))
    transparent = opened(part_of_a_screen(2, transparency=2))
    assert transparent.pixels[:4, :4, 3].min() == 255
    assert transparent.pixels[4:, :, 3].max() == 0
    black = opened(part_of_a_screen(0))
    assert black.pixels[4:].max() == 0
    assert black.pixels[:4, :4, 0].min() == 255

import struct
import zlib

import numpy as np
import pytest

from inr.bitstream import MAX_METADATA_BYTES
from tasks.errors import UnsupportedImage
from tasks.originals.formats.exif import EXIF_HEADER, upright
from tasks.originals.formats.png import chunks, picture_alone
from tasks.originals.opening import Picture, open_picture
from tests.tasks.pictures import file_of, phone_exif, photograph, png_chunk, png_header, png_of

ROWS = b"\0" + bytes(range(12)) + b"\0" + bytes(12)
Chunks = tuple[bytes, bytes]


def opened(data: bytes) -> Picture:
    return open_picture(data, max_pixels=10_000)


def with_chunks(*found: Chunks) -> Picture:
    return opened(png_of(4, 2, 8, 2, ROWS, *found))


def raw_profile(block: bytes, name: bytes) -> Chunks:
    digits = block.hex().encode()
    lines = b"\n".join(digits[n : n + 72] for n in range(0, len(digits), 72))
    text = b"\n%s\n%8d\n%s\n" % (name, len(block), lines)
    return b"zTXt", b"Raw profile type " + name + b"\0\0" + zlib.compress(text)


def xmp_text(packet: bytes, is_compressed: bool) -> Chunks:
    value = zlib.compress(packet) if is_compressed else packet
    return b"iTXt", b"XML:com.adobe.xmp\0" + bytes([is_compressed, 0]) + b"\0\0" + value


@pytest.mark.parametrize(
    ("depth", "pixels", "value", "expected"),
    [
        (1, [0b01011010], 1, [(0, 255), (255, 0), (0, 255), (255, 0)]),
        (2, [0b00011011], 1, [(0, 255), (85, 0), (170, 255), (255, 255)]),
        (4, [0x5A, 0x0F], 10, [(85, 255), (170, 0), (0, 255), (255, 255)]),
        (8, [5, 6, 7, 8], 0x0105, [(5, 0), (6, 255), (7, 255), (8, 255)]),
    ],
)
def test_the_transparent_grey_is_the_one_in_the_file(
    depth: int, pixels: list[int], value: int, expected: list[tuple[int, int]]
):
    data = png_of(4, 1, depth, 0, b"\0" + bytes(pixels), (b"tRNS", struct.pack(">H", value)))
    np.testing.assert_array_equal(opened(data).pixels[0], expected)


def test_of_a_transparent_colour_the_bits_above_the_samples_do_not_count():
    data = png_of(2, 1, 8, 2, b"\0\5\6\7\1\2\3", (b"tRNS", struct.pack(">3H", 0x0105, 6, 0xFF07)))
    np.testing.assert_array_equal(opened(data).pixels[0], [(5, 6, 7, 0), (1, 2, 3, 255)])


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_palettes_of_few_bits_keep_their_alphas(depth: int):
    palette = (b"PLTE", bytes(range(6))), (b"tRNS", b"\x10")
    data = png_of(2, 1, depth, 3, b"\0" + bytes([1 << 8 - 2 * depth]), *palette)
    np.testing.assert_array_equal(opened(data).pixels[0], [(0, 1, 2, 16), (3, 4, 5, 255)])


@pytest.mark.parametrize(
    "keyword", ["transparency", "icc_profile", "exif", "xmp", "gamma", "dpi", "interlace", "bbox", "srgb"]
)
def test_a_text_is_a_text_whatever_its_keyword(keyword: str):
    picture = with_chunks((b"tEXt", keyword.encode() + b"\0hello"))
    np.testing.assert_array_equal(picture.pixels, with_chunks().pixels)
    assert picture.metadata == with_chunks().metadata
    assert picture.notes == (f"PNG text dropped: {keyword}",)


@pytest.mark.parametrize("depth", [8])
@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_sixteen_bits_are_refused_and_eight_are_not(depth: int, colour: int):
    rows = bytes(1000)
    assert opened(png_of(4, 2, depth, colour, rows)).pixels.shape[:2] == (2, 4)
    with pytest.raises(UnsupportedImage, match="PNG: expected at most 8 bits per sample, found 16"):
        opened(png_of(4, 2, 16, colour, rows))


def test_a_critical_chunk_that_is_not_known_is_refused():
    with pytest.raises(UnsupportedImage, match="critical chunk but its own, found b'CgBI'"):
        with_chunks((b"CgBI", bytes(4)))


EXIF, XMP = phone_exif(1), b"<x:xmpmeta> \xe2\x80\xaf </x:xmpmeta>"


@pytest.mark.parametrize(
    "chunk",
    [
        (b"eXIf", EXIF),
        raw_profile(b"Exif\0\0" + EXIF, b"exif"),
        raw_profile(EXIF, b"exif"),
        raw_profile(b"Exif\0\0" + EXIF, b"APP1"),
    ],
)
def test_an_exif_block_is_kept_in_a_chunk_of_its_own_or_among_the_texts(chunk: Chunks):
    picture = with_chunks(chunk)
    assert (picture.metadata.exif or b"").removeprefix(b"Exif\0\0") == EXIF
    assert picture.notes == ()


def test_the_orientation_of_a_block_among_the_texts_is_applied():
    picture = with_chunks(raw_profile(b"Exif\0\0" + phone_exif(6), b"exif"))
    assert picture.pixels.shape == (4, 2, 3)
    assert picture.metadata.exif == b"Exif\0\0" + EXIF


@pytest.mark.parametrize(
    "chunk",
    [
        xmp_text(XMP, False),
        xmp_text(XMP, True),
        raw_profile(XMP, b"xmp"),
        raw_profile(b"http://ns.adobe.com/xap/1.0/\0" + XMP, b"APP1"),
    ],
)
def test_an_xmp_packet_is_kept_byte_for_byte(chunk: Chunks):
    picture = with_chunks(chunk)
    assert picture.metadata.xmp == XMP
    assert picture.notes == ()


@pytest.mark.parametrize("name", [b"icc", b"icm"])
def test_a_profile_among_the_texts_is_kept(name: bytes):
    assert with_chunks(raw_profile(b"a profile", name)).metadata.icc_profile == b"a profile"


def test_a_block_of_which_there_is_another_or_that_does_not_hold_is_named():
    twice = with_chunks((b"eXIf", EXIF), raw_profile(b"Exif\0\0other", b"exif"))
    assert twice.metadata.exif == b"Exif\0\0" + EXIF
    assert twice.notes == ("PNG text dropped: Raw profile type exif",)
    for text in (b"\nexif\n      9\nff\n", b"\nexif\n 1\nxy\n", b"", b"\nexif"):
        broken = with_chunks((b"tEXt", b"Raw profile type exif\0" + text))
        assert broken.metadata.exif is None
        assert broken.notes == twice.notes
    assert with_chunks(raw_profile(b"resources", b"iptc")).notes == (
        "PNG text dropped: Raw profile type iptc",
    )


@pytest.mark.parametrize(
    ("chunk", "notes"),
    [
        ((b"gAMA", struct.pack(">I", 45455)), ()),
        ((b"gAMA", struct.pack(">I", 100_000)), ("gamma dropped: gAMA 1",)),
        ((b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)), ()),
        (
            (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)),
            ("primaries dropped: cHRM 0.3127 0.329 0.68 0.32 0.265 0.69 0.15 0.06",),
        ),
        ((b"cICP", b"\x01\x0d\0\1"), ()),
        ((b"cICP", b"\x0c\x0d\0\1"), ("colour space dropped: cICP 12 13 0 1",)),
        ((b"sRGB", b"\0"), ()),
    ],
)
def test_what_makes_samples_look_otherwise_is_noted(chunk: Chunks, notes: tuple[str, ...]):
    assert with_chunks(chunk).notes == tuple(f"{note}; the samples are kept as they are" for note in notes)


@pytest.mark.parametrize("stronger", [(b"sRGB", b"\0"), (b"iCCP", b"x\0\0" + zlib.compress(b"a profile"))])
def test_gamma_and_primaries_do_not_count_beside_what_is_stronger(stronger: Chunks):
    weak = (b"gAMA", struct.pack(">I", 100_000)), (b"cHRM", struct.pack(">8I", *[30000] * 8))
    assert with_chunks(stronger, *weak).notes == ()


@pytest.mark.parametrize("body", [b"x\0\0rubbish", b"x\0\1" + zlib.compress(b"a"), b"x", b"", b"x\0\0"])
def test_a_profile_that_cannot_be_read_is_noted(body: bytes):
    picture = with_chunks((b"iCCP", body))
    assert picture.metadata.icc_profile is None
    assert picture.notes == ("ICC profile dropped: it cannot be read",)


def test_a_profile_is_kept_as_far_as_a_bitstream_holds_it():
    for n_bytes in (1 << 20, (1 << 20) + 1, MAX_METADATA_BYTES):
        assert with_chunks((b"iCCP", b"x\0\0" + zlib.compress(bytes(n_bytes)))).metadata.icc_profile == bytes(
            n_bytes
        )
    bomb = with_chunks((b"iCCP", b"x\0\0" + zlib.compress(bytes(1 << 26))))
    assert bomb.metadata.icc_profile is None
    assert "icc_profile of" in bomb.notes[0]


def test_a_chunk_of_which_readers_take_one_or_another_is_refused():
    for name, body in ((b"PLTE", bytes(6)), (b"tRNS", bytes(6)), (b"IHDR", png_header(4, 2)[16:29])):
        with pytest.raises(UnsupportedImage, match=f"expected one chunk {name.decode()}, found"):
            with_chunks((name, body), (name, body))


@pytest.mark.parametrize("n_headers", [0, 1, 2])
def test_an_exif_block_that_begins_as_in_a_jpeg_is_read_all_the_same(n_headers: int):
    exif = phone_exif(6)
    picture = with_chunks((b"eXIf", n_headers * EXIF_HEADER + exif))
    assert picture.notes == ("EXIF orientation 6 applied",)
    assert picture.metadata.exif == max(n_headers, 1) * EXIF_HEADER + upright(exif, None).exif


def test_texts_of_any_length_and_kind_are_named_and_no_bomb_is_inflated():
    long = (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 26)))
    others = (b"iTXt", b"Titel\0\0\0de\0\0Stra\xc3\x9fe"), (b"tEXt", b"A\0a"), (b"iTXt", b"cut\0")
    assert with_chunks(long, *others).notes == ("PNG text dropped: Comment, Titel, A, cut",)


def test_other_chunks_and_a_resolution_are_named():
    picture = with_chunks((b"tIME", bytes(7)), (b"pHYs", struct.pack(">IIB", 2835, 2835, 1)), (b"caBX", b"1"))
    assert picture.notes == (
        "resolution dropped: 2835 x 2835 pixels a metre",
        "PNG chunks dropped: tIME, caBX",
    )
    square, wide = ((b"pHYs", struct.pack(">IIB", x, 1, 0)) for x in (1, 2))
    assert with_chunks(square).notes == ()
    assert with_chunks(wide).notes == ("resolution dropped: 2 x 1 (aspect of a pixel)",)


WHOLE = file_of(photograph())


def test_a_damaged_file_that_opens_has_a_note():
    at = WHOLE.index(b"IEND") - 5
    changed = WHOLE[:at] + bytes([WHOLE[at] ^ 1]) + WHOLE[at + 1 :]
    assert opened(changed).notes == ("damaged: 1 chunk cut, or of a wrong CRC: IDAT",)
    assert opened(WHOLE[:-12]).notes == ("damaged: the file ends before its end chunk",)
    assert opened(WHOLE + b"more").notes == ("4 bytes after the picture dropped",)
    cut = WHOLE[:-12] + png_chunk(b"tEXt", b"a\0b")[:-3]
    assert [note.split(":")[0] for note in opened(cut).notes] == ["PNG text dropped", "damaged", "damaged"]


def test_chunks_end_with_the_end_chunk_and_pillow_sees_those_of_the_picture():
    data = png_of(4, 2, 8, 2, ROWS, (b"tEXt", b"a\0b"), (b"tRNS", bytes(6)))
    late = data[:-12] + png_chunk(b"tRNS", bytes(6)) + data[-12:] + b"junk"
    assert [chunk.name for chunk in chunks(late)] == [b"IHDR", b"tEXt", b"tRNS", b"IDAT", b"tRNS", b"IEND"]
    assert [chunk.name for chunk in chunks(picture_alone(late))] == [b"IHDR", b"tRNS", b"IDAT", b"IEND"]
    assert all(chunk.is_whole for chunk in chunks(late))

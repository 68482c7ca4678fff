import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tasks.errors import UnsupportedImage
from tasks.originals.opening import Picture, open_picture
from tests.tasks.pictures import file_of, image, photograph

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 5), np.uint8)
RGB = np.ascontiguousarray(PIXELS[:, :, :3])
SMALL = np.ascontiguousarray(RGB[::4, ::4])
LAYOUTS: list[dict[str, Any]] = [{}, {"rowsperstrip": 7}, {"tile": (16, 16)}]


def opened(data: bytes) -> Picture:
    return open_picture(data, max_pixels=10_000)


def tiff(*pages: tuple[NDArray[Any], dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for pixels, options in pages:
            plain = {"photometric": "rgb", "metadata": None, "software": False} | options
            writer.write(pixels, **plain)
    return file.getvalue()


def apart(pixels: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0))


def edited(data: bytes, tag: int, **fields: int) -> bytes:
    """A little-endian TIFF of one page with a field of a tag changed: its number, type, count or value."""
    changed = bytearray(data)
    at = struct.unpack_from("<I", data, 4)[0]
    for n in range(struct.unpack_from("<H", data, at)[0]):
        entry = at + 2 + 12 * n
        if struct.unpack_from("<H", data, entry)[0] == tag:
            for name, value in fields.items():
                code, offset = {"number": ("<H", 0), "count": ("<I", 4), "value": ("<I", 8)}[name]
                struct.pack_into(code, changed, entry + offset, value)
    return bytes(changed)


@pytest.mark.parametrize("compression", [None, "zlib", "packbits", "lzw"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize(
    ("meaning", "samples", "extra", "kept"),
    [
        ("rgb", 3, (), 3),
        ("rgb", 4, (2,), 4),
        ("rgb", 4, (0,), 3),
        ("rgb", 5, (0, 0), 3),
        ("rgb", 5, (2, 0), 4),
        ("rgb", 4, (1,), None),
        ("minisblack", 2, (2,), 2),
        ("minisblack", 2, (0,), 1),
        ("minisblack", 2, (1,), None),
    ],
)
def test_samples_are_those_of_the_file_or_are_refused(
    meaning: str,
    samples: int,
    extra: tuple[int, ...],
    kept: int | None,
    planes: str,
    compression: str | None,
    layout: dict[str, Any],
):
    pixels = np.ascontiguousarray(PIXELS[:, :, :samples])
    if 1 in extra:
        pixels[:, :, -1] = 255  # by which nothing is multiplied
    options = {"photometric": meaning, "planarconfig": planes, "compression": compression, **layout}
    data = tiff((pixels if planes == "contig" else apart(pixels), options | {"extrasamples": extra or None}))
    try:
        picture = opened(data)
    except UnsupportedImage:
        assert planes == "separate"
        assert samples != 3
        return
    expected = pixels if kept is None else pixels[:, :, :kept]
    np.testing.assert_array_equal(picture.pixels, expected)
    n_dropped = sum(kind == 0 for kind in extra)
    assert any("of no stated meaning dropped" in note for note in picture.notes) == bool(n_dropped)
    assert any("multiplied by alpha" in note for note in picture.notes) == (1 in extra)


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", ["u2", "u4", "i1", "i2", "f2", "f4", "f8"])
@pytest.mark.parametrize("samples", [1, 3])
def test_other_samples_than_of_eight_bits_are_refused(
    samples: int, kind: str, compression: str | None, planes: str
):
    pixels = RGB.astype(kind) if samples == 3 else RGB[:, :, 0].astype(kind)
    pixels = apart(pixels) if samples == 3 and planes == "separate" else pixels
    meaning = "rgb" if samples == 3 else "minisblack"
    options = {"photometric": meaning, "planarconfig": planes, "compression": compression}
    with pytest.raises(UnsupportedImage, match="TIFF: "):
        opened(tiff((pixels, options)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 24}], ids=str)
def test_sixteen_bits_in_planes_are_named(order: str, layout: dict[str, Any]):
    y, x = np.mgrid[:24, :32]
    deep = np.stack([7 * x % 256, 9 * y % 256, x * y % 256]).astype("u2") * 257
    file = io.BytesIO()
    tifffile.imwrite(file, deep, photometric="rgb", planarconfig="separate", byteorder=order, **layout)
    with pytest.raises(UnsupportedImage, match="TIFF: expected at most 8 bits per sample, found 16"):
        opened(file.getvalue())


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("meaning", ["minisblack", "miniswhite"])
def test_grey_is_what_is_light(meaning: str, planes: str, compression: str | None):
    grey = RGB[:, :, 0]
    options = {"photometric": meaning, "planarconfig": planes, "compression": compression, "rowsperstrip": 7}
    data = tiff((grey, options))
    if planes == "separate":
        data = edited(data, 284, value=2)  # which a page of one sample need not be written with
    try:
        found = opened(data).pixels[:, :, 0]
    except UnsupportedImage:
        assert planes == "separate"
        return
    np.testing.assert_array_equal(found, grey if meaning == "minisblack" else 255 - grey)


@pytest.mark.parametrize("compression", ["zlib", "lzw"])
def test_a_predictor_is_undone(compression: str):
    data = tiff((RGB, {"compression": compression, "predictor": 2}))
    np.testing.assert_array_equal(opened(data).pixels, RGB)


INKS = {"photometric": "separated", "extratags": [(332, 3, 1, 2, True)]}
STRIPS = tiff((RGB, {"rowsperstrip": 8}))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (edited(STRIPS, 273, count=2), "strips or tiles: expected 3, found 2"),
        (edited(STRIPS, 278, value=12), "strips or tiles: expected 2, found 3"),
        (edited(STRIPS, 278, value=24), "strips or tiles: expected 1, found 3"),
        (edited(STRIPS, 278, value=0), "expected strips of one row or more"),
        (edited(tiff((RGB[:, :, 0], {"photometric": "minisblack"})), 262, number=260), "interpretation None"),
        (tiff((PIXELS[:, :, :4], INKS)), "expected inks of CMYK"),
        (STRIPS[:-900], "damaged"),
    ],
)
def test_what_does_not_cover_the_picture_or_say_what_it_is_is_refused(data: bytes, reason: str):
    with pytest.raises(UnsupportedImage, match=reason):
        opened(data)


def test_raw_colours_of_television_are_as_pillow_reads_them_or_refused():
    data = file_of(image().convert("YCbCr"), "TIFF")
    assert opened(data).pixels.shape == (12, 16, 3)
    for changed in (edited(data, 530, value=2 << 16 | 2), edited(data, 530, number=531)):
        with pytest.raises(UnsupportedImage, match="expected YCbCr of every pixel"):
            opened(changed)


@pytest.mark.parametrize(
    ("pages", "dropped"),
    [
        ([(RGB, {}), (SMALL, {})], [2]),
        ([(RGB, {}), (SMALL, {"subfiletype": 1})], [2]),
        ([(SMALL, {"subfiletype": 1}), (RGB, {})], [1]),
        ([(SMALL, {}), (RGB, {})], [1]),
        ([(SMALL, {"compression": "zlib"}), (RGB, {"rowsperstrip": 5}), (SMALL[::2, ::2], {})], [1, 3]),
    ],
)
def test_beside_smaller_versions_the_largest_page_is_the_picture(pages: list[Any], dropped: list[int]):
    picture = opened(tiff(*pages))
    np.testing.assert_array_equal(picture.pixels, RGB)
    expected = [f"page {page} dropped, a smaller version of the picture" for page in dropped]
    assert list(picture.notes[: len(dropped)]) == expected


@pytest.mark.parametrize(
    "pages",
    [
        [(RGB, {}), (RGB, {})],
        [(RGB, {}), (SMALL[:, :5], {})],
        [(RGB, {}), (np.ascontiguousarray(RGB[:14, :18]), {})],
        [(RGB, {}), (SMALL, {"subfiletype": 2})],
        [(RGB, {})] + [(SMALL, {})] * 16,
    ],
)
def test_several_pictures_are_refused(pages: list[Any]):
    with pytest.raises(UnsupportedImage, match=r"expected one picture, found \d+ pages"):
        opened(tiff(*pages))


def test_smaller_versions_alone_are_no_picture():
    said = {"subfiletype": 1}
    with pytest.raises(UnsupportedImage, match="found smaller versions of it alone"):
        opened(tiff((RGB, said), (SMALL, said)))
    with pytest.raises(UnsupportedImage, match="found smaller versions of it alone"):
        opened(tiff((SMALL, said | {"subifds": 1}), (RGB, {})))
    assert opened(tiff((RGB, said))).notes == ("the file calls its picture a smaller version of another one",)


def test_profile_and_xmp_are_kept_and_all_other_tags_are_named():
    tags = [(700, 1, 6, b"<xmp/>", True), (34675, 7, 9, b"a profile", True), (65000, 3, 1, 7, True)]
    options = {"extratags": tags, "description": "d", "resolution": (300, 300), "resolutionunit": 2}
    picture = opened(tiff((RGB, options)))
    assert (picture.metadata.xmp, picture.metadata.icc_profile) == (b"<xmp/>", b"a profile")
    names = "ImageDescription, XResolution, YResolution, ResolutionUnit, number 65000"
    assert picture.notes == (f"TIFF tags dropped: {names}",)


def test_a_profile_that_is_no_block_is_noted():
    picture = opened(tiff((RGB, {"extratags": [(34675, 2, 9, "a profile", True)]})))
    assert picture.metadata.icc_profile is None
    assert picture.notes[0] == "ICCProfile dropped: it is no block of bytes"


def test_a_fourth_sample_that_nothing_is_said_of_is_noted():
    data = edited(tiff((PIXELS[:, :, :4], {"extrasamples": (2,)})), 338, number=65001)
    assert opened(data).notes[0] == "a sample of no stated meaning taken for alpha"


@pytest.mark.parametrize(
    ("factor", "notes"), [(257, ()), (256, ()), (255, ("palette of 16 bits a colour cut to 8",))]
)
def test_a_palette_of_16_bits_is_cut_with_a_note(factor: int, notes: tuple[str, ...]):
    colours = np.arange(256, dtype=np.uint16)[None].repeat(3, 0) * factor
    picture = opened(tiff((RGB[:, :, 0], {"photometric": "palette", "colormap": colours})))
    assert picture.notes == (*notes, "converted from P to RGB")


def test_a_palette_of_8_bits_where_16_should_be_is_refused():
    colours = np.arange(256, dtype=np.uint16)[None].repeat(3, 0)
    with pytest.raises(UnsupportedImage, match="a palette of 16 bits a colour, found one of 8"):
        opened(tiff((RGB[:, :, 0], {"photometric": "palette", "colormap": colours})))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_a_strip_of_deflate_that_is_damaged_is_noted_or_refused(layout: dict[str, Any], place: float):
    data = tiff((RGB, {"compression": "zlib", **layout}))
    assert opened(data).notes == ()
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        at = page.dataoffsets[-1] + int(page.databytecounts[-1] * place)
    try:
        picture = opened(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
    except UnsupportedImage:
        return
    assert any(note.startswith("damaged: ") for note in picture.notes)


def test_a_strip_of_jpeg_that_is_damaged_is_noted():
    data = file_of(photograph(90, 80), "TIFF", compression="jpeg")
    assert opened(data).notes == ()
    at = data.index(b"\xff\xda") + 60
    changed = data[:at] + bytes(30) + data[at + 30 :]
    assert opened(changed).notes[0].startswith("damaged: ")
    with Image.open(io.BytesIO(changed)) as silent:
        silent.load()

import hashlib
import io
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from inr.bitstream import Metadata
from inr.errors import SelfCheckFailed
from tasks.catalogue.keys import BITSTREAM_SUFFIX, SUFFIXES
from tasks.errors import UnsupportedImage
from tasks.originals import lossless
from tasks.originals.forms import lifted, reduced
from tasks.originals.lossless import (
    decode_lossless,
    kept_as_it_is,
    light_size,
    lossless_suffix,
    same_metadata,
    to_lossless,
)
from tasks.originals.opening import Picture, open_picture
from tasks.originals.writing import to_jxl
from tests.tasks.pictures import file_of, gradient, image, page, photograph

EXIF = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"


def picture(height: int, width: int, channels: int, metadata: Metadata = Metadata()) -> Picture:
    return Picture(gradient(height, width, channels), metadata, "PNG", "", ())


SUFFIX_OF = {"JXL": ".jxl", "WEBP": ".webp", "PNG": ".png"}


def kind(data: bytes) -> str | None:
    with Image.open(io.BytesIO(data)) as opened:
        return opened.format


@pytest.mark.parametrize(
    "shape", [(12, 16, 1), (12, 16, 2), (12, 16, 3), (12, 16, 4), (1, 1, 3), (1, 16384, 3)]
)
def test_every_kind_of_picture_comes_back_exactly(shape: tuple[int, int, int]):
    metadata = Metadata(icc_profile=b"a profile", exif=b"Exif\0\0" + EXIF, xmp=b"<x:xmpmeta/>")
    original = picture(*shape, metadata=metadata)
    file = to_lossless(original)
    decoded = decode_lossless(file.data, max_pixels=shape[0] * shape[1], channels=shape[2])
    np.testing.assert_array_equal(decoded.pixels, original.pixels)
    np.testing.assert_array_equal(file.pixels, original.pixels)
    assert same_metadata(decoded.metadata, original.metadata)
    assert lossless_suffix(file.data) == SUFFIX_OF[kind(file.data)]
    assert file.digest == hashlib.sha256(file.data).hexdigest()


def few_colours(channels: int, values: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(values, np.uint8), (40, 50, channels))


PICTURES = {
    "photograph": np.asarray(photograph(48, 60)),
    "grey in colour": np.repeat(gradient(40, 50, 1), 3, axis=2),
    "opaque": np.concatenate([np.asarray(photograph(48, 60)), np.full((48, 60, 1), 255, np.uint8)], axis=2),
    "bilevel": few_colours(1, (0, 255)),
    "bilevel in colour": np.repeat(few_colours(1, (0, 255)), 3, axis=2),
    "two greys": few_colours(1, (17, 200)),
    "few colours": few_colours(3, (3, 90, 250)),
    "few colours and alphas": few_colours(4, (3, 250)),
    "grey and few alphas": few_colours(2, (0, 255)),
    "ramp": gradient(40, 50, 3),
    "noise": np.random.default_rng(0).integers(0, 256, (40, 50, 4), np.uint8),
}


@pytest.mark.parametrize("name", PICTURES)
def test_no_lossless_webp_or_jpeg_xl_and_no_png_of_it_or_its_palette_is_smaller(name: str):
    pixels = np.ascontiguousarray(PICTURES[name])
    file = to_lossless(Picture(pixels, Metadata(), "PNG", "", ()))
    np.testing.assert_array_equal(file.pixels, pixels)
    shown = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    webp = shown if shown.mode.startswith("RGB") else shown.convert("RGBA" if "A" in shown.mode else "RGB")
    others = [
        file_of(webp, "WEBP", lossless=True, exact=True, method=6, quality=100),
        file_of(shown, "PNG", optimize=True, compress_level=9),
        *(imagecodecs.jpegxl_encode(reduced(pixels), lossless=True, effort=effort) for effort in (7, 10)),
    ]
    if shown.mode in ("L", "RGB") and shown.getcolors(256):
        colours = shown.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE)
        if np.array_equal(np.asarray(colours.convert("RGB")), np.asarray(shown.convert("RGB"))):
            others.append(file_of(colours, "PNG", optimize=True))
    assert file.n_bytes <= min(map(len, others))
    assert file.n_bytes <= light_size(Picture(pixels, Metadata(), "PNG", "", ()))


METADATA = (
    Metadata(),
    Metadata(exif=EXIF),
    Metadata(exif=b"Exif\0\0" + EXIF, xmp=b"<x:xmpmeta/>"),
    Metadata(exif=b"Exif\0\0Exif\0\0" + EXIF),
    Metadata(exif=b"Exif\0\0garbage"),
)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("metadata", METADATA)
def test_a_page_is_a_jpeg_xl_with_all_that_it_carries(metadata: Metadata, channels: int):
    original = Picture(lifted(page(), channels), metadata, "PNG", "", ())
    file = to_lossless(original)
    assert lossless_suffix(file.data) == ".jxl"
    decoded = decode_lossless(file.data, max_pixels=120 * 200, channels=channels)
    np.testing.assert_array_equal(decoded.pixels, original.pixels)
    assert same_metadata(decoded.metadata, metadata)


def test_a_page_with_a_profile_is_a_file_that_holds_it():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    original = Picture(page(), Metadata(icc_profile=profile), "PNG", "", ())
    file = to_lossless(original)
    assert lossless_suffix(file.data) != ".jxl"
    assert decode_lossless(file.data, max_pixels=120 * 200, channels=1).metadata.icc_profile == profile
    assert file.n_bytes <= light_size(original)


@pytest.mark.parametrize("limit", ["_SLOW_PIXELS", "_SLOW_BPP"])
def test_the_best_files_are_tried_where_they_take_no_time(monkeypatch: pytest.MonkeyPatch, limit: str):
    tried: list[bool] = []

    def told(pixels: np.ndarray, metadata: Metadata, *, best: bool = False) -> bytes:
        tried.append(best)
        return bytes(99)

    monkeypatch.setattr(lossless, "to_jxl", told)
    monkeypatch.setattr(lossless, "to_webp", told)
    for name in ("_SLOW_PIXELS", "_SLOW_BPP"):
        monkeypatch.setattr(lossless, name, 0)
    pixels = np.asarray(photograph(20, 30))
    for write in (lossless._webps, lossless._jxls):
        list(write(pixels, Metadata()))
    assert tried == [False, False]
    monkeypatch.setattr(lossless, limit, 600)
    for write in (lossless._webps, lossless._jxls):
        list(write(pixels, Metadata()))
    assert tried[2:] == [False, True, False, True]
    monkeypatch.setattr(lossless, "_MOST_WHOLE", 599)
    list(lossless._jxls(pixels, Metadata()))
    assert tried[6:] == [False]


def test_the_light_size_is_near_the_file_of_drawings_and_of_photographs():
    for pixels in (page(), lifted(page(), 4), np.asarray(photograph(100, 120))):
        opened = Picture(np.ascontiguousarray(pixels), Metadata(), "PNG", "", ())
        assert 0.5 <= to_lossless(opened).n_bytes / light_size(opened) <= 1.05


@pytest.mark.parametrize("shape", [(240, 2100), (2100, 240)])
def test_the_light_size_of_a_page_that_libjxl_codes_in_parts_is_near_its_file(shape: tuple[int, int]):
    pixels = page(*shape)
    least = len(to_jxl(pixels, Metadata(), best=True))
    assert least < 0.7 * len(to_jxl(pixels, Metadata()))  # so that the light file says too little
    assert 0.85 <= least / light_size(Picture(pixels, Metadata(), "PNG", "", ())) <= 1.05


def test_alpha_that_hides_nothing_is_kept_and_so_are_colours_under_it():
    pixels = gradient(12, 16, 4)
    for alpha in (255, 0):
        pixels[:, :, 3] = alpha
        data = to_lossless(Picture(pixels, Metadata(), "PNG", "RGBA", ())).data
        np.testing.assert_array_equal(decode_lossless(data, max_pixels=1000, channels=4).pixels, pixels)


@pytest.mark.parametrize("channels", [2, 4])
def test_colours_that_nobody_sees_cost_nothing_where_they_are_not_kept(channels: int):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, channels), np.uint8)
    pixels[:, :, -1] = 0
    pixels[:3, :, -1] = 9
    visible = pixels[:, :, -1] > 0
    opened = Picture(pixels, Metadata(), "PNG", "", ())
    kept, dropped = to_lossless(opened), to_lossless(opened, visible)
    assert dropped.n_bytes < kept.n_bytes / 3
    assert light_size(opened, visible) < kept.n_bytes / 3
    np.testing.assert_array_equal(kept.pixels, pixels)
    np.testing.assert_array_equal(dropped.pixels[visible], pixels[visible])
    np.testing.assert_array_equal(dropped.pixels[:, :, -1], pixels[:, :, -1])


@pytest.mark.parametrize(
    ("format_", "options", "is_kept"),
    [
        ("PNG", {}, True),
        ("WEBP", {"lossless": True}, True),
        ("WEBP", {"lossless": True, "icc_profile": b"a profile of odd size"}, True),
        ("WEBP", {"quality": 90}, False),
        ("WEBP", {"quality": 90, "icc_profile": b"VP8L"}, False),
        ("PNG", {"icc_profile": bytes(1 << 20)}, False),  # with which many programs do not open it
        ("TIFF", {}, False),
        ("BMP", {}, False),
        ("JXL", {"lossless": True}, False),
        ("JXL", {"lossless": False}, False),
    ],
)
def test_an_original_without_loss_is_kept_as_it_is(format_: str, options: dict[str, Any], is_kept: bool):
    shown = photograph(20, 30)
    if format_ == "JXL":
        data = bytes(imagecodecs.jpegxl_encode(np.asarray(shown), **options))
    else:
        data = file_of(shown, format_, **options)
    opened = open_picture(data, max_pixels=1000)
    kept = kept_as_it_is(data, opened)
    assert (kept is not None) == is_kept
    if kept is not None:
        assert kept.data == data
        np.testing.assert_array_equal(kept.pixels, opened.pixels)


def test_a_palette_and_an_orientation_are_kept_as_they_are_opened():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = file_of(photograph(20, 30).convert("P"), exif=exif.tobytes())
    opened = open_picture(data, max_pixels=1000)
    kept = kept_as_it_is(data, opened)
    assert kept is not None
    assert kept.pixels.shape == (30, 20, 3)
    np.testing.assert_array_equal(kept.pixels, opened.pixels)


def test_the_original_of_another_picture_is_not_kept():
    data = file_of(photograph(20, 30))
    for other in (photograph(20, 30).rotate(180), photograph(30, 20)):
        opened = open_picture(file_of(other), max_pixels=1000)
        assert kept_as_it_is(data, opened) is None


def test_a_photograph_with_an_orientation_is_turned_once():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    opened = open_picture(file_of(image(8, 12, 3), "JPEG", exif=exif.tobytes()), max_pixels=1000)
    decoded = decode_lossless(to_lossless(opened).data, max_pixels=1000, channels=3)
    assert decoded.pixels.shape == (12, 8, 3)
    np.testing.assert_array_equal(decoded.pixels, opened.pixels)
    assert same_metadata(decoded.metadata, opened.metadata)


def test_a_picture_that_no_format_holds_is_an_error_and_not_a_file(monkeypatch: pytest.MonkeyPatch):
    for name in ("_webps", "_jxls", "_pngs"):
        monkeypatch.setattr(lossless, name, lambda pixels, metadata: [file_of(image(2, 2)), b"junk"])
    with pytest.raises(SelfCheckFailed, match="no file without loss reads back"):
        to_lossless(picture(4, 4, 1))


def test_what_is_no_image_or_larger_than_its_row_says_or_of_other_channels_is_refused():
    data = to_lossless(picture(12, 16, 3)).data
    for bad, max_pixels, channels in ((b"junk", 100, 3), (data, 12 * 16 - 1, 3), (data, 12 * 16, 1)):
        with pytest.raises(UnsupportedImage):
            decode_lossless(bad, max_pixels=max_pixels, channels=channels)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (Metadata(exif=b"Exif\0\0" + EXIF), Metadata(exif=EXIF), True),
        (Metadata(exif=b"Exif\0\0Exif\0\0" + EXIF), Metadata(exif=EXIF), True),
        (Metadata(exif=EXIF), Metadata(), False),
        (Metadata(icc_profile=b"a"), Metadata(icc_profile=b"b"), False),
        (Metadata(), Metadata(), True),
    ],
)
def test_metadata_is_the_same_whatever_header_a_format_puts_before_it(
    first: Metadata, second: Metadata, same: bool
):
    assert same_metadata(first, second) == same


@pytest.mark.parametrize(
    "data", [b"", b"junk", file_of(image(4, 4, 3), "JPEG"), file_of(image(4, 4, 3), "TIFF")]
)
def test_what_no_archive_stores_has_no_suffix(data: bytes):
    with pytest.raises(UnsupportedImage, match="expected a file of WEBP or PNG or JXL, found"):
        lossless_suffix(data)


def test_the_catalogue_knows_the_suffix_of_every_format():
    assert {BITSTREAM_SUFFIX, *lossless.SUFFIXES.values()} == set(SUFFIXES)

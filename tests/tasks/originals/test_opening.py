import hashlib
import io
import re
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from inr import CodecConfig, EncodeRequest
from inr.bitstream import MAX_METADATA_BYTES, MAX_SIDE
from inr.fit.encoding import _check
from tasks.errors import SourceError, TooManyPixels, UnsupportedImage
from tasks.originals.formats.jxl.boxes import in_boxes
from tasks.originals.listing import SourceImage
from tasks.originals.lossless import same_metadata
from tasks.originals.opening import (
    Picture,
    format_of,
    open_original,
    open_picture,
    picture_size,
    read_header,
)
from tasks.originals.writing import to_png, to_webp
from tasks.settings import RunOptions
from tests.opens import counting_opens
from tests.tasks.originals.formats.jxl.streams import encoded, header, size
from tests.tasks.pictures import file_of, gradient, image, phone_exif, photograph, png_chunk, png_header

MAX_PIXELS = 10_000
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def opened(data: bytes) -> Picture:
    return open_picture(data, max_pixels=MAX_PIXELS)


def oriented(orientation: int) -> tuple[Image.Image, bytes]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "maker"
    return image(), exif.tobytes()


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_native_modes_pass_untouched(channels: int, mode: str):
    picture = opened(file_of(image(12, 16, channels)))
    assert picture.mode == mode
    assert picture.notes == ()
    np.testing.assert_array_equal(picture.pixels, gradient(12, 16, channels))
    assert picture.pixels.flags.c_contiguous
    assert picture.pixels.flags.writeable


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1)])
def test_thin_images(size: tuple[int, int]):
    assert opened(file_of(image(*size))).pixels.shape == (*size, 3)


@pytest.mark.parametrize(
    ("mode", "format_", "channels"),
    [("1", "PNG", 1), ("P", "PNG", 3), ("P", "GIF", 3), ("CMYK", "JPEG", 3), ("YCbCr", "TIFF", 3)],
)
def test_other_modes_are_converted_with_a_note(mode: str, format_: str, channels: int):
    picture = opened(file_of(image().convert(mode), format_))
    assert picture.mode == mode
    assert picture.pixels.shape == (12, 16, channels)
    assert picture.notes[0] == f"converted from {mode} to {'L' if channels == 1 else 'RGB'}"


@pytest.mark.parametrize("format_", ["PNG", "GIF"])
def test_a_pixel_beyond_its_palette_is_damage(format_: str):
    palette = Image.fromarray(np.array([[0, 3, 7]], np.uint8)).convert("P")
    palette.putpalette(range(24))
    whole = file_of(palette, format_)
    assert opened(whole).notes == ("converted from P to RGB",)
    if format_ == "PNG":
        at = whole.index(b"PLTE") - 4
        end = at + 12 + int.from_bytes(whole[at : at + 4], "big")
        short = whole[:at] + png_chunk(b"PLTE", bytes(12)) + whole[end:]
    else:
        short = whole[:10] + bytes([whole[10] & 0xF8]) + whole[11:19] + whole[25:]
    assert re.match(r"damaged: a palette of [24] colours, and a pixel of number [27]", opened(short).notes[0])


def test_a_palette_with_a_transparent_entry_keeps_its_alpha():
    palette = image().convert("P")
    picture = opened(file_of(palette, transparency=palette.getpixel((0, 0))))
    assert picture.pixels.shape[2] == 4
    assert picture.pixels[0, 0, 3] == 0


@pytest.mark.parametrize(("channels", "key"), [(1, 0), (3, (0, 0, 0))])
def test_a_transparent_colour_becomes_an_alpha_channel(channels: int, key: object):
    picture = opened(file_of(image(12, 16, channels), transparency=key))
    assert picture.pixels.shape[2] == channels + 1
    assert picture.pixels[0, 0, -1] == 0
    assert picture.pixels[-1, -1, -1] == 255


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (b"not an image", "found none of them"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "found none of them"),
        (file_of(image())[:70], "damaged"),
        (file_of(image(), "JPEG")[:400], "damaged"),
        (
            png_header(16, 12, depth=16, colour=2, rows=bytes(1200)),
            "8 bits per sample, found 16",
        ),
        (png_header(16, 12, depth=16, colour=0, rows=bytes(1200)), "8 bits per sample, found 16"),
        (
            png_header(16, 12, depth=16, colour=4, rows=bytes(1200)),
            "8 bits per sample, found 16",
        ),
        (b"P6 4 4 65535\n" + bytes(96), "8 bits per sample, found a maximum of 65535"),
        (b"P5 4 4 65535\n" + bytes(32), "8 bits per sample"),
        (b"Pf\n2 2\n-1.0\n" + bytes(16), "expected P1 to P6, found b'Pf'"),
        (file_of(image(1, 1, 1).convert("I"), "TIFF"), "8 bits per sample, found 32"),
        (b"II*\0" + bytes(60), "TIFF: damaged, or of a kind that is not supported"),
        (file_of(image().convert("LAB"), "TIFF"), "photometric interpretation 8"),
        (file_of(image(), "GIF", save_all=True, append_images=[ImageOps.mirror(image())]), "animation"),
        (file_of(image(), "PNG", save_all=True, append_images=[ImageOps.mirror(image())]), "animation"),
        (file_of(image(), "WEBP", save_all=True, append_images=[ImageOps.mirror(image())]), "animation"),
        (file_of(image(), "TIFF", save_all=True, append_images=[image()]), "pages"),
        (b"\xff\x0a", "JPEG XL: damaged"),
        (encoded(np.zeros((4, 4, 3), np.uint16)), "8 bits per sample, found 16"),
        (encoded(np.zeros((2, 4, 4, 3), np.uint8)), "animation"),
        (encoded(np.zeros((100, 101), np.uint8)), "expected 1 to 10000 pixels, found 101x100"),
        (png_header(101, 100), "expected 1 to 10000 pixels, found 101x100"),
        (png_header(2**31 - 1, 2**31 - 1), "pixels"),
        (png_header(12_000, 12_000), "pixels"),
    ],
)
def test_what_is_not_taken_is_refused_by_name(data: bytes, reason: str):
    with pytest.raises(UnsupportedImage, match=reason):
        opened(data)


def test_whatever_the_encoder_would_refuse_is_refused_by_the_header():
    profile = np.random.default_rng(0).bytes(MAX_METADATA_BYTES + 1)
    for data, reason in (
        (png_header(MAX_SIDE + 1, 1), f"sides of at most {MAX_SIDE} pixels, found 65536x1"),
        (png_header(1, MAX_SIDE + 1), f"sides of at most {MAX_SIDE} pixels, found 1x65536"),
        (png_header(8192, 8193, colour=6), f"expected 1 to {1 << 26} pixels, found 8192x8193"),
        (header(size(MAX_SIDE + 1, 1)), f"sides of at most {MAX_SIDE} pixels, found 65536x1"),
        (header(size(8193, 8192)), f"expected 1 to {1 << 26} pixels, found 8193x8192"),
        (file_of(image(), "WEBP", icc_profile=profile), f"icc_profile expected at most {MAX_METADATA_BYTES}"),
    ):
        for refused in (picture_size, open_picture):
            with pytest.raises(UnsupportedImage, match=reason):
                refused(data, max_pixels=RunOptions().max_pixels)


@pytest.mark.parametrize(("width", "height"), [(8192, 8192), (MAX_SIDE, 1024), (6144, 8192), (7728, 5152)])
@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_what_the_encoder_takes_is_taken_by_the_header(width: int, height: int, colour: int):
    taken = picture_size(png_header(width, height, colour=colour), max_pixels=RunOptions().max_pixels)
    assert taken == (width, height)
    pixels = np.broadcast_to(np.uint8(7), (height, width, {0: 1, 4: 2, 2: 3, 6: 4}[colour]))
    _check(EncodeRequest(pixels, CodecConfig()))


def test_a_bomb_is_refused_before_its_pixels_take_memory():
    bomb = png_header(8000, 8000, rows=bytes(24_008_000))
    tracemalloc.start()
    with pytest.raises(UnsupportedImage, match="expected 1 to"):
        opened(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation: int):
    picture, exif = oriented(orientation)
    kept = opened(file_of(picture, exif=exif))
    with Image.open(io.BytesIO(file_of(picture, exif=exif))) as raw:
        expected = np.asarray(ImageOps.exif_transpose(raw))
    np.testing.assert_array_equal(kept.pixels, expected)
    assert kept.notes == (() if orientation == 1 else (f"EXIF orientation {orientation} applied",))
    again = opened(to_png(kept.pixels, kept.metadata))
    np.testing.assert_array_equal(again.pixels, kept.pixels)
    assert again.notes == ()
    block = Image.Exif()
    block.load(again.metadata.exif)
    assert block[0x010F] == "maker"
    assert block.get(0x0112, 1) == 1


def test_damaged_exif_is_kept_with_a_note():
    picture = opened(file_of(image(), exif=b"Exif\0\0garbage"))
    assert "EXIF cannot be read" in picture.notes[0]
    assert picture.metadata.exif == b"Exif\0\0garbage"
    assert opened(to_png(picture.pixels, picture.metadata)).metadata == picture.metadata


def test_profile_and_exif_survive_the_way_out_and_back():
    _, exif = oriented(1)
    first = opened(file_of(image(), icc_profile=SRGB, exif=exif))
    again = opened(to_png(first.pixels, first.metadata))
    assert first.metadata.icc_profile == SRGB
    assert again.metadata == first.metadata


def test_a_profile_that_no_longer_describes_the_pixels_is_dropped_with_a_note():
    picture = opened(file_of(image().convert("CMYK"), "JPEG", icc_profile=SRGB))
    assert picture.metadata.icc_profile is None
    assert "ICC profile dropped: it described CMYK" in picture.notes


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_a_file_that_carries_nothing_has_no_note_on_that(format_: str):
    notes = opened(file_of(image(), format_)).notes
    expected = {
        "GIF": ("converted from P to RGB",),
        "BMP": ("resolution dropped: 3780 x 3780 pixels a metre",),
    }
    assert notes == expected.get(format_, ())


XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'> \xe2\x80\xaf </x:xmpmeta>"


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("write", [to_png, to_webp])
def test_profile_exif_and_xmp_come_back_byte_for_byte(format_: str, write: Callable[..., bytes]):
    exif = b"Exif\0\0" + phone_exif(1)
    options = {"icc_profile": SRGB, "exif": exif}
    if format_ == "PNG":
        file, texts = image(), PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP)
        data = file_of(file, format_, pnginfo=texts, **options)
    elif format_ == "TIFF":  # has tags in the place of an EXIF block
        data = file_of(image(), format_, icc_profile=SRGB, tiffinfo={700: XMP})
    else:
        data = file_of(image(), format_, xmp=XMP, **options)
    first = opened(data)
    assert first.metadata.icc_profile == SRGB
    assert first.metadata.xmp == XMP
    assert (first.metadata.exif or exif).removeprefix(b"Exif\0\0") == phone_exif(1)
    again = opened(write(first.pixels, first.metadata))
    assert same_metadata(again.metadata, first.metadata)
    assert again.notes == ()


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_of_an_exif_block_the_orientation_alone_is_changed(format_: str, orientation: int):
    data = file_of(photograph(), format_, exif=b"Exif\0\0" + phone_exif(orientation))
    picture = opened(data)
    assert picture.notes == (f"EXIF orientation {orientation} applied",)
    assert (picture.metadata.exif or b"").removeprefix(b"Exif\0\0") == phone_exif(1)
    with Image.open(io.BytesIO(data)) as raw:
        np.testing.assert_array_equal(picture.pixels, np.asarray(ImageOps.exif_transpose(raw)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_the_orientation_of_a_tiff_is_applied_once(compression: str | None, orientation: int):
    picture = opened(file_of(photograph(), "TIFF", compression=compression, tiffinfo={274: orientation}))
    tagged = Image.Exif()
    tagged[0x0112] = orientation
    with Image.open(io.BytesIO(file_of(photograph(), exif=tagged.tobytes()))) as raw:
        np.testing.assert_array_equal(picture.pixels, np.asarray(ImageOps.exif_transpose(raw)))
    assert picture.notes == (() if orientation == 1 else (f"EXIF orientation {orientation} applied",))


@pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
def test_where_xmp_alone_gives_an_orientation_it_is_applied_once(format_: str):
    xmp = b'<x:xmpmeta tiff:Orientation="6"/>'
    options: dict[str, Any] = {"tiffinfo": {700: xmp}} if format_ == "TIFF" else {"xmp": xmp}
    picture = opened(file_of(photograph(), format_, **options))
    assert picture.pixels.shape == (16, 12, 3)
    assert picture.metadata.xmp == b'<x:xmpmeta tiff:Orientation="1"/>'
    again = opened(to_png(picture.pixels, picture.metadata))
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    assert again.notes == ()


def test_metadata_that_no_bitstream_holds_is_dropped_with_a_note():
    much = MAX_METADATA_BYTES + 1
    picture = opened(file_of(image(), "WEBP", xmp=bytes(much)))
    assert picture.metadata.xmp is None
    assert picture.notes == (f"xmp of {much} bytes dropped: at most {MAX_METADATA_BYTES} are kept",)


def test_of_several_pictures_in_a_camera_file_the_first_is_kept():
    picture = opened(file_of(image(), "MPO", save_all=True, append_images=[image()]))
    assert picture.pixels.shape == (12, 16, 3)
    assert "first of several" in picture.notes[0]


SEEDS = [
    file_of(image()),
    file_of(image(), "JPEG", exif=oriented(6)[1]),
    file_of(image(), "GIF"),
    file_of(image(), "TIFF", compression="tiff_lzw"),
    file_of(image(), "WEBP"),
    file_of(image(), "BMP"),
    encoded(gradient(12, 16, 3)),
    in_boxes(encoded(gradient(12, 16, 4)), phone_exif(6), b"<x/>"),
]


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(SEEDS), st.data())
def test_damaged_files_open_or_are_refused(seed: bytes, data: st.DataObject):
    position = data.draw(st.integers(0, len(seed) - 1))
    cut = data.draw(st.integers(position, len(seed)))
    junk = data.draw(st.binary(max_size=8))
    try:
        picture = opened(seed[:position] + junk + seed[position:cut])
    except UnsupportedImage:
        return
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.size <= 4 * MAX_PIXELS


@pytest.mark.parametrize("format_", ["WEBP", "WEBP without loss", "JXL"])
def test_a_picture_for_which_there_is_no_memory_is_not_taken_for_damaged(tmp_path: Path, format_: str):
    """Decoders say then what they say of damaged files: that of libjxl, for example, had an error."""
    large = Image.fromarray(np.tile(np.asarray(photograph(50, 50)), (30, 30, 1)))
    name, _, lossless = format_.partition(" ")
    options = {"lossless": True} if lossless else {}
    data = encoded(np.asarray(large)) if name == "JXL" else file_of(large, name, **options)
    (tmp_path / "photo").write_bytes(data)
    code = f"""
        import resource
        from pathlib import Path
        from tasks.originals.opening import open_picture

        data = Path({str(tmp_path / "photo")!r}).read_bytes()
        n_pixels = 1500 * 1500
        open_picture(data, max_pixels=n_pixels)  # loads the libraries
        for bytes_a_pixel in range(1, 40, 3):
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + bytes_a_pixel * n_pixels, -1))
            try:
                open_picture(data, max_pixels=n_pixels)
                print("opened")
            except Exception as error:
                print(type(error).__name__)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {"MemoryTooSmall", "opened"}


def test_the_size_is_in_the_header_alone():
    whole = file_of(image(12, 16, 3))
    assert picture_size(whole, max_pixels=12 * 16) == (16, 12)
    assert picture_size(png_header(8, 9), max_pixels=100) == (8, 9)
    for data, reason in ((whole, "expected 1 to 100 pixels"), (b"", "0 bytes"), (b"text", "none of them")):
        with pytest.raises(UnsupportedImage, match=reason):
            picture_size(data, max_pixels=100)


def planned(path: Path) -> SourceImage:
    header = read_header(path.as_uri(), RunOptions())
    return SourceImage(header.digest, path.as_uri(), path.name, header.n_bytes)


def test_an_original_is_read_once_compared_and_opened(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(file_of(image(12, 16, 3)))
    expected = planned(path)
    with counting_opens(tmp_path) as opens:
        picture = open_original(expected, RunOptions())
    assert opens == {"a.png": 1}
    np.testing.assert_array_equal(picture.pixels, gradient(12, 16, 3))


@pytest.mark.parametrize("data", [file_of(image(12, 17, 3)), b"no image any more"])
def test_an_original_that_changed_is_not_opened(tmp_path: Path, data: bytes):
    path = tmp_path / "a.png"
    path.write_bytes(file_of(image(12, 16, 3)))
    expected = planned(path)
    path.write_bytes(data)
    with pytest.raises(SourceError, match=f"the file has changed: expected SHA-256 {expected.digest}, found"):
        open_original(expected, RunOptions())


def test_the_limits_of_a_run_hold_for_an_original(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(file_of(image(12, 16, 3)))
    with pytest.raises(SourceError, match="expected at most 10 bytes"):
        open_original(planned(path), RunOptions(max_file_bytes=10))
    with pytest.raises(TooManyPixels, match="expected 1 to 100 pixels, found 16x12"):
        open_original(planned(path), RunOptions(max_pixels=100))


def test_one_read_gives_digest_and_header(tmp_path: Path):
    path = tmp_path / "a.jpg"
    path.write_bytes(file_of(image(12, 16, 3), "JPEG"))
    with counting_opens(tmp_path) as opens:
        header = read_header(path.as_uri(), RunOptions())
    assert opens == {"a.jpg": 1}
    assert (header.size, header.n_bytes) == ((16, 12), path.stat().st_size)
    assert header.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text("no image")
    refused = read_header(path.as_uri(), RunOptions())
    assert isinstance(refused.size, UnsupportedImage)
    assert refused.n_bytes == 8


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_a_format_is_told_by_the_first_bytes(format_: str):
    data = file_of(image(12, 16, 3), format_)
    assert format_of(data) == format_
    assert format_of(data[:1]) is None
    assert format_of(b"\0" + data) is None


@pytest.mark.parametrize(
    "data", [encoded(gradient(12, 16, 3)), in_boxes(encoded(gradient(12, 16, 3)), b"", b"<x/>")]
)
def test_a_jpeg_xl_is_told_by_the_first_bytes_and_not_by_its_name(data: bytes):
    assert format_of(data) == "JXL"
    assert format_of(data[:1]) is None
    assert format_of(b"\0" + data) is None
    np.testing.assert_array_equal(opened(data).pixels, gradient(12, 16, 3))


def test_what_is_none_of_the_formats_has_no_format():
    for data in (b"", b"text", b"INR\x01", bytes(100)):
        assert format_of(data) is None

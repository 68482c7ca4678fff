"""JPEG XL files as pictures: what is carried, what is noted, and what is refused before it takes memory."""

import io
import tracemalloc

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from inr.bitstream import MAX_METADATA_BYTES
from tasks.errors import UnsupportedImage
from tasks.originals.formats.jxl import reader
from tasks.originals.formats.jxl.boxes import CONTAINER, in_boxes
from tasks.originals.opening import TRANSPOSITIONS, Picture, format_of, open_picture, picture_size
from tests.tasks.originals.formats.jxl.streams import encoded, extra, header, size
from tests.tasks.originals.formats.jxl.test_boxes import box
from tests.tasks.pictures import file_of, gradient, phone_exif, photograph

XMP = b'<x:xmpmeta tiff:Orientation="6"/>'
PIXELS = np.random.default_rng(0).integers(0, 256, (60, 71, 3), np.uint8)
FRAME = encoded(PIXELS)[len(header(size(71, 60))) :]  # of the same pixels under any header of that size


def opened(data: bytes) -> Picture:
    return open_picture(data, max_pixels=10_000)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
@pytest.mark.parametrize("is_boxed", [False, True])
def test_pixels_without_loss_are_opened_as_they_are(channels: int, mode: str, is_boxed: bool):
    pixels = gradient(12, 16, channels)
    stream = encoded(pixels)
    data = in_boxes(stream, phone_exif(1), b"<x/>") if is_boxed else stream
    picture = opened(data)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert (picture.format, picture.mode, picture.notes) == ("JXL", mode, ())
    assert (picture.metadata.exif, picture.metadata.xmp) == (
        (phone_exif(1), b"<x/>") if is_boxed else (None, None)
    )


def test_a_lossy_file_is_opened_as_libjxl_shows_it():
    stream = encoded(np.asarray(photograph(40, 50)), lossless=False, distance=2.0, effort=5)
    picture = opened(stream)
    np.testing.assert_array_equal(picture.pixels, imagecodecs.jpegxl_decode(stream))
    assert picture.notes == ()


def test_a_jpeg_in_a_jpeg_xl_is_opened_with_a_note():
    jpeg = file_of(photograph(40, 50), "JPEG", quality=90, exif=b"Exif\0\0" + phone_exif(6))
    picture = opened(bytes(imagecodecs.jpegxl_encode_jpeg(jpeg, usecontainer=True)))
    with Image.open(io.BytesIO(jpeg)) as raw:
        shown = np.asarray(raw.transpose(TRANSPOSITIONS[6]), dtype=int)
    assert np.abs(picture.pixels - shown).max() <= 8
    assert picture.metadata.exif == phone_exif(1)
    assert picture.notes == ("JPEG XL boxes dropped: jbrd", "orientation 6 of the header applied")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("in_exif", [1, 6, None])
def test_the_orientation_of_the_header_alone_is_applied(orientation: int, in_exif: int | None):
    exif = None if in_exif is None else phone_exif(in_exif)
    picture = opened(
        in_boxes(header(size(71, 60), extra(orientation)) + FRAME, exif, XMP if exif is None else None)
    )
    turned = Image.fromarray(PIXELS)
    if orientation > 1:
        turned = turned.transpose(TRANSPOSITIONS[orientation])
    np.testing.assert_array_equal(picture.pixels, np.asarray(turned))
    assert picture.notes == ((f"orientation {orientation} of the header applied",) if orientation > 1 else ())
    assert picture.metadata.exif == (exif and phone_exif(1))
    assert picture.metadata.xmp == (None if exif else b'<x:xmpmeta tiff:Orientation="1"/>')
    assert picture_size(header(size(71, 60), extra(orientation)), max_pixels=10_000) == turned.size


@pytest.mark.parametrize(("depth", "values"), [(1, [0, 255]), (2, [0, 85, 170, 255]), (3, [0, 36, 73, 109])])
def test_samples_of_few_bits_are_converted_with_a_note(depth: int, values: list[int]):
    numbers = np.arange(1 << depth, dtype=np.uint8)[None]
    picture = opened(encoded(numbers, bitspersample=depth))
    assert picture.pixels[0, : len(values), 0].tolist() == values
    assert picture.pixels.max() == 255
    assert picture.notes == (f"converted from {depth} to 8 bits per sample",)


def test_what_the_header_says_beside_the_pixels_is_noted():
    p3 = ((0, 1), (0, 1), (0, 2), (1, 2), (2, 2), (9, 4), (0, 1), (2, 2), (11, 4), (1, 2))
    picture = opened(header(size(71, 60), extra(shown=size(35, 30)), colours=p3) + FRAME)
    np.testing.assert_array_equal(picture.pixels, PIXELS)
    assert picture.notes == (
        "colour space dropped: white point, primaries and transfer function 1 11 13; "
        "the samples are kept as they are",
        "size to be shown in dropped: 35x30",
    )


def test_exif_begins_where_its_box_says_and_other_boxes_are_noted():
    held = [box(b"Exif", b"\0\0\0\x02ab" + phone_exif(1)), box(b"jumb", b"signed"), box(b"xml ", b"<x/>")]
    data = CONTAINER + b"".join(held) + box(b"jxlc", encoded(PIXELS)) + box(b"xml ", b"<second/>")
    picture = opened(data)
    assert (picture.metadata.exif, picture.metadata.xmp) == (phone_exif(1), b"<x/>")
    assert picture.notes == ("JPEG XL boxes dropped: jumb, xml ",)


def test_boxes_in_brotli_are_kept_and_damaged_ones_noted():
    held = [b"xml " + imagecodecs.brotli_encode(b"<x/>"), b"Exifjunk"]
    data = CONTAINER + box(b"jxlc", encoded(PIXELS)) + b"".join(box(b"brob", each) for each in held)
    picture = opened(data)
    assert (picture.metadata.exif, picture.metadata.xmp) == (None, b"<x/>")
    assert picture.notes == ("damaged, or too long: box 'Exif' cannot be read",)
    cut = opened((CONTAINER + box(b"jxlc", encoded(PIXELS)) + box(b"xml ", b"<x/>"))[:-1])
    assert (cut.metadata.xmp, cut.notes) == (None, ("damaged, or too long: box 'xml ' cannot be read",))


def test_of_many_compressed_boxes_one_is_read(monkeypatch: pytest.MonkeyPatch):
    bomb = box(b"brob", b"xml " + imagecodecs.brotli_encode(bytes(MAX_METADATA_BYTES + 1)))
    decode, read = imagecodecs.brotli_decode, []

    def counted(data: bytes, out: int) -> bytes:
        read.append(out)
        return bytes(decode(data, out=out))

    monkeypatch.setattr(imagecodecs, "brotli_decode", counted)
    picture = opened(CONTAINER + box(b"jxlc", encoded(PIXELS)) + 9 * bomb)
    assert read == [MAX_METADATA_BYTES]
    assert picture.notes == (
        "damaged, or too long: box 'xml ' cannot be read",
        "JPEG XL boxes dropped: xml ",
    )


def test_exif_that_cannot_be_read_is_kept_with_one_note():
    picture = opened(in_boxes(encoded(PIXELS), b"garbage", None))
    assert picture.metadata.exif == b"garbage"
    assert [note.partition(" (")[0] for note in picture.notes] == ["EXIF cannot be read"]


def test_a_profile_that_could_not_be_kept_is_refused():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    jpeg = file_of(photograph(40, 50), "JPEG", icc_profile=srgb)
    with pytest.raises(UnsupportedImage, match="JPEG XL: expected no ICC profile"):
        opened(bytes(imagecodecs.jpegxl_encode_jpeg(jpeg)))


@pytest.mark.parametrize("side", [101, 8000, 65536, 10**9, 1 << 30])
def test_a_bomb_is_refused_by_its_header_before_its_pixels_take_memory(
    monkeypatch: pytest.MonkeyPatch, side: int
):
    monkeypatch.setattr(imagecodecs, "jpegxl_decode", None)
    tracemalloc.start()
    for data in (header(size(side, side)) + FRAME, in_boxes(header(size(side, side)) + FRAME, None, XMP)):
        with pytest.raises(UnsupportedImage, match=r"expected (1 to|at most) 10000 pixels"):
            opened(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_no_pixel_is_decoded_for_a_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(imagecodecs, "jpegxl_decode", None)
    assert picture_size(encoded(PIXELS), max_pixels=10_000) == (71, 60)
    assert format_of(encoded(PIXELS)) == reader.FORMAT


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99, "last"])
@pytest.mark.parametrize("is_boxed", [False, True])
def test_a_file_that_is_cut_is_refused(share: float | str, is_boxed: bool):
    data = in_boxes(encoded(PIXELS), None, b"<x/>" if is_boxed else None)
    with pytest.raises(UnsupportedImage, match="damaged: "):
        opened(data[: -1 if share == "last" else int(len(data) * float(share))])


def test_a_frame_of_another_size_than_the_header_is_refused():
    with pytest.raises(UnsupportedImage, match="damaged: "):
        opened(header(size(99, 98)) + FRAME)


@pytest.mark.parametrize("shape", [(9, 8), (8, 9, 3), (9, 8, 4)])
def test_pixels_that_are_not_what_the_header_says_are_refused(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
):
    monkeypatch.setattr(imagecodecs, "jpegxl_decode", lambda *given, **options: np.zeros(shape, np.uint8))
    with pytest.raises(UnsupportedImage, match="damaged: ValueError: expected"):
        opened(encoded(np.zeros((9, 8, 3), np.uint8)))

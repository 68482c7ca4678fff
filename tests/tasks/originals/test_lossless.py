import io

import numpy as np
import pytest
from PIL import Image

from inr.bitstream import Metadata
from inr.errors import SelfCheckFailed
from tasks.catalogue.keys import BITSTREAM_SUFFIX, SUFFIXES
from tasks.errors import UnsupportedImage
from tasks.originals import lossless
from tasks.originals.lossless import decode_lossless, lossless_suffix, same_metadata, to_lossless
from tasks.originals.opening import Picture, open_picture
from tests.tasks.pictures import file_of, gradient, image

EXIF = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"


def picture(height: int, width: int, channels: int, metadata: Metadata = Metadata()) -> Picture:
    return Picture(gradient(height, width, channels), metadata, "PNG", "", ())


def kind(data: bytes) -> str | None:
    with Image.open(io.BytesIO(data)) as opened:
        return opened.format


@pytest.mark.parametrize(
    ("shape", "format_"),
    [
        ((12, 16, 1), "PNG"),  # WebP has no grey
        ((12, 16, 2), "PNG"),
        ((12, 16, 3), "WEBP"),
        ((12, 16, 4), "WEBP"),
        ((1, 1, 3), "WEBP"),
        ((1, 16384, 3), "PNG"),  # longer than WebP takes
    ],
)
def test_every_kind_of_picture_comes_back_exactly(shape: tuple[int, int, int], format_: str):
    original = picture(*shape, metadata=Metadata(icc_profile=b"a profile", exif=b"Exif\0\0" + EXIF))
    data = to_lossless(original)
    decoded = decode_lossless(data, max_pixels=shape[0] * shape[1])
    np.testing.assert_array_equal(decoded.pixels, original.pixels)
    assert same_metadata(decoded.metadata, original.metadata)
    assert kind(data) == format_
    assert lossless_suffix(data) == f".{format_.lower()}"


def test_alpha_that_hides_nothing_is_kept_and_so_are_colours_under_it():
    pixels = gradient(12, 16, 4)
    for alpha in (255, 0):
        pixels[:, :, 3] = alpha
        data = to_lossless(Picture(pixels, Metadata(), "PNG", "RGBA", ()))
        np.testing.assert_array_equal(decode_lossless(data, max_pixels=1000).pixels, pixels)


def test_a_photograph_with_an_orientation_is_turned_once():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    opened = open_picture(file_of(image(8, 12, 3), "JPEG", exif=exif.tobytes()), max_pixels=1000)
    decoded = decode_lossless(to_lossless(opened), max_pixels=1000)
    assert decoded.pixels.shape == (12, 8, 3)
    np.testing.assert_array_equal(decoded.pixels, opened.pixels)
    assert same_metadata(decoded.metadata, opened.metadata)


def test_a_picture_that_no_format_holds_is_an_error_and_not_a_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lossless, "to_png", lambda pixels, metadata: file_of(image(2, 2)))
    with pytest.raises(SelfCheckFailed, match="neither WebP nor PNG"):
        to_lossless(picture(4, 4, 1))


def test_what_is_no_image_or_larger_than_its_row_says_is_refused():
    for data, max_pixels in ((b"junk", 100), (to_lossless(picture(12, 16, 3)), 12 * 16 - 1)):
        with pytest.raises(UnsupportedImage):
            decode_lossless(data, max_pixels=max_pixels)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (Metadata(exif=b"Exif\0\0" + EXIF), Metadata(exif=EXIF), True),
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
    with pytest.raises(UnsupportedImage, match="expected a file of WEBP or PNG"):
        lossless_suffix(data)


def test_the_catalogue_knows_the_suffix_of_every_format():
    assert {BITSTREAM_SUFFIX, *lossless.SUFFIXES.values()} == set(SUFFIXES)

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from inr.bitstream import Metadata
from tasks.errors import UnsupportedImage
from tasks.originals.lossless import same_metadata
from tasks.originals.opening import open_picture
from tasks.originals.writing import FORMATS, PNG_PROFILE_BYTES, jxl_holds, to_jxl, to_png, to_webp
from tests.tasks.pictures import gradient

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
EXIF = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_png_holds_every_kind_of_picture(channels: int, mode: str):
    pixels = gradient(9, 13, channels)
    with opened(to_png(pixels, Metadata())) as image:
        assert (image.format, image.mode) == ("PNG", mode)
        np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_webp_holds_every_kind_of_picture_grey_as_colour(channels: int):
    pixels = gradient(9, 13, channels)
    with opened(to_webp(pixels, Metadata())) as image:
        found = np.asarray(image)
    assert found.shape[2] == (3 if channels % 2 else 4)
    colours = np.repeat(pixels[:, :, :1], 3, axis=2) if channels < 3 else pixels[:, :, :3]
    np.testing.assert_array_equal(found[:, :, :3], colours)
    if channels % 2 == 0:
        np.testing.assert_array_equal(found[:, :, 3], pixels[:, :, -1])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("best", [False, True])
@pytest.mark.parametrize(
    "metadata", [Metadata(), Metadata(exif=EXIF), Metadata(xmp=b"<x/>", exif=b"Exif\0\0" + EXIF)]
)
def test_jpeg_xl_holds_every_kind_of_picture_with_exif_and_xmp(channels: int, best: bool, metadata: Metadata):
    pixels = gradient(9, 13, channels)
    pixels[:3, :, -1] = 0  # hides colours, where it is alpha
    data = to_jxl(pixels, metadata, best=best)
    picture = open_picture(data, max_pixels=9 * 13)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert same_metadata(picture.metadata, metadata)
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(data).reshape(pixels.shape), pixels)


@pytest.mark.parametrize("shape", [(1, 1 << 16, 1), ((1 << 18) + 1, 1, 3)])
def test_jpeg_xl_of_a_long_picture_is_its_codestream_alone(shape: tuple[int, int, int]):
    assert to_jxl(np.zeros(shape, np.uint8), Metadata()).startswith(b"\xff\x0a")


def test_a_profile_for_which_jpeg_xl_has_no_place_is_named():
    assert not jxl_holds(Metadata(icc_profile=PROFILE))
    assert jxl_holds(Metadata(icc_profile=b"", exif=EXIF))
    with pytest.raises(UnsupportedImage, match="JPEG XL cannot be written with an ICC profile"):
        to_jxl(gradient(4, 4, 3), Metadata(icc_profile=PROFILE))


def test_colours_under_transparent_pixels_are_kept():
    pixels = gradient(9, 13, 4)
    pixels[:, :, 3] = 0
    for write in FORMATS.values():
        with opened(write(pixels, Metadata())) as image:
            np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("metadata", [Metadata(), Metadata(icc_profile=PROFILE), Metadata(exif=EXIF)])
def test_profile_and_exif_are_in_the_file(format_: str, metadata: Metadata):
    with opened(FORMATS[format_](gradient(4, 4, 3), metadata)) as image:
        assert image.info.get("icc_profile") == metadata.icc_profile
        found = image.info.get("exif")
    assert (found.removeprefix(b"Exif\0\0") if found else None) == metadata.exif


def test_a_picture_too_long_for_webp_is_named():
    with pytest.raises(UnsupportedImage, match="WebP cannot hold 16384x1 pixels"):
        to_webp(np.zeros((1, 16384, 3), np.uint8), Metadata())


@pytest.mark.parametrize(
    "profile", [np.random.default_rng(0).bytes(1 << 21), bytes(1 << 21)], ids=["noise", "0"]
)
def test_a_png_is_written_where_it_opens_with_its_profile(profile: bytes):
    pixels, held, large = np.zeros((2, 2, 3), np.uint8), profile[:PNG_PROFILE_BYTES], profile[: 1 << 20 | 1]
    with opened(to_png(pixels, Metadata(icc_profile=held))) as image:
        assert image.info["icc_profile"] == held
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG", icc_profile=large)
    with pytest.raises(ValueError, match="too large"):
        opened(written.getvalue())
    with pytest.raises(UnsupportedImage, match=rf"at most {PNG_PROFILE_BYTES} bytes.* found {len(large)}"):
        to_png(pixels, Metadata(icc_profile=large))
    with opened(to_webp(pixels, Metadata(icc_profile=large))) as image:
        assert image.info["icc_profile"] == large

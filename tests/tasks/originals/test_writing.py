import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from inr.bitstream import Metadata
from tasks.errors import UnsupportedImage
from tasks.originals.writing import FORMATS, PNG_PROFILE_BYTES, to_png, to_webp
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

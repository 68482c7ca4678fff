import base64
import io

import numpy as np
import pytest
from PIL import Image

import inr
from tasks.report.png import GAP, SIDE, beside_original, data_uri, rd_plot
from tests.inr.conftest import VECTORS


def n_pixels_of(image: Image.Image, colour: tuple[int, int, int]) -> int:
    near = np.abs(np.asarray(image.convert("RGB")).astype(int) - colour).max(axis=2) < 16
    return int(near.sum())


def test_a_plot_has_its_points_in_the_colours_of_their_curves():
    one = Image.open(io.BytesIO(rd_plot({"mlp": [(0.1, 25.0), (0.2, 27.0)]}, lines=False)))
    two = {"mlp": [(0.1, 25.0), (0.2, 27.0)], "cnn": [(0.1, 26.0), (40.0, 45.0)]}
    both = Image.open(io.BytesIO(rd_plot(two, lines=True)))
    blue, orange = (76, 120, 168), (245, 133, 24)
    assert n_pixels_of(one, blue) > 20
    assert n_pixels_of(one, orange) == 0
    assert n_pixels_of(both, blue) > 100
    assert n_pixels_of(both, orange) > 100


def test_an_image_is_shown_beside_its_original():
    pixels = inr.decode((VECTORS / "rgb.inr").read_bytes()).pixels
    data = beside_original(Image.fromarray(pixels[::-1]), Image.fromarray(pixels))
    shown = np.asarray(Image.open(io.BytesIO(data)))
    factor = SIDE // max(pixels.shape[:2])
    decoded = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    np.testing.assert_array_equal(shown[:, : decoded.shape[1], :3], decoded[::-1])
    np.testing.assert_array_equal(shown[:, decoded.shape[1] + GAP :, :3], decoded)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_images_of_every_kind_and_size_become_thumbnails(mode: str):
    for width, height in ((1, 1), (3, 500), (700, 400)):
        both = Image.open(io.BytesIO(beside_original(*[Image.new(mode, (width, height))] * 2)))
        assert max((both.width - GAP) // 2, both.height) == SIDE
        assert both.mode == "RGBA"


def test_a_picture_is_the_address_of_itself():
    uri = data_uri(b"\x89PNG")
    assert base64.b64decode(uri.removeprefix("data:image/png;base64,")) == b"\x89PNG"

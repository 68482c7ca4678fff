import base64
import io
from typing import Any

import numpy as np
import pytest
import vl_convert
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


@pytest.mark.parametrize(
    ("points", "rates", "qualities"),
    [
        ([(6.385, 27.84)], [6, 6.5, 7], [27.4, 27.6, 27.8, 28, 28.2]),
        ([(0.02, 26.0), (0.3, 30.0)], [0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.3], [26, 27, 28, 29, 30]),
    ],
)
def test_the_axes_of_a_plot_name_values_around_its_points(
    monkeypatch: pytest.MonkeyPatch,
    points: list[tuple[float, float]],
    rates: list[float],
    qualities: list[float],
):
    drawn: list[dict[str, Any]] = []
    draw = vl_convert.vegalite_to_png

    def noted(chart: dict[str, Any], scale: float) -> bytes:
        drawn.append(chart)
        return bytes(draw(chart, scale=scale))

    monkeypatch.setattr(vl_convert, "vegalite_to_png", noted)
    rd_plot({"cnn": points}, lines=False)
    [chart] = drawn
    x, y = chart["encoding"]["x"], chart["encoding"]["y"]
    for axis, values in ((x, rates), (y, qualities)):
        low, high = axis["scale"]["domain"]
        assert all(low <= value <= high for value in values)
        assert axis["axis"]["values"] == values
    assert all(x["scale"]["domain"][0] < rate < x["scale"]["domain"][1] for rate, _ in points)


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

"""Pictures of a run, each a small PNG: rate against quality, and an image beside what was made of it."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import vl_convert
from PIL import Image

from tasks.report.ticks import log_ticks, padded, padded_log, ticks

PLOT_WIDTH, PLOT_HEIGHT, PLOT_SCALE, PLOT_COLOURS = 560, 320, 1.25, 64
SIDE = 200  # pixels, of each of two images
GAP = 8


def rd_plot(curves: Mapping[str, Sequence[tuple[float, float]]], *, lines: bool) -> bytes:
    """PNG of points (rate in bpp, PSNR in dB): one colour per curve, its points joined by lines or not."""
    values = [
        {"curve": name, "rate": rate, "quality": quality}
        for name, points in curves.items()
        for rate, quality in points
    ]
    rates = padded_log([rate for points in curves.values() for rate, _ in points])
    qualities = padded([quality for points in curves.values() for _, quality in points])
    chart = {
        "data": {"values": values},
        "width": PLOT_WIDTH,
        "height": PLOT_HEIGHT,
        "background": "white",
        "mark": {"type": "line", "point": True} if lines else {"type": "circle", "size": 24, "opacity": 1},
        "encoding": {
            "x": _axis("rate", "bits per pixel", "log", rates, log_ticks(*rates)),
            "y": _axis("quality", "PSNR, dB", "linear", qualities, ticks(*qualities)),
            "color": {
                "field": "curve",
                "type": "nominal",
                "title": None,
                **({} if len(curves) > 1 else {"legend": None}),
            },
        },
    }
    drawn = Image.open(io.BytesIO(vl_convert.vegalite_to_png(chart, scale=PLOT_SCALE)))
    return _png(drawn.convert("RGB").quantize(PLOT_COLOURS))


def _axis(field: str, title: str, scale: str, range_: list[float], named: list[float]) -> dict[str, Any]:
    return {
        **{"field": field, "type": "quantitative", "title": title},
        "axis": {"format": "~g", "values": named},
        "scale": {"type": scale, "domain": range_},
    }


def beside_original(original: Image.Image, reconstruction: Image.Image) -> bytes:
    """PNG of an original on the left and what its stored bitstream decodes to on the right.

    Large images are reduced to `SIDE` pixels; of small ones each pixel becomes a square.
    """
    left, right = _thumbnail(original), _thumbnail(reconstruction)
    both = Image.new("RGBA", (left.width + GAP + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width + GAP, 0))
    return _png(both)


def data_uri(png: bytes) -> str:
    """A PNG as a ``data:`` URI."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _thumbnail(picture: Image.Image) -> Image.Image:
    image = picture.convert("RGBA")
    larger = SIDE // max(image.size)
    if larger > 1:
        return image.resize((image.width * larger, image.height * larger), Image.Resampling.NEAREST)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()

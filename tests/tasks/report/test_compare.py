import io
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import inr
from inr.bitstream import Metadata
from inr.errors import BadMagic, ConfigError
from inr.metrics import psnr_db
from tasks.errors import SourceError, UnsupportedImage
from tasks.originals.lossless import to_lossless
from tasks.originals.opening import Picture
from tasks.report import compare as module
from tasks.report.compare import LEAST_WIDTH, compare, side_by_side
from tasks.report.quality import flip
from tasks.settings import RunOptions
from tests.tasks.pictures import file_of, gradient, image

OPTIONS = RunOptions()
VECTOR = Path(__file__).parents[2] / "vectors" / "rgb.inr"


def write(path: Path, height: int = 12, width: int = 16, channels: int = 3) -> Path:
    path.write_bytes(file_of(image(height, width, channels)))
    return path


def test_an_image_with_itself(tmp_path: Path):
    path = write(tmp_path / "a.png")
    found = compare(path, path, OPTIONS)
    assert found.quality.psnr_db == math.inf
    assert found.max_difference == 0
    assert found.first.n_bytes == found.second.n_bytes == path.stat().st_size
    assert found.first.rate_bpp == 8 * path.stat().st_size / (12 * 16)


def test_an_image_with_a_lossy_copy(tmp_path: Path):
    path, copy = write(tmp_path / "a.png"), tmp_path / "b.jpg"
    copy.write_bytes(file_of(image(12, 16, 3), "JPEG", quality=20))
    found = compare(path, copy, OPTIONS)
    original, decoded = gradient(12, 16, 3), np.asarray(Image.open(copy))
    assert found.quality.psnr_db == psnr_db(reference=original, decoded=decoded)
    assert found.quality.flip == flip(reference=original, decoded=decoded)
    assert found.max_difference == np.abs(original.astype(int) - decoded).max()
    assert found.quality.ms_ssim is None


@pytest.mark.parametrize("name", ["vector.inr", "vector.bin"])
def test_a_bitstream_is_decoded_whatever_its_name(tmp_path: Path, name: str):
    pixels = inr.decode(VECTOR.read_bytes()).pixels
    (tmp_path / "a.png").write_bytes(file_of(Image.fromarray(pixels)))
    (tmp_path / name).write_bytes(VECTOR.read_bytes())
    found = compare(tmp_path / "a.png", tmp_path / name, OPTIONS)
    assert found.max_difference == 0
    assert (found.first.is_bitstream, found.second.is_bitstream) == (False, True)


@pytest.mark.parametrize("name", ["a.inr", "a.webp", "a.png", "a", "a.jpg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_object_stored_without_loss_is_an_image_whatever_its_name(
    tmp_path: Path, name: str, channels: int
):
    """Archives name it by what it is; older ones named it ``.inr`` like a bitstream."""
    pixels = gradient(12, 16, channels)
    (tmp_path / name).write_bytes(to_lossless(Picture(pixels, Metadata(), "PNG", "", ())).data)
    found = compare(write(tmp_path / "original.png", channels=channels), tmp_path / name, OPTIONS)
    assert (found.second.is_bitstream, found.max_difference) == (False, 0)


def test_alpha_that_hides_nothing_counts_as_none(tmp_path: Path):
    pixels = gradient(12, 16, 4)
    pixels[:, :, 3] = 255
    (tmp_path / "a.png").write_bytes(file_of(Image.fromarray(pixels)))
    (tmp_path / "a.webp").write_bytes(to_lossless(Picture(pixels, Metadata(), "PNG", "", ())).data)
    for first, second in (("a.png", "a.webp"), ("a.webp", "a.png")):
        assert compare(tmp_path / first, tmp_path / second, OPTIONS).max_difference == 0


@pytest.mark.parametrize(("grey", "colour"), [(1, 3), (2, 4)])
def test_grey_counts_as_colour(tmp_path: Path, grey: int, colour: int):
    pixels = gradient(12, 16, grey)
    as_colour = np.concatenate([np.repeat(pixels[:, :, :1], 3, axis=2), pixels[:, :, 1:]], axis=2)
    assert as_colour.shape[2] == colour
    a = write(tmp_path / "a.png", channels=grey)
    (tmp_path / "b.png").write_bytes(file_of(Image.fromarray(as_colour)))
    assert compare(a, tmp_path / "b.png", OPTIONS).max_difference == 0


@pytest.mark.parametrize(
    ("height", "width", "channels", "said"),
    [(16, 12, 3, "16x12 in a.png and 12x16"), (12, 16, 4, "16x12 in a.png and 16x12 with alpha")],
)
def test_images_of_two_sizes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, height: int, width: int, channels: int, said: str
):
    monkeypatch.chdir(tmp_path)
    write(Path("a.png"))
    write(Path("b.png"), height, width, channels)
    with pytest.raises(ConfigError, match=f"expected two images of one size, found {said}"):
        compare(Path("a.png"), Path("b.png"), OPTIONS)


def test_what_cannot_be_read_is_named(tmp_path: Path):
    path = write(tmp_path / "a.png")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "text.inr").write_text("no bitstream")
    with pytest.raises(SourceError, match=r"none\.png cannot be read"):
        compare(path, tmp_path / "none.png", OPTIONS)
    with pytest.raises(UnsupportedImage):
        compare(path, tmp_path / "text.png", OPTIONS)
    with pytest.raises(BadMagic):
        compare(path, tmp_path / "text.inr", OPTIONS)
    with pytest.raises(UnsupportedImage, match="expected 1 to 100 pixels, found 16x12"):
        compare(path, path, RunOptions(max_pixels=100))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_picture_has_both_and_their_difference(tmp_path: Path, channels: int):
    original = gradient(24, 200, channels)
    changed = original.copy()
    changed[5, 7, 0] ^= 16
    for name, pixels in (("a.png", original), ("b.png", changed)):
        shown = pixels[:, :, 0] if channels == 1 else pixels
        (tmp_path / name).write_bytes(file_of(Image.fromarray(shown)))
    found = compare(tmp_path / "a.png", tmp_path / "b.png", OPTIONS)
    sheet = np.asarray(Image.open(io.BytesIO(side_by_side(found, 8))))
    assert sheet.shape[1:] == (600, 3)
    captions, body = sheet[:-24], sheet[-24:]
    assert (body[:, :200] == (original[:, :, :3] if channels > 2 else original[:, :, :1])).all()
    assert body[5, 407, 0] == 16 * 8
    assert np.count_nonzero(body[:, 400:].max(axis=2)) == 1
    for n in range(3):
        assert captions[:, 200 * n : 200 * n + 200].max() == 255  # there is a caption


def sheet_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, width: int, height: int = 12
) -> "Sheet":
    """The picture of an image of that name beside itself, and every text that was drawn into it."""
    found = compare(*[write(folder / name, height, width)] * 2, OPTIONS)
    drawn: list[tuple[float, str]] = []

    class Noted(ImageDraw.ImageDraw):
        def text(self, xy: Any, text: Any, fill: Any, font: Any, anchor: Any) -> None:  # type: ignore[override]
            drawn.append((xy[0] % max(width, LEAST_WIDTH) + font.getlength(text), text))
            super().text(xy, text, fill, font, anchor=anchor)

    monkeypatch.setattr(ImageDraw, "Draw", Noted)
    return Sheet(Image.open(io.BytesIO(side_by_side(found, 8))), drawn)


class Sheet(NamedTuple):
    image: Image.Image
    drawn: list[tuple[float, str]]


@pytest.mark.parametrize("width", [1, 64, 96, 200, 768])
@pytest.mark.parametrize("name", ["a.png", "b" * 248 + ".png", "Ünï × 名前\u202f\N{GRINNING FACE} 12.png"])
def test_captions_are_whole_and_without_boxes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, name: str
):
    sheet = sheet_of(tmp_path, monkeypatch, name, width)
    column = max(width, LEAST_WIDTH)
    assert sheet.image.width == 3 * column
    assert all(right <= column for right, _ in sheet.drawn)
    font = ImageFont.load_default(module.CAPTION_SIZE)
    box = bytes(font.getmask("\N{MULTIPLICATION SIGN}"))
    assert not [text for _, text in sheet.drawn for c in text if c != " " and bytes(font.getmask(c)) == box]
    texts = "".join(text for _, text in sheet.drawn)
    size = f"{(tmp_path / name).stat().st_size} bytes, "
    assert texts.count(size) == 2
    assert "inf dB" in texts
    assert "difference, 8 times as large" in texts
    assert texts.count(name[-4:]) == 2
    left = (column - width) // 2
    shown = np.asarray(sheet.image)[-12:, left : left + width]
    assert (shown == gradient(12, width, 3)).all()


def test_what_the_font_does_not_have_is_an_escape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sheet = sheet_of(tmp_path, monkeypatch, "é中\N{GRINNING FACE}.png", 768)
    assert r"\u00e9\u4e2d\U0001f600.png" in {text for _, text in sheet.drawn}


def test_a_difference_is_shown_no_brighter_than_white(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(file_of(Image.new("L", (200, 20), 0)))
    (tmp_path / "b.png").write_bytes(file_of(Image.new("L", (200, 20), 255)))
    found = compare(tmp_path / "a.png", tmp_path / "b.png", OPTIONS)
    sheet = np.asarray(Image.open(io.BytesIO(side_by_side(found, 255))))
    assert (sheet[-20:, 400:] == 255).all()

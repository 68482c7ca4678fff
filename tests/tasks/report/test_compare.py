import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inr
from inr.bitstream import Metadata
from inr.errors import BadMagic, ConfigError
from inr.metrics import psnr_db
from tasks.errors import SourceError, UnsupportedImage
from tasks.originals.lossless import to_lossless
from tasks.originals.opening import Picture
from tasks.report.compare import CAPTION_HEIGHT, compare, side_by_side
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
    assert sheet.shape == (24 + CAPTION_HEIGHT, 600, 3)
    body = sheet[CAPTION_HEIGHT:]
    assert (body[:, :200] == (original[:, :, :3] if channels > 2 else original[:, :, :1])).all()
    assert body[5, 407, 0] == 16 * 8
    assert np.count_nonzero(body[:, 400:].max(axis=2)) == 1
    assert sheet[:CAPTION_HEIGHT].max() == 255  # there is a caption


def test_a_difference_is_shown_no_brighter_than_white(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(file_of(Image.new("L", (200, 20), 0)))
    (tmp_path / "b.png").write_bytes(file_of(Image.new("L", (200, 20), 255)))
    found = compare(tmp_path / "a.png", tmp_path / "b.png", OPTIONS)
    sheet = np.asarray(Image.open(io.BytesIO(side_by_side(found, 255))))
    assert (sheet[CAPTION_HEIGHT:, 400:] == 255).all()

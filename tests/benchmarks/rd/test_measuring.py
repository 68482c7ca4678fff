from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.rd.codecs import CODECS, JPEGS
from benchmarks.rd.measuring import BaselinePoint, FitPoint, crop, list_images, middle
from inr.bitstream import unpack
from inr.config import CodecConfig
from inr.metrics import bpp, psnr_db
from tests.tasks.pictures import gradient

FLAT = CodecConfig(model="mlp", preset="draft", rd_lambda=0.01)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(gradient(48, 64, 3)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def fit_point(image: Path, folder: Path, **changed: object) -> FitPoint:
    chosen = {"config": FLAT, "device": "cpu", "n_threads": 1, "n_decodes": 2, "code": "0", **changed}
    return FitPoint(image, folder=folder, **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CODECS)
def test_a_point_of_a_baseline_is_that_of_the_file_and_of_what_it_decodes_to(name: str, photo: Path) -> None:
    codec = CODECS[name]
    value = codec.grid[len(codec.grid) // 2]
    pixels = gradient(48, 64, 3)
    data = codec.encode(pixels, value)
    point = BaselinePoint(photo, name, value).measure()
    assert (point.image, point.setting, point.n_bytes) == ("photo", value, len(data))
    assert point.bpp == bpp(n_bytes=len(data), width=64, height=48)
    assert point.psnr_db == psnr_db(reference=pixels, decoded=codec.decode(data)) > 10
    assert point.encode_seconds > 0
    assert point.decode_seconds > 0


def test_grey_is_measured_as_rgb(tmp_path: Path) -> None:
    Image.fromarray(gradient(16, 16, 1)[:, :, 0]).save(tmp_path / "grey.png")
    assert BaselinePoint(tmp_path / "grey.png", JPEGS[0], 95).measure().psnr_db > 35


def test_a_point_of_this_codec_is_that_of_the_file_that_was_written(tmp_path: Path) -> None:
    Image.new("RGB", (7, 5), (1, 2, 3)).save(tmp_path / "flat.png")  # of one colour, which needs no fit
    point = fit_point(tmp_path / "flat.png", tmp_path / "files").measure()
    [written] = (tmp_path / "files").iterdir()
    data = written.read_bytes()
    assert (point.n_bytes, point.setting, point.device) == (len(data), 0.01, "cpu")
    assert point.bpp == 8 * len(data) / 35
    assert point.side_bytes == len(data) - unpack(data).section_bytes["payload"]


def test_a_point_is_measured_again_when_anything_that_it_depends_on_changes(photo: Path) -> None:
    other = photo.with_name("other") / "photo.png"
    other.parent.mkdir()
    Image.fromarray(gradient(48, 64, 1)[:, :, 0]).save(other)
    points = [
        fit_point(photo, Path()),
        fit_point(other, Path()),
        fit_point(photo, Path(), code="1"),
        fit_point(photo, Path(), n_threads=2),
        fit_point(photo, Path(), config=CodecConfig(model="cnn", preset="draft", rd_lambda=0.01)),
        BaselinePoint(photo, "WebP", 6),
        BaselinePoint(photo, "WebP", 16),
        BaselinePoint(other, "WebP", 16),
    ]
    assert len({point.key for point in points}) == len(points)
    assert fit_point(photo, Path("elsewhere")).key == points[0].key


def test_images_are_taken_by_name_and_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path, [])] == ["a.jpg", "b.png"]
    assert [path.name for path in list_images(tmp_path, ["b", "a"])] == ["b.png", "a.jpg"]
    with pytest.raises(FileNotFoundError, match="expected c, found 2 others"):
        list_images(tmp_path, ["a", "c"])


def test_a_crop_is_the_part_in_the_box(photo: Path, tmp_path: Path) -> None:
    path = crop(photo, (10, 20, 40, 30), tmp_path / "crops")
    with Image.open(path) as part, Image.open(photo) as whole:
        assert part.tobytes() == whole.crop((10, 20, 40, 30)).tobytes()
    assert path.stem == photo.stem


def test_the_middle_of_a_picture_is_a_square_or_what_there_is_of_it() -> None:
    pixels = np.arange(5 * 8 * 3, dtype=np.uint8).reshape(5, 8, 3)
    np.testing.assert_array_equal(middle(pixels, 3), pixels[1:4, 2:5])
    np.testing.assert_array_equal(middle(pixels, 6), pixels[:, 1:7])

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.samples import make_crops, make_samples, make_tiles


def kind(path: Path) -> tuple[str, str | None, tuple[int, int]]:
    with Image.open(path) as image:
        return image.mode, image.format, image.size


def test_samples_are_photographs_of_several_kinds(tmp_path: Path) -> None:
    paths = make_samples(tmp_path)
    kinds = [kind(path) for path in paths]
    assert len(paths) == 8
    assert {mode for mode, _, _ in kinds} == {"RGB", "L", "P", "RGBA"}
    assert {format_ for _, format_, _ in kinds} == {"PNG", "JPEG"}
    assert min(size for _, _, size in kinds) == (150, 150)
    sizes = [width * height for _, _, (width, height) in kinds]
    assert sum(sizes) < 900_000
    assert sizes.index(max(sizes)) < len(sizes) - 2  # two cores end at about the same time


def test_crops_all_differ(tmp_path: Path) -> None:
    paths = make_crops(tmp_path, n_images=50, side=64)
    assert len({path.read_bytes() for path in paths}) == 50
    assert {kind(path) for path in paths} == {("RGB", "PNG", (64, 64))}


def test_tiles_all_differ_and_none_is_flat(tmp_path: Path) -> None:
    paths = make_tiles(tmp_path, n_images=5000, side=8)
    pictures = [Image.open(path) for path in paths]
    assert len({picture.tobytes() for picture in pictures}) == len(paths) == 5000
    assert {picture.size for picture in pictures} == {(8, 8)}
    assert all(len(picture.getcolors(64)) > 1 for picture in pictures)


def test_there_are_not_that_many_tiles(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected 100000 tiles of 64 pixels, found"):
        make_tiles(tmp_path, n_images=100_000, side=64)

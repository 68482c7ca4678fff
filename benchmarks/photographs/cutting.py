"""Crops of photographs, in several scales, and of pictures that are none."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmarks.photographs.drawings import drawings
from benchmarks.photographs.packages import Package

SIDE, HELD_BACK_SIDE = 512, 384
SHORTER_SIDE = 640  # of a photograph in the smallest scale
# The shorter side of a photograph, in its largest scale, from which on it gives so many crops.
N_CROPS = ((1500, 3), (900, 2), (0, 1))
N_CANDIDATES = 6  # places, of which the most detailed is taken
N_HELD_BACK = 12
# The quality of a JPEG from which on its largest scale is this one: where it is coarse, its blocks are seen.
LARGEST_SCALES = ((85, 1.0), (60, 0.75), (0, 0.5))
TABLE_SUM = 3681  # of the luminance table of JPEG, Annex K, which is that of quality 50


@dataclass(frozen=True)
class Crop:
    """A crop, as crops.json has it.

    Attributes:
        crop: The file beside crops.json.
        kind: `photograph` or `drawing`.
        package: The package; empty if `drawings.py` drew it.
        file: The file below the package's folder, or the name of the drawing.
        scale: The size of the scaled picture over that of the file, at most 1.
        box: Left, top, right and bottom, in the scaled picture.
        sha256: The digest of the pixels, uint8 [height, width, 3].
    """

    crop: str
    kind: str
    package: str
    file: str
    scale: float
    box: tuple[int, int, int, int]
    sha256: str


@dataclass(frozen=True)
class Cut:
    """Pixels of a crop, and the place that they are from."""

    pixels: Image.Image
    scale: float
    box: tuple[int, int, int, int]


def jpeg_quality(picture: Image.Image) -> float:
    """The quality, from 1 to 100, of the JPEG that a picture is read from; 100 for other formats.

    It is the number that gives a luminance table of the same sum in libjpeg's `jpeg_quality_scaling`.
    """
    tables: dict[int, list[int]] | None = getattr(picture, "quantization", None)
    if not tables:
        return 100.0
    percent = 100 * sum(tables[0]) / TABLE_SUM
    return 100 - percent / 2 if percent <= 100 else 5000 / percent


def scales(size: tuple[int, int], quality: float) -> tuple[float, float]:
    """The smallest and the largest scale of a photograph, never above 1."""
    shorter = min(size)
    if shorter < SIDE:
        raise ValueError(f"expected {SIDE} pixels or more on the shorter side, found {shorter}")
    usual = next(largest for least, largest in LARGEST_SCALES if quality >= least)
    largest = max(usual, SIDE / shorter)
    return min(largest, SHORTER_SIDE / shorter), largest


def place(picture: Image.Image, scale: float, side: int, places: int, draw: np.random.Generator) -> Cut:
    """Scale a picture down and take the most detailed of so many squares of it."""
    width, height = (max(side, round(extent * scale)) for extent in picture.size)
    scaled = picture if scale == 1 else picture.resize((width, height), Image.Resampling.LANCZOS)
    found = []
    for _ in range(places):
        left, top = int(draw.integers(width - side + 1)), int(draw.integers(height - side + 1))
        box = (left, top, left + side, top + side)
        found.append(Cut(scaled.crop(box), scale, box))
    return max(found, key=lambda cut: detail(cut.pixels))


def detail(picture: Image.Image) -> float:
    """The mean difference of a sample to the one below it."""
    return float(np.abs(np.diff(np.asarray(picture, np.int16), axis=0)).mean())


def open_rgb(path: Path) -> tuple[Image.Image, float]:
    """A picture as it is to be looked at, in RGB, and the quality of its JPEG."""
    with Image.open(path) as picture:
        quality = jpeg_quality(picture)
        return ImageOps.exif_transpose(picture).convert("RGB"), quality


def generator_of(name: str) -> np.random.Generator:
    """Random numbers of a picture, which do not depend on the other pictures."""
    return np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))


def held_back(names: Iterable[str]) -> set[str]:
    """The photographs that are held back: those whose names have the smallest digests."""
    return set(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:N_HELD_BACK])


def cuts_of_photograph(name: str, path: Path) -> Iterator[Cut]:
    """One to three crops: half of all are drawn uniformly, half are the most detailed of several."""
    picture, quality = open_rgb(path)
    smallest, largest = scales(picture.size, quality)
    draw = generator_of(name)
    number = next(number for least, number in N_CROPS if min(picture.size) * largest >= least)
    first = int(draw.integers(2))
    for index in range(first, first + number):
        scale = smallest * (largest / smallest) ** draw.random()
        yield place(picture, scale, SIDE, N_CANDIDATES if index % 2 else 1, draw)


def cut_held_back(name: str, path: Path) -> Cut:
    """The crop of a photograph that is held back, in the geometric mean of its scales."""
    picture, quality = open_rgb(path)
    smallest, largest = scales(picture.size, quality)
    return place(picture, (smallest * largest) ** 0.5, HELD_BACK_SIDE, 1, generator_of(name))


class Crops:
    """A folder of crops and its crops.json."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: list[Crop] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, cut: Cut, kind: str, package: str, file: str) -> None:
        """Write a crop."""
        name = f"{len(self._rows):04}.png"
        digest = hashlib.sha256(cut.pixels.tobytes()).hexdigest()
        cut.pixels.save(self._folder / name, optimize=True)
        self._rows.append(Crop(name, kind, package, file, cut.scale, cut.box, digest))

    def close(self) -> int:
        """Write crops.json, remove crops of an earlier list, and return the number of crops."""
        kept = {row.crop for row in self._rows}
        for path in self._folder.glob("*.png"):
            if path.name not in kept:
                path.unlink()
        rows = ",\n ".join(json.dumps(asdict(row), ensure_ascii=False) for row in self._rows)
        (self._folder / "crops.json").write_text(f"[{rows}]\n", encoding="utf-8")
        return len(self._rows)


def cut(folder: Path, target: Path, packages: Sequence[Package]) -> list[str]:
    """Cut all crops; returns what could not be cut, in words."""
    missing = []
    held = held_back(f"{package.name}/{name}" for package in packages for name in package.photographs)
    crops, validation = Crops(target), Crops(target / "held_back")
    for package in packages:
        for file in (*package.photographs, *package.drawings):
            name, path = f"{package.name}/{file}", folder / package.name / file
            try:
                if name in held:
                    validation.add(cut_held_back(name, path), "photograph", package.name, file)
                elif file in package.photographs:
                    for found in cuts_of_photograph(name, path):
                        crops.add(found, "photograph", package.name, file)
                else:
                    found = place(open_rgb(path)[0], 1.0, SIDE, N_CANDIDATES, generator_of(name))
                    crops.add(found, "drawing", package.name, file)
            except (OSError, ValueError) as error:
                missing.append(f"{name}: {error}")
    fonts = {Path(font).stem: folder / package.name / font for package in packages for font in package.fonts}
    for name, picture in drawings(fonts, SIDE):
        crops.add(Cut(picture, 1.0, (0, 0, SIDE, SIDE)), "drawing", "", name)
    print(f"{crops.close()} crops in {target}, and {validation.close()} held back")
    return missing

"""Real photographs to try the archive on, from the files that the scikit-image wheel ships.

python -m benchmarks.samples build/samples
"""

import shutil
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import skimage
from PIL import Image, ImageDraw, ImageFilter

SHIPPED = Path(skimage.__file__).parent / "data"

# Copied byte for byte, under these names; one is a JPEG. By name the largest is not the last one, which would
# be fitted beside an idle core.
COPIED = {"chelsea.png": "chelsea.png", "falcon.jpg": "rocket.jpg"}
# Where crops and tiles come from: four in colour, and one grey.
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png")


def make_samples(folder: Path) -> list[Path]:
    """Writes eight photographs, 150x150 to 640x427: RGB, grey, with a palette and with alpha.

    They have less than a megapixel in all, so that the first archive that one makes takes some minutes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, shipped in COPIED.items():
        shutil.copyfile(SHIPPED / shipped, folder / name)
    _crop("coffee.png", 120, 50, 480, 320).save(folder / "coffee.png")
    _crop("astronaut.png", 150, 20, 342, 212).save(folder / "astronaut.png")
    _crop("camera.png", 150, 80, 342, 272).save(folder / "camera.png")
    _crop("hubble_deep_field.jpg", 340, 308, 660, 564).save(folder / "hubble.png")
    _retina_palette().save(folder / "retina-palette.png")
    _portrait_alpha().save(folder / "portrait-alpha.png")
    return sorted(path for path in folder.iterdir() if path.suffix in {".png", ".jpg"})


def make_crops(folder: Path, *, n_images: int, side: int) -> list[Path]:
    """Writes `n_images` different square crops of `side` pixels, taken in turn from the photographs."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [Image.open(SHIPPED / name).convert("RGB") for name in PHOTOGRAPHS]
    paths = []
    for index in range(n_images):
        picture = pictures[index % len(pictures)]
        left, top = _corner(index // len(pictures), picture.width - side, picture.height - side)
        path = folder / f"crop-{index:03d}.png"
        picture.crop((left, top, left + side, top + side)).save(path)
        paths.append(path)
    return paths


def make_tiles(folder: Path, *, n_images: int, side: int) -> list[Path]:
    """Writes square tiles of `side` pixels, side by side from one photograph after the other.

    All differ, and none is of one colour, which would need no fit.

    Raises:
        ValueError: The photographs have fewer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tiles = {tile.tobytes(): tile for tile in _tiles(side) if len(tile.getcolors(side * side) or ()) > 1}
    if len(tiles) < n_images:
        raise ValueError(f"expected {n_images} tiles of {side} pixels, found {len(tiles)}")
    paths = []
    for index, tile in enumerate(islice(tiles.values(), n_images)):
        paths.append(folder / f"tile-{index:05}.png")
        tile.save(paths[-1])
    return paths


def _tiles(side: int) -> Iterator[Image.Image]:
    for name in PHOTOGRAPHS:
        picture = Image.open(SHIPPED / name)
        for top in range(0, picture.height - side + 1, side):
            for left in range(0, picture.width - side + 1, side):
                yield picture.crop((left, top, left + side, top + side))


def _corner(index: int, right: int, bottom: int) -> tuple[int, int]:
    """Corners spread over the picture: multiples of two irrational parts of its width and height."""
    return int((index * 0.618034 % 1) * right), int((index * 0.754878 % 1) * bottom)


def _crop(name: str, *box: int) -> Image.Image:
    left, top, right, bottom = box
    return Image.open(SHIPPED / name).crop((left, top, right, bottom))


def _retina_palette() -> Image.Image:
    return Image.open(SHIPPED / "retina.jpg").resize((280, 280), Image.Resampling.LANCZOS).quantize(64)


def _portrait_alpha() -> Image.Image:
    """The astronaut's face in a soft-edged oval."""
    portrait = Image.open(SHIPPED / "astronaut.png").crop((150, 30, 300, 180))
    alpha = Image.new("L", portrait.size, 0)
    ImageDraw.Draw(alpha).ellipse((10, 5, 140, 145), fill=255)
    portrait.putalpha(alpha.filter(ImageFilter.GaussianBlur(4)))
    return portrait


if __name__ == "__main__":
    made = make_samples(Path(sys.argv[1]))
    print(f"{len(made)} photographs in {sys.argv[1]}")

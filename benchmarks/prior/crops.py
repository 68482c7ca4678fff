"""The crops that priors are fitted to."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Crop = NDArray[np.uint8]


def read_crops(folder: Path, channels: int, *, side: int, every: int = 1) -> list[Crop]:
    """The middle of every so manieth picture in a folder, by name: uint8 [side, side, channels].

    Other files, and the folders in it, are none of them.

    Raises:
        ValueError: A picture is smaller than that.
    """
    mode = "RGB" if channels == 3 else "L"
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg", ".webp"))
    crops = []
    for path in paths[::every]:
        picture = np.asarray(Image.open(path).convert(mode))
        if min(picture.shape[:2]) < side:
            raise ValueError(f"{path}: expected sides of {side} pixels or more, found {picture.shape[:2]}")
        top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
        crops.append(picture[top : top + side, left : left + side].reshape(side, side, channels))
    return crops

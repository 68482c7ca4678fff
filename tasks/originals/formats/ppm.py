"""PBM, PGM and PPM: their header, and what follows the picture."""

import re

from PIL import Image, ImageFile

from tasks.errors import UnsupportedImage
from tasks.originals.formats.carried import Carried

_AFTER_MAGIC = b" \t\n\v\f\r"


def check(image: Image.Image, data: bytes) -> None:
    """Refuse samples of more than 8 bits, and kinds that Pillow alone writes.

    Raises:
        UnsupportedImage: It is such a picture.
    """
    if data[1:2] not in b"123456" or data[2:3] not in _AFTER_MAGIC:
        raise UnsupportedImage(f"PPM: expected P1 to P6, found {data[:6].split()[0]!r}")
    if (most := _maximum(image)) > 255:
        raise UnsupportedImage(f"PPM: expected at most 8 bits per sample, found a maximum of {most}")


def _maximum(image: Image.Image) -> int:
    """The value of a white sample; 255 where Pillow need not widen."""
    tile = image.tile[0] if isinstance(image, ImageFile.ImageFile) and image.tile else None
    args = tile.args if tile is not None and isinstance(tile.args, tuple) else ()
    if image.mode.startswith(("I", "F")):
        return 65535
    return next((part for part in args if isinstance(part, int)), 255)


def carried(image: Image.Image, data: bytes) -> Carried:
    """Nothing is kept; comments, a maximum that is not 255, and what follows are noted."""
    found, start = Carried(), image.tile[0].offset if isinstance(image, ImageFile.ImageFile) else 0
    comments = re.findall(rb"#([^\r\n]*)", data[:start])
    found.drop("comments", (comment.strip().decode("utf-8", "replace") for comment in comments))
    kind, most = data[1:2], _maximum(image)
    if most != 255 and image.mode != "1":
        found.notes.append(f"samples widened from 0 to {most} to 0 to 255")
    if kind in b"456":
        width, height = image.size
        row = (width + 7) // 8 if kind == b"4" else width * (3 if kind == b"6" else 1)
        if kind != b"4" and max(data[start : start + row * height], default=0) > most:
            found.notes.append(f"damaged: samples above {most}, the most that the header says")
        found.trailing(len(data[start:].rstrip()) - row * height)
    return found

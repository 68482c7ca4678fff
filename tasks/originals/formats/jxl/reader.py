"""JPEG XL for Pillow: a reader that decodes only when the pixels are asked for, and what a file carries."""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from tasks.originals.formats.carried import Carried
from tasks.originals.formats.exif import UPRIGHT, DamagedExif, upright
from tasks.originals.formats.jxl.boxes import CODESTREAM, CONTAINER, boxes, codestream, content
from tasks.originals.formats.jxl.header import read_header

FORMAT = "JXL"
_PICTURE = (b"JXL ", b"ftyp", b"jxll", b"jxli", b"jxlc", b"jxlp")
_KEPT = _EXIF, _XMP = b"Exif", b"xml "
_MOST = 255


class JxlImageFile(ImageFile.ImageFile):
    """A JPEG XL file, upright, in 8 bits a sample; its header is read when it is opened, by `read_header`."""

    format = FORMAT
    format_description = "JPEG XL"

    def _open(self) -> None:
        assert self.fp is not None
        self._stream = codestream(self.fp.read())
        self.header = read_header(self._stream)
        self._size, self._mode = self.header.size, self.header.mode
        self.tile = [ImageFile._Tile("raw", (0, 0, *self.size), 0, self.mode)]

    def load(self) -> Any:
        """Decode the pixels, once; returns what Pillow returns."""
        if self.tile:
            import imagecodecs  # takes half a second, which a plan does without

            pixels = imagecodecs.jpegxl_decode(self._stream, index=0, numthreads=1)
            shape = (self.height, self.width, len(self.mode))
            if pixels.dtype != np.uint8 or np.atleast_3d(pixels).shape != shape:
                raise ValueError(f"expected uint8 of shape {shape}, found {pixels.dtype} of {pixels.shape}")
            if (most := (1 << self.header.depth) - 1) < _MOST:
                pixels = np.rint(pixels * (_MOST / most)).astype(np.uint8)
            self.fp = io.BytesIO(pixels.tobytes())
        return super().load()

    def load_seek(self, pos: int) -> None:
        """Stay where the pixels begin."""


def _accept(start: bytes) -> bool:
    return start.startswith((CODESTREAM, CONTAINER))


Image.register_open(FORMAT, JxlImageFile, _accept)


def check(image: Image.Image, data: bytes) -> None:
    """Refuse nothing: `JxlImageFile` opens only what it reads right."""


def carried(image: Image.Image, data: bytes) -> Carried:
    """EXIF and XMP, which say that the picture is upright, as it is opened; other boxes are named."""
    found, others, seen = Carried(), [], set()
    for box in boxes(data):
        name = box.kind.decode("latin-1")
        if box.kind in _KEPT and box.kind not in seen:  # one of each is read, since it may be long
            seen.add(box.kind)
            held = content(box)
            if held is None:
                found.notes.append(f"damaged, or too long: box {name!r} cannot be read")
            elif box.kind == _EXIF:
                found.exif = held[4 + int.from_bytes(held[:4], "big") :]
            else:
                found.xmp = held
        elif box.kind not in _PICTURE:
            others.append(name)
    found.drop("JPEG XL boxes", others)
    _set_upright(found)
    if isinstance(image, JxlImageFile):
        _note_header(image, found)
    return found


def _set_upright(found: Carried) -> None:
    try:
        said = upright(found.exif, found.xmp)
    except DamagedExif:  # of which a note tells as the picture is opened
        return
    found.exif, found.xmp = said.exif, said.xmp


def _note_header(image: JxlImageFile, found: Carried) -> None:
    header = image.header
    if header.orientation != UPRIGHT:
        found.notes.append(f"orientation {header.orientation} of the header applied")
    if header.depth < 8:
        found.notes.append(f"converted from {header.depth} to 8 bits per sample")
    if header.colours:
        numbers = " ".join(map(str, header.colours))
        found.notes.append(
            f"colour space dropped: white point, primaries and transfer function {numbers}; "
            "the samples are kept as they are"
        )
    if header.shown_size:
        width, height = header.shown_size
        found.notes.append(f"size to be shown in dropped: {width}x{height}")

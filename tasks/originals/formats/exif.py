"""The orientation of a picture: where EXIF and XMP say it, and the same bytes with it said to be upright.

Nothing else of either is touched. An EXIF block is a TIFF structure; the tag is one of its first directory.
Where that has no such tag, XMP says it, as Pillow has it.
"""

import re
from dataclasses import dataclass
from typing import Literal

EXIF_HEADER = b"Exif\0\0"
ORIENTATION = 0x0112
UPRIGHT = 1
_Order = Literal["little", "big"]
_ORDERS: dict[bytes, _Order] = {b"II*\0": "little", b"MM\0*": "big"}
_SIZES = {3: 2, 4: 4, 6: 1, 8: 2, 9: 4}  # bytes of the types of whole numbers, as Pillow has them
_XMP = re.compile(rb'(tiff:Orientation(?:="|>))([0-9])')


class DamagedExif(Exception):
    """An EXIF block is no TIFF structure, or ends too early."""


@dataclass(frozen=True)
class Upright:
    """The orientation to apply, 1 to 8, and EXIF and XMP of the picture that it is applied to."""

    orientation: int
    exif: bytes | None
    xmp: bytes | None


def bare(exif: bytes) -> bytes:
    """An EXIF block without the header that JPEG puts before it, and some programs twice."""
    while exif.startswith(EXIF_HEADER):
        exif = exif.removeprefix(EXIF_HEADER)
    return exif


def upright(exif: bytes | None, xmp: bytes | None, said: int | None = None) -> Upright:
    """The orientation of a picture, and its EXIF and XMP with it set to 1, where they give the same.

    Args:
        exif: The EXIF block.
        xmp: The XMP packet, which counts where nothing else gives an orientation.
        said: What the file itself says, as TIFF does.

    Raises:
        DamagedExif: The EXIF block cannot be read.
    """
    if said is None and exif is not None:
        said = exif_orientation(exif)
    in_xmp = xmp_orientation(xmp)
    orientation = in_xmp if said is None else said
    if orientation is None or not UPRIGHT < orientation <= 8:
        return Upright(UPRIGHT, exif, xmp)
    exif = None if exif is None else _set(exif)
    if xmp is not None and in_xmp == orientation:
        xmp = upright_xmp(xmp)
    return Upright(orientation, exif, xmp)


def exif_orientation(exif: bytes) -> int | None:
    """The orientation that an EXIF block gives, whatever number that is; None if it gives none.

    Raises:
        DamagedExif: It cannot be read.
    """
    places, order = _places(exif)
    if not places:
        return None
    at, size = places[-1]
    return int.from_bytes(exif[at : at + size], order)


def xmp_orientation(xmp: bytes | None) -> int | None:
    """The orientation that an XMP packet gives, whatever digit that is; None if it gives none."""
    found = _XMP.search(xmp or b"")
    return int(found[2]) if found else None


def upright_xmp(xmp: bytes) -> bytes:
    """An XMP packet that says that its picture is upright, where it says something about that."""
    return _XMP.sub(rb"\g<1>1", xmp)


def _set(exif: bytes) -> bytes:
    places, order = _places(exif)
    patched = bytearray(exif)
    for at, size in places:
        patched[at : at + size] = UPRIGHT.to_bytes(size, order)
    return bytes(patched)


def _places(exif: bytes) -> tuple[list[tuple[int, int]], _Order]:
    """Where the orientation stands: offset and size of each value; and the order of bytes."""
    start = len(exif) - len(bare(exif))
    order = _ORDERS.get(exif[start : start + 4])
    if order is None:
        raise DamagedExif(f"expected a TIFF structure, found {exif[start : start + 4]!r}")

    def number(at: int, size: int) -> int:
        if at + size > len(exif):
            raise DamagedExif(f"expected {at + size} bytes or more, found {len(exif)}")
        return int.from_bytes(exif[at : at + size], order)

    directory = start + number(start + 4, 4)
    places = []
    for n in range(number(directory, 2)):
        entry = directory + 2 + 12 * n
        size, count = _SIZES.get(number(entry + 2, 2)), number(entry + 4, 4)
        number(entry + 8, 4)
        if number(entry, 2) == ORIENTATION and size and count == 1:
            places.append((entry + 8, size))
    return places, order

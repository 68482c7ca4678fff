"""WebP: its chunks, and the three of metadata, which Pillow gives."""

from collections.abc import Iterator

from PIL import Image

from tasks.originals.formats.carried import Carried

_PICTURE = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_KEPT = {b"ICCP": "icc_profile", b"EXIF": "exif", b"XMP ": "xmp"}


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each chunk of the file's RIFF."""
    at, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= end:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def canvas(data: bytes) -> tuple[int, int]:
    """Width and height by the header, where Pillow does not open the file; 0 and 0 if that does not tell."""
    name, body = next(chunks(data), (b"", b""))
    start = {b"VP8X": 4, b"VP8 ": 6, b"VP8L": 1}.get(name)
    if start is None or len(body) < start + 6:
        return 0, 0
    sides = int.from_bytes(body[start : start + 6], "little")
    if name == b"VP8X":
        return (sides & 0xFFFFFF) + 1, (sides >> 24) + 1
    if name == b"VP8L":
        return (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1
    return sides & 0x3FFF, sides >> 16 & 0x3FFF


def check(image: Image.Image, data: bytes) -> None:
    """Refuse nothing: WebP has 8 bits a sample, and Pillow reads it by its own library."""


def carried(image: Image.Image, data: bytes) -> Carried:
    """ICC profile, EXIF and XMP, whatever the header announces; other chunks are named."""
    found, others = Carried(), []
    for name, body in chunks(data):
        kind = _KEPT.get(name)
        if kind and body and getattr(found, kind) is None:
            setattr(found, kind, body)
        elif name not in _PICTURE:
            others.append(name.decode("latin-1"))
    found.drop("WebP chunks", others)
    found.trailing(len(data) - 8 - int.from_bytes(data[4:8], "little"))
    return found

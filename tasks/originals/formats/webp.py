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

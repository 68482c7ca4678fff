"""JPEG: its segments, and whether its scans are whole, of which Pillow says nothing."""

from PIL import Image, JpegImagePlugin

from tasks.errors import UnsupportedImage
from tasks.originals.formats.carried import Carried

_XMP, _MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"
# The colours that the samples are; where the other pictures of a file lie.
_OF_THE_PICTURE = {"APP14": b"Adobe", "APP2": b"MPF\0"}
_UNITS = {0: "(aspect of a pixel)", 1: "dpi", 2: "pixels a centimetre"}


def check(image: Image.Image, data: bytes) -> None:
    """Refuse four colours of which no marker says whether they are inverted, as Pillow takes for granted.

    Raises:
        UnsupportedImage: It has these.
    """
    if image.mode == "CMYK" and "adobe" not in image.info:
        raise UnsupportedImage("JPEG: expected an Adobe marker in a picture of four colours, found none")


def carried(image: Image.Image, data: bytes) -> Carried:
    """What the segments carry."""
    from tasks.originals.formats.scans import check_scans  # loads numba, which a plan does without

    found, others, parts = Carried(), [], []
    segments = image.applist if isinstance(image, JpegImagePlugin.JpegImageFile) else []
    for name, body in segments:
        if name == "APP0" and body.startswith(b"JFIF"):
            _read_jfif(body, found)
        elif name == "APP1" and body.startswith(_EXIF):  # a block of more than 64 KiB goes on in the next one
            found.exif = body if found.exif is None else found.exif + body.removeprefix(_EXIF)
        elif name == "APP1" and body.startswith(_XMP) and found.xmp is None:
            found.xmp = body.removeprefix(_XMP)
        elif name == "APP2" and body.startswith(_ICC):
            parts.append(body.removeprefix(_ICC))
        elif name == "COM":
            found.drop("comment", [body.decode("utf-8", "replace")])
        elif not body.startswith(_OF_THE_PICTURE.get(name, ())):
            what = "more of XMP" if body.startswith(_MORE_XMP) else _called(body)
            others.append(f"{name} {what}".strip())
    found.icc_profile = _profile(parts, found)
    found.drop("JPEG segments", others)
    scans = check_scans(data)
    if scans.damage:
        found.notes.append(f"damaged: {scans.damage}")
    elif scans.end is None:
        found.notes.append("damage was not looked for: the codes are of a kind that is not searched for it")
    if image.format == "MPO":
        found.notes.append("the first of several pictures in an MPO file is kept")
    elif scans.end is not None:
        found.trailing(len(data) - scans.end)
    return found


def _called(body: bytes) -> str:
    """What a segment calls itself."""
    return body[:40].partition(b"\0")[0].decode("latin-1")


def _read_jfif(body: bytes, found: Carried) -> None:
    if len(body) < 12:
        return
    unit, x, y = body[7], int.from_bytes(body[8:10], "big"), int.from_bytes(body[10:12], "big")
    if unit or x != y:
        found.drop_resolution(x, y, _UNITS.get(unit, "of an unknown unit"))
    if len(body) > 14:
        found.notes.append("JFIF thumbnail dropped")


def _profile(parts: list[bytes], found: Carried) -> bytes | None:
    """The ICC profile whose parts, each with its number and how many there are, stand in any order."""
    if not parts:
        return None
    parts = sorted(parts)
    if [part[:2] for part in parts] != [bytes([n + 1, len(parts) & 255]) for n in range(len(parts) & 255)]:
        found.notes.append("ICC profile dropped: a part of it is missing, or there twice")
        return None
    return b"".join(part[2:] for part in parts)

"""BMP: samples of fewer than 8 bits, palettes that Pillow reads as if they were none, and its headers."""

import struct

from PIL import Image, ImageFile

from tasks.errors import UnsupportedImage
from tasks.originals.formats.carried import Carried
from tasks.wording import counted

_FILE_HEADER = 14  # bytes before the header of the picture
# Bits per pixel → how Pillow must read them; what else it takes them for in a palette of greys is wrong.
_RAW_MODES = {1: ("1", "P;1"), 4: ("P;4",), 8: ("L", "P")}
_NARROW = {"BGR;15": "5, 5 and 5", "BGR;16": "5, 6 and 5"}
_V4, _V5 = 108, 124  # bytes of the headers that say what colours mean
_CALIBRATED, _EMBEDDED, _LINKED = b"\0\0\0\0", b"DEBM", b"KNIL"


def check(image: Image.Image, data: bytes) -> None:
    """Refuse pixels that Pillow unpacks as other pixels.

    Raises:
        UnsupportedImage: It does.
    """
    bits, raw_mode = _bits(data), _raw_mode(image)
    if _compression(data) in (0, 3) and raw_mode not in _RAW_MODES.get(bits, (raw_mode,)):
        raise UnsupportedImage(
            f"BMP: a palette of greys with {counted(bits, 'bit')} a pixel is not supported"
        )


def carried(image: Image.Image, data: bytes) -> Carried:
    """An embedded ICC profile is kept; what else the header says of colours, and a fourth byte, is noted."""
    found, raw_mode = Carried(), _raw_mode(image)
    if raw_mode in _NARROW:
        found.notes.append(f"samples of {_NARROW[raw_mode]} bits widened to 8")
    if "X" in raw_mode and _fourth_bytes(image, data, raw_mode).strip(b"\0"):
        found.notes.append("fourth sample dropped: it has no stated meaning")
    if raw_mode == "BGR;15" and _high_bits(image, data):
        found.notes.append("sample of the first of 16 bits dropped: it may be alpha")
    size = _header_size(data)
    if size >= 40:
        across, down = struct.unpack_from("<ii", data, 38)
        found.drop_resolution(across, down, "pixels a metre")
    if size in (_V4, _V5):
        _read_colours(data, size, found)
    if _compression(data) in (0, 3):
        found.trailing(len(data) - max(_end_of_pixels(image, data), _end_of_profile(data)))
    return found


def _read_colours(data: bytes, size: int, found: Carried) -> None:
    kind = data[70:74]
    if kind == _CALIBRATED and any(data[74:122]):
        found.notes.append("end points and gamma of its colours dropped; the samples are kept as they are")
    elif kind == _EMBEDDED and size == _V5:
        at, length = _profile(data)
        profile = data[at : at + length]
        found.icc_profile = profile if profile and len(profile) == length else None
        if found.icc_profile is None:
            found.notes.append("ICC profile dropped: it cannot be read")
    elif kind == _LINKED:
        found.notes.append("ICC profile dropped: it is a file of its own")


def _profile(data: bytes) -> tuple[int, int]:
    """Where an embedded profile begins, and its length."""
    at, length = struct.unpack_from("<II", data, _FILE_HEADER + 112)
    return _FILE_HEADER + at, length


def _end_of_profile(data: bytes) -> int:
    has_one = _header_size(data) == _V5 and data[70:74] in (_EMBEDDED, _LINKED)
    return sum(_profile(data)) if has_one else 0


def _end_of_pixels(image: Image.Image, data: bytes) -> int:
    """The end of the picture without its compression; rows are whole words of 32 bits."""
    return _start(image) + (image.width * _bits(data) + 31) // 32 * 4 * image.height


def _high_bits(image: Image.Image, data: bytes) -> bool:
    """Whether a bit is set that is of none of three samples of 5 bits."""
    row = (image.width + 1) // 2 * 4
    pixels = data[_start(image) : _end_of_pixels(image, data)]
    return any(
        any(byte & 0x80 for byte in pixels[at + 1 : at + 2 * image.width : 2])
        for at in range(0, len(pixels), row)
    )


def _start(image: Image.Image) -> int:
    return image.tile[0].offset if isinstance(image, ImageFile.ImageFile) and image.tile else 0


def _fourth_bytes(image: Image.Image, data: bytes, raw_mode: str) -> bytes:
    start = _start(image)
    pixels = data[start : start + 4 * image.width * image.height]
    return pixels[raw_mode.index("X") :: 4]


def _raw_mode(image: Image.Image) -> str:
    args = image.tile[0].args if isinstance(image, ImageFile.ImageFile) and image.tile else ()
    return str(args[0]) if isinstance(args, tuple) else str(args)


def _header_size(data: bytes) -> int:
    return int.from_bytes(data[14:18], "little")


def _bits(data: bytes) -> int:
    at = 24 if _header_size(data) == 12 else 28
    return int.from_bytes(data[at : at + 2], "little")


def _compression(data: bytes) -> int:
    return 0 if _header_size(data) == 12 else int.from_bytes(data[30:34], "little")

"""The boxes of a JPEG XL file (ISO/IEC 18181-2): its codestream, which may stand alone, and the others."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from inr.bitstream import MAX_METADATA_BYTES
from tasks.errors import UnsupportedImage

CODESTREAM = b"\xff\x0a"  # how a codestream begins
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"  # how a file of boxes begins: its first box
_FILE_TYPE = b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
_COMPRESSED, _NAME = b"brob", 4  # a box by Brotli; bytes of a name, that of what it holds before that
_LONG, _TO_THE_END = 1, 0  # lengths that say something else


class Box(NamedTuple):
    """A box: its name, what it holds as far as that is there, and whether all of it is."""

    name: bytes
    body: bytes
    is_whole: bool

    @property
    def kind(self) -> bytes:
        """The name of what it holds, which may be compressed."""
        return self.body[:_NAME] if self.name == _COMPRESSED else self.name


def boxes(data: bytes) -> Iterator[Box]:
    """The boxes of a file; none of a codestream that stands alone.

    Raises:
        UnsupportedImage: A box is shorter than its own header.
    """
    at = len(data) if data.startswith(CODESTREAM) else 0
    while at < len(data):
        length, name, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if length == _LONG:
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = max(start, len(data)) if length == _TO_THE_END else at + length
        if end < start:
            raise UnsupportedImage(f"JPEG XL: damaged: box {name!r} of {length} bytes")
        yield Box(name, data[start:end], is_whole=end <= len(data))
        at = end


def codestream(data: bytes) -> bytes:
    """The codestream of a file: the file itself, one box, or the parts of one in their order.

    Raises:
        UnsupportedImage: There is none, or a part of it is missing.
    """
    if data.startswith(CODESTREAM):
        return data
    parts: dict[int, bytes] = {}
    for name, body, _ in boxes(data):
        if name == b"jxlc":
            return body
        if name == b"jxlp":
            parts[int.from_bytes(body[:4], "big") & 0x7FFFFFFF] = body[4:]
    if sorted(parts) != list(range(len(parts))) or not parts:
        raise UnsupportedImage(f"JPEG XL: damaged: expected a whole codestream, found parts {sorted(parts)}")
    return b"".join(parts[n] for n in range(len(parts)))


def content(box: Box) -> bytes | None:
    """What a box holds, without compression; None if that cannot be read, or is more than is ever kept."""
    if not box.is_whole:
        return None
    if box.name != _COMPRESSED:
        return box.body
    import imagecodecs  # takes half a second, and few files need it

    try:
        return bytes(imagecodecs.brotli_decode(box.body[_NAME:], out=MAX_METADATA_BYTES))
    except RuntimeError:  # as imagecodecs has it
        return None


def in_boxes(stream: bytes, exif: bytes | None, xmp: bytes | None) -> bytes:
    """A file of a codestream; of boxes if there is something to carry.

    Args:
        stream: The codestream.
        exif: EXIF block without ``Exif`` and two zeros before it.
        xmp: XMP packet.
    """
    carried = [(b"Exif", exif and bytes(4) + exif), (b"xml ", xmp)]  # EXIF begins 0 bytes after its length
    held = [(name, body) for name, body in carried if body]
    if not held:
        return stream
    return CONTAINER + _FILE_TYPE + b"".join(_box(*each) for each in [*held, (b"jxlc", stream)])


def _box(name: bytes, body: bytes) -> bytes:
    length = 8 + len(body)
    if length < 1 << 32:
        return struct.pack(">I4s", length, name) + body
    return struct.pack(">I4sQ", _LONG, name, 8 + length) + body

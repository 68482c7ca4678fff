"""GIF: its blocks. ICC profile and XMP, which Pillow does not give, are kept; the others are named."""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageFile

from tasks.errors import UnsupportedImage
from tasks.originals.formats.carried import Carried

_COMMENT, _APPLICATION, _CONTROL, _TEXT = 0xFE, 0xFF, 0xF9, 0x01
_XMP, _ICC = b"XMP DataXMP", b"ICCRGBG1012"
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_MAGIC_TRAILER = (
    257  # bytes after an XMP packet that lead any reader of sub-blocks out of it, but for the last
)
_SQUARE = (0, 49)  # of the byte that says the aspect of a pixel


@dataclass(frozen=True)
class Extension:
    """An extension block: its label, what it calls itself, and what it holds."""

    label: int
    name: bytes
    body: bytes


def check(image: Image.Image, data: bytes) -> None:
    """Refuse a frame that leaves a part of the screen to a background that Pillow does not paint.

    Raises:
        UnsupportedImage: It does.
    """
    extents = image.tile[0].extents if isinstance(image, ImageFile.ImageFile) and image.tile else None
    is_partial = extents is not None and tuple(extents) != (0, 0, *image.size)
    if is_partial and "transparency" not in image.info and image.info.get("background", 0):
        raise UnsupportedImage("GIF: expected a frame of the whole screen, found one of a part")


def carried(image: Image.Image, data: bytes) -> Carried:
    """What the blocks carry."""
    found, others = Carried(), []
    blocks = _Blocks(data)
    for block in blocks.extensions():
        if block.label == _COMMENT:
            found.drop("comment", [block.body.decode("utf-8", "replace")])
        elif block.name == _XMP and found.xmp is None:
            found.xmp = block.body
        elif block.name == _ICC and found.icc_profile is None:
            found.icc_profile = block.body
        elif block.label == _TEXT:
            found.notes.append("text over the picture dropped")
        elif block.label != _CONTROL and block.name not in _LOOPS:
            others.append(block.name.decode("latin-1") or f"label {block.label}")
    found.drop("GIF extensions", others)
    if data[12:13] and data[12] not in _SQUARE:
        found.notes.append(f"aspect of a pixel dropped: {(data[12] + 15) / 64:g}")
    if not blocks.has_trailer:
        found.notes.append("damaged: the file ends before its trailer")
    found.trailing(len(data) - blocks.at)
    return found


class _Blocks:
    """Walks over a file's blocks, as far as they go."""

    def __init__(self, data: bytes) -> None:
        self._data, self.has_trailer = data, False
        self.at = 13 + _palette(data[10])

    def extensions(self) -> Iterator[Extension]:
        while self.at < len(self._data):
            kind = self._take(1)
            if kind == b"!":
                yield self._extension()
            elif kind == b",":
                head = self._take(9)
                self._take((_palette(head[8]) if len(head) == 9 else 0) + 1)
                self._sub_blocks()
            else:
                self.has_trailer = kind == b";"
                return

    def _extension(self) -> Extension:
        label = int.from_bytes(self._take(1), "big")
        if label != _APPLICATION:
            return Extension(label, b"", self._sub_blocks())
        name = self._take(int.from_bytes(self._take(1), "big"))
        start = self.at
        body = self._sub_blocks()
        if name == _XMP:  # the packet itself is read as if it were lengths of sub-blocks
            body = self._data[start : max(start, self.at - _MAGIC_TRAILER - 1)]
        return Extension(label, name, body)

    def _sub_blocks(self) -> bytes:
        parts = []
        while length := int.from_bytes(self._take(1), "big"):
            parts.append(self._take(length))
        return b"".join(parts)

    def _take(self, n_bytes: int) -> bytes:
        taken = self._data[self.at : self.at + n_bytes]
        self.at += len(taken)
        return taken


def _palette(flags: int) -> int:
    """Bytes of the palette that flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0

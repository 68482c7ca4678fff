"""PNG: its chunks, of which Pillow is shown those alone that make the picture.

Pillow puts the keywords of text chunks beside its own, so that a text called ``transparency`` or ``exif`` is
taken for what it is not, and refuses files whose texts are long. What chunks carry is read here.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from inr.bitstream import MAX_METADATA_BYTES
from tasks.errors import UnsupportedImage
from tasks.originals.formats.carried import Carried
from tasks.originals.formats.exif import EXIF_HEADER
from tasks.wording import counted

MAGIC = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = b"XML:com.adobe.xmp"
RAW_PROFILE = b"Raw profile type "  # ImageMagick's texts: digits of a block that had no chunk of its own
_PICTURE = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_ALONE = (b"IHDR", b"PLTE", b"tRNS")  # of which readers take the first, the last or none
_FRAMES = (b"acTL", b"fcTL", b"fdAT")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP")
_OURS = {*_PICTURE, *_TEXTS, *_COLOUR, b"tRNS", b"eXIf", b"pHYs"}
_SRGB_GAMMA, _SRGB_PRIMARIES = 45455, (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_GAMMA_TOLERANCE, _PRIMARIES_TOLERANCE = 1000, 200  # of parts of 100 000
_SRGB_CODE_POINTS = b"\x01\x0d\x00\x01"


@dataclass(frozen=True)
class Chunk:
    """A chunk of a file: its name, where it begins, and the length of what it holds, as it says."""

    file: bytes
    name: bytes
    at: int
    length: int

    @property
    def raw(self) -> bytes:
        """All of its bytes, as far as there are any."""
        return self.file[self.at : self.end]

    @property
    def body(self) -> bytes:
        """What it holds, as far as that is there."""
        return self.file[self.at + 8 : self.at + 8 + self.length]

    @property
    def end(self) -> int:
        """Where the next chunk begins."""
        return min(self.at + 12 + self.length, len(self.file))

    @property
    def is_whole(self) -> bool:
        """Whether its length and CRC hold."""
        crc = zlib.crc32(memoryview(self.file)[self.at + 4 : self.at + 8 + self.length])
        return self.file[self.at + 8 + self.length : self.end] == crc.to_bytes(4, "big")


def chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks of a PNG file, up to its end chunk; the last one may be cut."""
    at = len(MAGIC)
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        yield (chunk := Chunk(data, name, at, length))
        at = chunk.end
        if name == b"IEND":
            return


def picture_alone(data: bytes) -> bytes:
    """The same PNG without what does not make its pixels."""
    kept, has_pixels = [MAGIC], False
    for chunk in chunks(data):
        has_pixels |= chunk.name == b"IDAT"
        if chunk.name in (*_PICTURE, *_FRAMES) or (chunk.name == b"tRNS" and not has_pixels):
            kept.append(chunk.raw)
    return b"".join(kept)


def check(image: Image.Image, data: bytes) -> None:
    """Refuse deep samples and chunks without which the picture is another.

    Raises:
        UnsupportedImage: There are any.
    """
    every = list(chunks(data))
    for chunk in every:
        is_critical = not chunk.name[0] & 0x20
        if is_critical and chunk.name not in _PICTURE:
            raise UnsupportedImage(f"PNG: expected no critical chunk but its own, found {chunk.name!r}")
    for name in _ALONE:
        if (found := sum(chunk.name == name for chunk in every)) > 1:
            raise UnsupportedImage(f"PNG: expected one chunk {name.decode()}, found {found}")
    depth = every[0].body[8]
    if depth > 8:
        raise UnsupportedImage(f"PNG: expected at most 8 bits per sample, found {depth}")


def carried(image: Image.Image, data: bytes) -> Carried:
    """What the chunks carry; makes the transparent colour what the file says, for Pillow to convert."""
    _set_transparent_colour(image, data)
    found, every = Carried(), list(chunks(data))
    bodies = {chunk.name: chunk.body for chunk in every if chunk.name not in _PICTURE}
    profile = bodies.get(b"iCCP")
    found.icc_profile = None if profile is None else _profile(profile, found)
    exif = bodies.get(b"eXIf")
    found.exif = exif and (exif if exif.startswith(EXIF_HEADER) else EXIF_HEADER + exif)
    found.drop("PNG text", _texts(every, found))
    _note_colour(bodies, found)
    if len(bodies.get(b"pHYs", b"")) == 9:
        x, y, unit = struct.unpack(">IIB", bodies[b"pHYs"])
        if unit or x != y:
            found.drop_resolution(x, y, "pixels a metre" if unit else "(aspect of a pixel)")
    found.drop("PNG chunks", (chunk.name.decode("latin-1") for chunk in every if chunk.name not in _OURS))
    _note_damage(every, found)
    found.trailing(len(data) - every[-1].end)
    return found


def _set_transparent_colour(image: Image.Image, data: bytes) -> None:
    """Pillow compares the number in the file with samples that it has widened to 8 bits."""
    value = image.info.get("transparency")
    header, transparent = (
        next((chunk.body for chunk in chunks(data) if chunk.name == name), b"") for name in (b"IHDR", b"tRNS")
    )
    most = (1 << header[8]) - 1
    if header[9] == 0 and value is not None:
        image.info["transparency"] = (int.from_bytes(transparent[:2], "big") & most) * 255 // most
    elif header[9] == 2 and value is not None:
        image.info["transparency"] = tuple(each & most for each in struct.unpack_from(">HHH", transparent))


def _profile(body: bytes, found: Carried) -> bytes | None:
    name, _, compressed = body.partition(b"\0")
    profile = _inflated(compressed[1:])
    if profile is None or not name or compressed[:1] != b"\0":
        found.notes.append("ICC profile dropped: it cannot be read")
        return None
    return profile


def _inflated(compressed: bytes) -> bytes | None:
    """At most a little more than is kept of metadata; None if it is no whole zlib stream."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(compressed, MAX_METADATA_BYTES + 1)
    except zlib.error:
        return None
    return plain if stream.eof or len(plain) > MAX_METADATA_BYTES else None


def _texts(every: list[Chunk], found: Carried) -> Iterator[str]:
    """The keywords of the texts that are dropped; blocks of metadata among the texts are kept."""
    for chunk in every:
        if chunk.name in _TEXTS:
            keyword, value = _text(chunk)
            if not _keep(keyword, value, found):
                yield keyword.decode("latin-1")


def _text(chunk: Chunk) -> tuple[bytes, bytes | None]:
    """Keyword and text of a chunk, as bytes; None for a text that cannot be read, or holds no metadata."""
    keyword, _, value = chunk.body.partition(b"\0")
    if not (keyword == XMP_KEYWORD or keyword.startswith(RAW_PROFILE)):
        return keyword, None
    is_compressed = chunk.name == b"zTXt"
    if chunk.name == b"iTXt":
        is_compressed, value = value[:1] == b"\x01", value[1:]
    if chunk.name != b"tEXt":
        method, value = value[:1], value[1:]
        if method != b"\0":
            return keyword, None
    if chunk.name == b"iTXt":
        if value.count(b"\0") < 2:
            return keyword, None
        value = value.split(b"\0", 2)[2]
    return keyword, _inflated(value) if is_compressed else value


def _keep(keyword: bytes, value: bytes | None, found: Carried) -> bool:
    """Keep a text that is a block of metadata, of which there is no other."""
    kind = keyword.removeprefix(RAW_PROFILE) if keyword.startswith(RAW_PROFILE) else b""
    block = _raw_profile(value) if kind and value else value
    if not block:
        return False
    if keyword == XMP_KEYWORD or kind == b"xmp" or (kind == b"APP1" and block.startswith(b"http://ns.adobe")):
        packet = block.partition(b"\0")[2] if kind == b"APP1" else block
        kept = found.xmp is None
        found.xmp = packet if kept else found.xmp
    elif kind == b"exif" or (kind == b"APP1" and block.startswith(EXIF_HEADER)):
        kept = found.exif is None
        found.exif = block if kept else found.exif
    elif kind in (b"icc", b"icm"):
        kept = found.icc_profile is None
        found.icc_profile = block if kept else found.icc_profile
    else:
        kept = False
    return kept


def _raw_profile(value: bytes) -> bytes | None:
    """The block whose digits a raw profile holds, after a name and a length; None if these do not hold."""
    parts = value.strip().split(b"\n", 2)
    try:
        block = bytes.fromhex(b"".join(parts[2].split()).decode("ascii"))
        return block if len(block) == int(parts[1]) else None
    except (IndexError, ValueError):
        return None


def _note_colour(bodies: dict[bytes, bytes], found: Carried) -> None:
    """Note what says that the samples are no sRGB; of several, what counts before the others."""
    if code_points := bodies.get(b"cICP"):
        if code_points != _SRGB_CODE_POINTS:
            numbers = " ".join(map(str, code_points[:4]))
            found.notes.append(f"colour space dropped: cICP {numbers}; the samples are kept as they are")
    elif b"iCCP" not in bodies and b"sRGB" not in bodies:
        gamma = int.from_bytes(bodies.get(b"gAMA", b"")[:4], "big")
        if gamma and abs(gamma - _SRGB_GAMMA) > _GAMMA_TOLERANCE:
            found.notes.append(f"gamma dropped: gAMA {gamma / 1e5:g}; the samples are kept as they are")
        primaries = bodies.get(b"cHRM", b"")
        if len(primaries) == 32:
            values = struct.unpack(">8I", primaries)
            off = max(abs(a - b) for a, b in zip(values, _SRGB_PRIMARIES, strict=True))
            if off > _PRIMARIES_TOLERANCE:
                numbers = " ".join(f"{value / 1e5:g}" for value in values)
                found.notes.append(f"primaries dropped: cHRM {numbers}; the samples are kept as they are")


def _note_damage(every: list[Chunk], found: Carried) -> None:
    broken = [chunk.name.decode("latin-1") for chunk in every if not chunk.is_whole]
    if broken:
        names = ", ".join(dict.fromkeys(broken))
        found.notes.append(f"damaged: {counted(len(broken), 'chunk')} cut, or of a wrong CRC: {names}")
    if every[-1].name != b"IEND":
        found.notes.append("damaged: the file ends before its end chunk")

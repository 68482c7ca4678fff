"""The container: magic, version, header, four sections, length, CRC-32. Standard library only.

`pack` writes what FORMAT.md describes and `unpack` reads it; neither knows what a model family
means by its sections. Bytes from outside are hostile: lengths and ranges are checked before
anything is allocated for them, and each broken rule has its own error.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from inr.errors import (
    BadMagic,
    ChecksumMismatch,
    ConfigError,
    InvalidField,
    TrailingData,
    Truncated,
    UnsupportedVersion,
)

MAGIC = b"\x89INR"
FORMAT_VERSION = 1
FAMILIES = {1: "mlp", 2: "cnn"}

MAX_SIDE, MAX_PIXELS = 65535, 1 << 26  # of an image
MAX_METADATA_BYTES = 1 << 24  # each of ICC profile, EXIF and XMP, uncompressed
MAX_SYMBOL = 2047  # magnitude
SECTIONS = ("architecture", "tensors", "metadata", "payload")

_PREFIX = struct.Struct("<4sBBBBI")  # magic, version, family, channels, planes, total length
_CRC = struct.Struct("<I")
_MIN_BYTES = _PREFIX.size + 2 + len(SECTIONS) + _CRC.size
_GREY = 1 << 4  # of the byte `planes`; bits 0 to 3 are the channels of one value


@dataclass(frozen=True)
class Limits:
    """The most that a reader is willing to allocate and to compute.

    Attributes:
        max_samples: Largest width · height · channels; at one byte each this bounds the image.
        max_multiply_adds: Multiply-adds that a network of any file may take, counted as FORMAT.md has it.
        multiply_adds_per_byte: Multiply-adds that it may take beside these for each byte of the file.
    """

    max_samples: int = 4 * MAX_PIXELS
    max_multiply_adds: int = 1 << 33
    multiply_adds_per_byte: int = 1 << 24


@dataclass(frozen=True)
class Metadata:
    """ICC profile, EXIF block and XMP packet of a photograph; None where it has none, or an empty one."""

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None

    def __post_init__(self) -> None:
        for name, part in vars(self).copy().items():
            object.__setattr__(self, name, part or None)


@dataclass(frozen=True)
class Planes:
    """The channels of an image that its network does not code.

    Attributes:
        constants: Channel → the value that it has at every pixel.
        is_grey: True if channels 1 and 2 repeat channel 0.
    """

    constants: Mapping[int, int] = field(default_factory=dict)
    is_grey: bool = False

    def coded(self, channels: int) -> tuple[int, ...]:
        """The channels that the network codes, in order, of an image of `channels`; none: no network."""
        repeated = (1, 2) if self.is_grey else ()
        return tuple(n for n in range(channels) if n not in self.constants and n not in repeated)


@dataclass(frozen=True)
class Container:
    """A bitstream taken apart.

    Attributes:
        family: Name of the model family.
        width: Pixels, 1 to 65535.
        height: Pixels, 1 to 65535.
        channels: 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).
        architecture: The family's description of its network; empty without a network, like the next two.
        tensors: Side information of the network's tensors.
        payload: The range coder's output, whole 32-bit words.
        metadata: ICC profile, EXIF and XMP.
        planes: The channels that the network does not code.
        section_bytes: Name and size in the file of every part; the sizes sum to the file's.
        max_multiply_adds: Multiply-adds that its reader allows its network; None: any number.
    """

    family: str
    width: int
    height: int
    channels: int
    architecture: bytes
    tensors: bytes
    payload: bytes
    metadata: Metadata = Metadata()
    planes: Planes = Planes()
    section_bytes: dict[str, int] = field(default_factory=dict, compare=False)
    max_multiply_adds: int | None = field(default=None, compare=False)


class Reader:
    """Reads integers from a section, in order, and knows where it is when something is wrong.

    Args:
        data: The section's bytes.
        where: Its name, for messages.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self._data, self._where, self.position = data, where, 0

    def byte(self, name: str, low: int, high: int) -> int:
        """One unsigned byte within [low, high]."""
        if self.position >= len(self._data):
            raise InvalidField(f"{self._where}: ends before {name}, at byte {self.position}")
        value = self._data[self.position]
        self.position += 1
        return self._check(name, value, low, high)

    def varint(self, name: str, low: int, high: int) -> int:
        """An unsigned LEB128 integer of at most five bytes, shortest form, within [low, high]."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte(name, 0, 255)
            value |= (byte & 127) << shift
            if byte < 128:
                if byte == 0 and shift:
                    raise InvalidField(f"{self._where}: {name} is not in its shortest form")
                return self._check(name, value, low, high)
        raise InvalidField(f"{self._where}: {name} takes more than five bytes")

    def signed(self, name: str, low: int, high: int) -> int:
        """A varint holding a signed integer n as 2n (n >= 0) or -2n - 1 (n < 0), within [low, high]."""
        value = self.varint(name, 0, 2**35 - 1)
        return self._check(name, (value >> 1) ^ -(value & 1), low, high)

    def take(self, n_bytes: int, name: str) -> bytes:
        """The next `n_bytes` bytes."""
        taken = self._data[self.position : self.position + n_bytes]
        if len(taken) != n_bytes:
            raise InvalidField(f"{self._where}: {name} expected {n_bytes} bytes, found {len(taken)}")
        self.position += n_bytes
        return taken

    def end(self) -> None:
        """Raise unless everything was read."""
        if self.position != len(self._data):
            raise InvalidField(f"{self._where}: expected {self.position} bytes, found {len(self._data)}")

    def _check(self, name: str, value: int, low: int, high: int) -> int:
        if not low <= value <= high:
            raise InvalidField(f"{self._where}: {name} expected {low} to {high}, found {value}")
        return value


def varint(value: int) -> bytes:
    """The unsigned LEB128 form of `value` >= 0."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed_varint(value: int) -> bytes:
    """The form that `Reader.signed` reads."""
    return varint(2 * value if value >= 0 else -2 * value - 1)


def check_metadata(metadata: Metadata) -> None:
    """Refuse what no bitstream carries.

    Raises:
        ConfigError: ICC profile, EXIF or XMP is over MAX_METADATA_BYTES.
    """
    for name, part in vars(metadata).items():
        if part is not None and (found := len(part)) > MAX_METADATA_BYTES:
            raise ConfigError(f"metadata: {name} expected at most {MAX_METADATA_BYTES} bytes, found {found}")


def _pack_metadata(metadata: Metadata) -> bytes:
    check_metadata(metadata)
    parts = [part or b"" for part in vars(metadata).values()]
    return b"".join(map(varint, map(len, parts))) + zlib.compress(b"".join(parts), 9) if any(parts) else b""


def _unpack_metadata(data: bytes) -> Metadata:
    if not data:
        return Metadata()
    reader = Reader(data, "metadata")
    kinds = "ICC", "EXIF", "XMP"
    n_icc, n_exif, n_xmp = (reader.varint(f"{kind} length", 0, MAX_METADATA_BYTES) for kind in kinds)
    n_bytes = n_icc + n_exif + n_xmp
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data[reader.position :], n_bytes + 1)
    except zlib.error as error:
        raise InvalidField(f"metadata: not a zlib stream ({error})") from None
    if len(plain) != n_bytes or n_bytes == 0 or not stream.eof or stream.unused_data:
        raise InvalidField(f"metadata: expected a zlib stream of {n_bytes} > 0 bytes, found another")
    return Metadata(plain[:n_icc], plain[n_icc : n_icc + n_exif], plain[n_icc + n_exif :])


def _check_planes(found: int, channels: int) -> None:
    """Raise unless the byte `planes` may stand in a file of so many channels."""
    if (found & 15) >> channels or found > _GREY | 15:
        raise InvalidField(f"planes: expected bits of {channels} channels, found {found:#010b}")
    if found & _GREY and (channels < 3 or found & 7):
        raise InvalidField(f"planes: expected grey with three colours that vary, found {found:#010b}")


def pack(container: Container) -> bytes:
    """Write a container. Raises as `check_metadata`."""
    metadata = _pack_metadata(container.metadata)
    family_id = next(number for number, name in FAMILIES.items() if name == container.family)
    planes, body = container.planes, varint(container.width) + varint(container.height)
    body += bytes(value for _, value in sorted(planes.constants.items()))
    for section in (container.architecture, container.tensors, metadata, container.payload):
        body += varint(len(section)) + section
    n_bytes = _PREFIX.size + len(body) + _CRC.size
    described = sum(1 << channel for channel in planes.constants) | _GREY * planes.is_grey
    prefix = _PREFIX.pack(MAGIC, FORMAT_VERSION, family_id, container.channels, described, n_bytes)
    return prefix + body + _CRC.pack(zlib.crc32(prefix + body))


def _check_frame(data: bytes) -> tuple[int, int, int]:
    """Check magic, version, length and CRC-32; return the family id, the channel count and `planes`."""
    head = data[: len(MAGIC)]
    if head != MAGIC[: len(head)]:
        raise BadMagic(f"magic: expected {MAGIC!r}, found {head!r}")
    if len(data) > len(MAGIC) and data[len(MAGIC)] != FORMAT_VERSION:
        raise UnsupportedVersion(f"version: expected {FORMAT_VERSION}, found {data[len(MAGIC)]}")
    if len(data) < _PREFIX.size:
        raise Truncated(f"header: expected {_PREFIX.size} bytes, found {len(data)}")
    _, _, family, channels, planes, n_bytes = _PREFIX.unpack_from(data)
    if n_bytes < _MIN_BYTES:
        raise InvalidField(f"length: expected at least {_MIN_BYTES}, found {n_bytes}")
    if len(data) < n_bytes:
        raise Truncated(f"file: expected {n_bytes} bytes, found {len(data)}")
    if len(data) > n_bytes:
        raise TrailingData(f"file: expected {n_bytes} bytes, found {len(data)}")
    expected, found = _CRC.unpack_from(data, n_bytes - _CRC.size)[0], zlib.crc32(data[: -_CRC.size])
    if expected != found:
        raise ChecksumMismatch(f"CRC-32: expected {expected:08x}, found {found:08x}")
    return family, channels, planes


def unpack(data: bytes, limits: Limits = Limits()) -> Container:
    """Read a container and check everything that does not depend on the model family.

    Raises:
        BitstreamError: One of its subclasses, as errors.py lists them.
    """
    family, channels, described = _check_frame(data)
    if family not in FAMILIES:
        raise InvalidField(f"family: expected one of {sorted(FAMILIES)}, found {family}")
    if not 1 <= channels <= 4:
        raise InvalidField(f"channels: expected 1 to 4, found {channels}")
    _check_planes(described, channels)
    reader = Reader(data[_PREFIX.size : -_CRC.size], "header")
    width = reader.varint("width", 1, MAX_SIDE)
    height = reader.varint("height", 1, MAX_SIDE)
    size = f"{width} x {height} x {channels}"
    if width * height * channels > limits.max_samples:
        raise InvalidField(f"size: expected at most {limits.max_samples} samples, found {size}")
    if width * height > MAX_PIXELS:
        raise InvalidField(f"size: expected at most {MAX_PIXELS} pixels, found {size}")
    constants = {n: reader.byte(f"constant {n}", 0, 255) for n in range(channels) if described >> n & 1}
    sizes = {"header": _PREFIX.size + reader.position}
    sections = _read_sections(reader, sizes, len(data))
    planes = Planes(constants, is_grey=bool(described & _GREY))
    _check_sections(sections, has_network=bool(planes.coded(channels)))
    return Container(
        family=FAMILIES[family],
        width=width,
        height=height,
        channels=channels,
        architecture=sections["architecture"],
        tensors=sections["tensors"],
        payload=sections["payload"],
        metadata=_unpack_metadata(sections["metadata"]),
        planes=planes,
        section_bytes=sizes,
        max_multiply_adds=limits.max_multiply_adds + limits.multiply_adds_per_byte * len(data),
    )


def _read_sections(reader: Reader, sizes: dict[str, int], n_bytes: int) -> dict[str, bytes]:
    """The sections, which end the file but for its CRC; adds their sizes to `sizes`."""
    sections: dict[str, bytes] = {}
    for name in SECTIONS:
        before = reader.position
        sections[name] = reader.take(reader.varint(f"{name} length", 0, n_bytes), name)
        sizes[name] = reader.position - before
    reader.end()
    sizes["crc"] = _CRC.size
    return sections


def _check_sections(sections: dict[str, bytes], *, has_network: bool) -> None:
    if len(sections["payload"]) % 4:
        raise InvalidField(f"payload: expected whole 32-bit words, found {len(sections['payload'])} bytes")
    for name in ("architecture", "tensors", "payload"):
        if sections[name] and not has_network:
            raise InvalidField(f"{name}: expected no bytes without a network, found {len(sections[name])}")

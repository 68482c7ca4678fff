import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.bitstream import (
    MAX_PIXELS,
    Container,
    Limits,
    Metadata,
    Planes,
    Reader,
    pack,
    signed_varint,
    unpack,
    varint,
)
from inr.errors import (
    BadMagic,
    BitstreamError,
    ChecksumMismatch,
    ConfigError,
    InvalidField,
    TooMuchWork,
    TrailingData,
    Truncated,
    UnsupportedVersion,
)
from inr.network import check_work

PLAIN = Container("mlp", 640, 3, 3, b"arch", b"tensors", b"8 bytes.", Metadata())
FILE = pack(PLAIN)


def sealed(data: bytes) -> bytes:
    """Bytes with their own length and CRC-32 put right, so that only the damage under test remains."""
    data = data[:8] + struct.pack("<I", len(data) + 4) + data[12:]
    return data + struct.pack("<I", zlib.crc32(data))


def edited(offset: int, value: bytes) -> bytes:
    return sealed(FILE[:offset] + value + FILE[offset + len(value) : -4])


def with_metadata(section: bytes) -> bytes:
    body = varint(640) + varint(3) + b"\x00\x00" + varint(len(section)) + section + b"\x00"
    return sealed(FILE[:12] + body)


@given(
    st.builds(
        Container,
        family=st.just("mlp"),
        width=st.integers(1, 65535),
        height=st.integers(1, 500),
        channels=st.integers(1, 4),
        architecture=st.binary(max_size=20),
        tensors=st.binary(max_size=200),
        payload=st.binary(max_size=50).map(lambda b: b * 4),
        planes=st.just(Planes()),
        metadata=st.builds(
            Metadata,
            icc_profile=st.one_of(st.none(), st.binary(min_size=1, max_size=300)),
            exif=st.one_of(st.none(), st.binary(min_size=1, max_size=300)),
            xmp=st.one_of(st.none(), st.binary(min_size=1, max_size=300)),
        ),
    )
)
def test_what_is_packed_is_unpacked(container: Container) -> None:
    data = pack(container)
    found = unpack(data)
    assert found == container
    assert sum(found.section_bytes.values()) == len(data)


PLANES = [
    (channels, Planes(dict.fromkeys(constants, 7), is_grey=is_grey))
    for channels in (1, 2, 3, 4)
    for n in range(1 << channels)
    for is_grey in (False, True)
    if not (is_grey and (channels < 3 or n & 7))
    if (constants := [channel for channel in range(channels) if n >> channel & 1]) is not None
]


@pytest.mark.parametrize(("channels", "planes"), PLANES)
def test_planes_that_no_network_codes_are_packed_and_unpacked(channels: int, planes: Planes) -> None:
    values = Planes({n: 250 - n for n in planes.constants}, planes.is_grey)
    full = replace(PLAIN, channels=channels, planes=values)
    container = full if values.coded(channels) else replace(full, architecture=b"", tensors=b"", payload=b"")
    data = pack(container)
    assert unpack(data) == container
    assert sum(unpack(data).section_bytes.values()) == len(data)
    assert data[15 : 15 + len(values.constants)] == bytes(values.constants.values())


def test_every_byte_of_planes_is_one_of_those_or_refused_by_name() -> None:
    allowed = {
        (channels, sum(1 << n for n in planes.constants) + 16 * planes.is_grey) for channels, planes in PLANES
    }
    assert len(allowed) == len(PLANES)
    for channels in (1, 2, 3, 4):
        for byte in range(256):
            n_constants = (byte & 15).bit_count()
            body = FILE[12:15] + bytes(n_constants) + b"\x00\x00\x00\x00"
            data = sealed(FILE[:6] + bytes([channels, byte]) + FILE[8:12] + body)
            if (channels, byte) in allowed:
                assert unpack(data).planes.coded(channels) is not None
            else:
                with pytest.raises(InvalidField, match="planes: expected"):
                    unpack(data)


@pytest.mark.parametrize("name", ["architecture", "tensors", "payload"])
def test_without_a_network_its_sections_are_empty(name: str) -> None:
    nothing = {"architecture": b"", "tensors": b"", "payload": b""}
    flat = replace(PLAIN, planes=Planes({0: 1, 1: 2, 2: 3}), **nothing)
    assert len(pack(flat)) == 12 + 3 + 3 + 4 + 4
    with pytest.raises(InvalidField, match=f"{name}: expected no bytes without a network, found 4"):
        unpack(pack(replace(flat, **{name: b"four"})))


def test_the_header_is_laid_out_as_the_format_says() -> None:
    assert FILE[:12] == b"\x89INR" + bytes([1, 1, 3, 0]) + struct.pack("<I", len(FILE))
    assert FILE[12:] == (
        b"\x80\x05\x03"
        + b"\x04arch"
        + b"\x07tensors"
        + b"\x00"
        + b"\x088 bytes."
        + struct.pack("<I", zlib.crc32(FILE[:-4]))
    )


def preset() -> bytes:
    """A zlib stream that asks for a preset dictionary, which no file can name."""
    stream = zlib.compressobj(zdict=b"8 bytes.")
    return stream.compress(b"8 bytes.") + stream.flush()


DAMAGED = {
    "empty": (b"", Truncated, "header: expected 12 bytes, found 0"),
    "other file": (b"\x89PNG\r\n\x1a\n" + bytes(20), BadMagic, "magic"),
    "short other file": (b"GI", BadMagic, "magic"),
    "version": (FILE[:4] + b"\x02" + FILE[5:], UnsupportedVersion, "version: expected 1, found 2"),
    "magic alone": (FILE[:4], Truncated, "expected 12 bytes, found 4"),
    "short, of another version": (FILE[:4] + b"\x02", UnsupportedVersion, "version: expected 1, found 2"),
    "cut in the prefix": (FILE[:9], Truncated, "expected 12 bytes, found 9"),
    "cut at the end": (FILE[:-1], Truncated, f"expected {len(FILE)} bytes, found {len(FILE) - 1}"),
    "a byte too many": (FILE + b"\x00", TrailingData, f"expected {len(FILE)} bytes, found {len(FILE) + 1}"),
    "length too small": (FILE[:8] + struct.pack("<I", 5) + FILE[12:], InvalidField, "length"),
    "flipped bit": (FILE[:20] + bytes([FILE[20] ^ 1]) + FILE[21:], ChecksumMismatch, "CRC-32: expected"),
    "flipped CRC": (FILE[:-1] + bytes([FILE[-1] ^ 128]), ChecksumMismatch, "CRC-32"),
    "family 0": (edited(5, b"\x00"), InvalidField, "family"),
    "family 9": (edited(5, b"\x09"), InvalidField, "family"),
    "no channel": (edited(6, b"\x00"), InvalidField, "channels: expected 1 to 4, found 0"),
    "five channels": (edited(6, b"\x05"), InvalidField, "channels"),
    "a constant of no channel": (edited(7, b"\x08"), InvalidField, "planes: expected bits of 3 channels"),
    "an unknown bit of planes": (edited(7, b"\x20"), InvalidField, "planes"),
    "constants cut off": (
        sealed(FILE[:7] + b"\x07" + FILE[8:12] + varint(16384) + varint(128) + b"\x00"),
        InvalidField,
        "ends before constant 1",
    ),
    "width 0": (
        sealed(FILE[:12] + b"\x00" + FILE[14:-4]),
        InvalidField,
        "width expected 1 to 65535, found 0",
    ),
    "width 65536": (sealed(FILE[:12] + b"\x80\x80\x04" + FILE[14:-4]), InvalidField, "width"),
    "height 0": (edited(14, b"\x00"), InvalidField, "height"),
    "long varint": (sealed(FILE[:12] + b"\x80\x85\x00" + FILE[14:-4]), InvalidField, "shortest"),
    "endless varint": (sealed(FILE[:12] + b"\xff" * 30), InvalidField, "five bytes"),
    "section beyond the end": (edited(15, b"\x7f"), InvalidField, "architecture"),
    "bytes after the payload": (sealed(FILE[:-4] + b"\x00"), InvalidField, "header: expected"),
    "payload of 7": (sealed(FILE[:-13] + b"\x077 bytes"), InvalidField, "payload"),
    "metadata not zlib": (with_metadata(b"\x01\x00\x00rubbish"), InvalidField, "metadata"),
    "metadata of nothing": (with_metadata(b"\x00\x00\x00" + zlib.compress(b"")), InvalidField, "metadata"),
    "metadata shorter": (
        with_metadata(b"\x09\x00\x00" + zlib.compress(b"8 bytes.")),
        InvalidField,
        "metadata",
    ),
    "metadata longer": (
        with_metadata(b"\x07\x00\x00" + zlib.compress(b"8 bytes.")),
        InvalidField,
        "metadata",
    ),
    "metadata cut": (
        with_metadata(b"\x08\x00\x00" + zlib.compress(b"8 bytes.")[:-3]),
        InvalidField,
        "metadata",
    ),
    "metadata and more": (
        with_metadata(b"\x08\x00\x00" + zlib.compress(b"8 bytes.") + b"!"),
        InvalidField,
        "metadata",
    ),
    "metadata with a preset dictionary": (
        with_metadata(b"\x08\x00\x00" + preset()),
        InvalidField,
        "metadata",
    ),
    "metadata of 32 MiB": (with_metadata(varint(1 << 25) + b"\x00\x00"), InvalidField, "ICC length"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_each_broken_rule_has_its_error(name: str) -> None:
    data, error, message = DAMAGED[name]
    with pytest.raises(error, match=message):
        unpack(data)


def test_a_deflate_bomb_is_not_inflated() -> None:
    bomb = with_metadata(b"\x08\x00\x00" + zlib.compress(bytes(1 << 26)))
    with pytest.raises(InvalidField, match="metadata"):
        unpack(bomb)


def test_the_image_must_fit_the_limits() -> None:
    huge = pack(replace(PLAIN, width=65535, height=65535))
    with pytest.raises(InvalidField, match="samples"):
        unpack(huge)
    assert unpack(FILE, Limits(max_samples=640 * 3 * 3)).width == 640
    with pytest.raises(InvalidField, match="found 640 x 3 x 3"):
        unpack(FILE, Limits(max_samples=640 * 3 * 3 - 1))
    assert unpack(pack(replace(PLAIN, width=8192, height=MAX_PIXELS // 8192))).height == 8192
    with pytest.raises(InvalidField, match=f"at most {MAX_PIXELS} pixels, found 8192 x 8193"):
        unpack(pack(replace(PLAIN, width=8192, height=8193)))


def test_work_is_bounded_by_the_size_of_the_file() -> None:
    limits = Limits(max_multiply_adds=1000, multiply_adds_per_byte=10)
    most = 1000 + 10 * len(FILE)
    check_work(unpack(FILE, limits), most)
    with pytest.raises(TooMuchWork, match=f"at most {most} multiply-adds for a file of {len(FILE)} bytes"):
        check_work(unpack(FILE, limits), most + 1)
    check_work(PLAIN, 1 << 99)  # one that is being written


@pytest.mark.parametrize("name", ["icc_profile", "exif", "xmp"])
def test_metadata_over_the_limit_is_the_callers_mistake(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        pack(replace(PLAIN, metadata=Metadata(**{name: bytes((1 << 24) + 1)})))


@given(st.integers(0, 2**35 - 1))
def test_varints_round_trip(value: int) -> None:
    assert Reader(varint(value), "test").varint("value", 0, 2**35 - 1) == value


@given(st.integers(-(2**33), 2**33))
def test_signed_varints_round_trip(value: int) -> None:
    assert Reader(signed_varint(value), "test").signed("value", -(2**33), 2**33) == value


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_by_name(data: bytes) -> None:
    for candidate in (data, sealed(FILE[:12] + data), FILE[:12] + data):
        try:
            unpack(candidate)
        except BitstreamError:
            continue

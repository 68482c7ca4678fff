"""Files to be refused for their frame, header, metadata or payload: FORMAT.md, sections 1, 3 and 6."""

import struct
import zlib
from collections.abc import Iterator

from inr.bitstream import varint
from tests.vectors.forging.raw import (
    INVALID,
    MATRIX,
    OFFSET,
    ONE_NEURON,
    PHASE,
    Refusal,
    changed,
    cnn_file,
    mlp_file,
    offsets_payload,
    section,
    with_offsets,
)


def _length_of(n: int, data: bytes) -> bytes:
    return data[:8] + struct.pack("<I", n) + data[12:]


def frames() -> Iterator[Refusal]:
    whole = mlp_file()
    yield "magic", "BadMagic", "magic", lambda: sums_crc(changed(whole, 0, 0x88))
    yield "magic_last_byte", "BadMagic", "magic", lambda: sums_crc(changed(whole, 3, 0x72))
    yield "magic_of_a_short_file", "BadMagic", "magic", lambda: b"\x89IM"
    yield "version_0", "UnsupportedVersion", "version", lambda: sums_crc(changed(whole, 4, 0))
    yield "version_2", "UnsupportedVersion", "version", lambda: sums_crc(changed(whole, 4, 2))
    yield "version_of_a_short_file", "UnsupportedVersion", "version", lambda: b"\x89INR\x02"
    yield "no_bytes", "Truncated", "file too short", lambda: b""
    yield "magic_alone", "Truncated", "file too short", lambda: whole[:4]
    yield "length_cut", "Truncated", "file too short", lambda: whole[:11]
    yield "length_21", INVALID, "length", lambda: sums_crc(_length_of(21, whole[:17] + bytes(4)))
    yield "length_0", INVALID, "length", lambda: sums_crc(_length_of(0, whole))
    yield "one_byte_too_few", "Truncated", "file too short", lambda: whole[:-1]
    yield "one_byte_too_many", "TrailingData", "file too long", lambda: whole + b"\0"
    more, less = (sums_crc(_length_of(len(whole) + n, whole)) for n in (1, -1))
    yield "length_of_one_more", "Truncated", "file too short", lambda: more
    yield "length_of_one_less", "TrailingData", "file too long", lambda: less
    crc = zlib.crc32(whole[:-4])
    for name, n in (("crc_one_less", crc - 1), ("crc_one_more", crc + 1)):
        yield name, "ChecksumMismatch", "crc", lambda n=n: whole[:-4] + struct.pack("<I", n)
    yield "crc_of_other_bytes", "ChecksumMismatch", "crc", lambda: changed(whole, 13, 3)


def sums_crc(data: bytes) -> bytes:
    """The file with the CRC of what it is."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def headers() -> Iterator[Refusal]:
    for family in (0, 3):
        yield f"family_{family}", INVALID, "family", lambda family=family: mlp_file(family=family)
        yield f"family_{family}_as_cnn", INVALID, "family", lambda family=family: cnn_file(family=family)
    for channels in (0, 5):
        yield (
            f"channels_{channels}",
            INVALID,
            "channels",
            lambda channels=channels: mlp_file(channels=channels),
        )
    for side in ("width", "height"):
        for n in (0, 65536, 2**32 + 3):
            wrong = {side: varint(n)}
            yield f"{side}_{n}", INVALID, side, lambda wrong=wrong: mlp_file(**wrong)
    yield "varint_not_shortest", INVALID, "shortest varint", lambda: mlp_file(width=b"\x83\x00")
    six = b"\x83\x80\x80\x80\x80\x00"
    yield "varint_of_six_bytes", INVALID, "varint of five bytes", lambda: mlp_file(width=six)
    for width, height in ((8192, 8193), (8065, 8321)):  # of the second the product is 2^26 + 1
        size = {"width": varint(width), "height": varint(height)}
        yield f"pixels_{width}_{height}", INVALID, "pixels", lambda size=size: mlp_file(**size)
    cut = {"sections": section(ONE_NEURON) + b"\x80"}
    yield "header_cut", INVALID, "section too short", lambda: mlp_file(**cut)
    architecture = varint(9) + ONE_NEURON
    yield "section_past_the_end", INVALID, "section within the file", lambda: mlp_file(sections=architecture)
    yield "bytes_after_the_payload", INVALID, "bytes after the payload", lambda: mlp_file(after=b"\0")
    long_length = varint(2**32 + 4) + ONE_NEURON + section(MATRIX + PHASE + MATRIX + OFFSET) + bytes(2)
    yield (
        "section_length_beyond_32_bits",
        INVALID,
        "section within the file",
        lambda: mlp_file(sections=long_length),
    )
    for n in (1, 2, 3):
        yield f"payload_of_words_and_{n}_bytes", INVALID, "payload of whole words", lambda n=n: _cut(n)


def _cut(n: int) -> bytes:
    """A payload that ends in a word 0, of which n bytes are there."""
    symbols, size = _ends()[1]
    return with_offsets(symbols, size, offsets_payload(symbols, size)[:-4] + bytes(n))


def planes() -> Iterator[Refusal]:
    def case(name: str, rule: str, *fields: int, **other) -> Refusal:
        channels, bits = fields
        made = {"channels": channels, "planes": bits, "constants": bytes(bits.bit_count())} | other
        return f"planes_{name}", INVALID, rule, lambda: mlp_file(**made)

    for bit in (5, 6, 7):
        yield case(f"bit_{bit}", "bits 5 to 7 of planes", 3, 1 << bit, constants=b"")
    for channels in (1, 2, 3):
        absent = "planes of the image's channels"
        name, bits = f"bit_{channels}_of_{channels}_channels", 1 << channels
        yield case(name, absent, channels, bits, constants=b"")
        yield case(f"{name}_and_its_value", absent, channels, bits)
    for channels in (1, 2):
        yield case(f"grey_of_{channels}_channels", "grey of three channels", channels, 1 << 4, constants=b"")
    for channel in range(3):
        bits = 1 << 4 | 1 << channel
        yield case(f"grey_and_constant_{channel}", "grey of channels that vary", 3, bits, constants=b"\7")
    empty = {"architecture": b"", "tensors": b""}
    for name, data in (("architecture", ONE_NEURON), ("tensors", b"\0"), ("payload", bytes(4))):
        extra = empty | {name: data}
        yield case(f"{name}_without_a_network", "sections without a network", 2, 3, **extra)
    yield case("no_constants", "section too short", 3, 7, constants=b"", sections=bytes(4))
    yield case(
        "constant_of_the_network", "bytes after the payload", 3, 6, constants=b"\1\0\0", sections=bytes(4)
    )
    for name, bits in (("without_a_network", 0), ("of_grey", 1 << 4)):
        yield case(f"no_sections_{name}", "section too short", 3, bits, constants=b"", **empty)
    large = {"width": varint(65535), "height": varint(1025)}
    yield case("pixels", "pixels", 1, 1, **empty, **large)


def metadata() -> Iterator[Refusal]:
    def case(name: str, rule: str, data: bytes) -> Refusal:
        return f"metadata_{name}", INVALID, rule, lambda: mlp_file(metadata=data)

    lengths, stream = varint(3) + varint(4) + varint(3), zlib.compress(b"ICCEXIFXMP", 9)
    much = varint(2**24 + 1)
    for n, name in enumerate(("icc", "exif", "xmp")):
        too_long = bytes(n) + much + bytes(2 - n) + zlib.compress(bytes(2**24 + 1), 9)
        yield case(f"{name}_over_2_24", f"n_{name}", too_long)
    yield case("of_no_bytes", "metadata of no bytes", bytes(3) + zlib.compress(b"", 9))
    yield case("one_byte_too_few", "metadata of its length", lengths + zlib.compress(b"ICCEXIFXM", 9))
    yield case("one_byte_too_many", "metadata of its length", lengths + zlib.compress(b"ICCEXIFXMPS", 9))
    yield case("bomb", "metadata of its length", lengths + zlib.compress(bytes(1 << 22), 9))
    yield case("stream_cut", "whole zlib stream", lengths + stream[:-1])
    yield case("stream_followed", "bytes after the zlib stream", lengths + stream + b"\0")
    yield case("checksum", "zlib stream", lengths + stream[:-1] + bytes([stream[-1] ^ 1]))
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    yield case("no_zlib_header", "zlib stream", lengths + raw.compress(b"ICCEXIFXMP") + raw.flush())
    preset = zlib.compressobj(9, zdict=b"ICCEXIFXMP")
    yield case("preset_dictionary", "zlib stream", lengths + preset.compress(b"ICCEXIFXMP") + preset.flush())
    yield case("without_lengths", "section too short", b"\x03\x04")


def payloads() -> Iterator[Refusal]:
    def case(name: str, rule: str, payload: bytes, symbols: list[int], n: int):
        return f"payload_{name}", INVALID, rule, lambda: with_offsets(symbols, n, payload)

    yield "payload_without_symbols", INVALID, "payload of no symbols", lambda: mlp_file(payload=bytes(4))
    yield case("beyond_the_range", "quantile", b"\xff" * 8, [1], 9)
    one, two = _ends()
    coded = offsets_payload(*one)
    yield case("last_word_changed", "last words", coded[:-4] + _next_word(coded[-4:]), *one)
    yield case("one_word_too_many", "number of words", coded + bytes(4), *one)
    yield case("one_word_and_bits_too_many", "last words", coded + b"\1\0\0\0", *one)
    coded = offsets_payload(*two)
    yield case("last_zero_left_out", "number of words", coded[:-4], *two)
    less = struct.pack("<I", struct.unpack("<I", coded[-8:-4])[0] - 1) + b"\xff" * 4
    yield case("less_than_the_last_words", "last words", coded[:-8] + less, *two)
    yield case("last_word_not_zero", "last words", coded[:-4] + b"\1\0\0\0", *two)


def _next_word(word: bytes) -> bytes:
    return struct.pack("<I", struct.unpack("<I", word)[0] + 1)


def _ends() -> tuple[tuple[list[int], int], tuple[list[int], int]]:
    """Offsets whose payload ends in one word, and some whose payload ends in a word 0 beside (6.5)."""
    one = two = None
    for n in range(2, 2000):
        for symbol in (n // 2, n - 1):
            size = len(offsets_payload([symbol] * 4, n)), offsets_payload([symbol] * 4, n)[-4:] == bytes(4)
            if size[1]:
                two = two or ([symbol] * 4, n)
            else:
                one = one or ([symbol] * 4, n)
        if one and two:
            return one, two
    raise AssertionError("no payload ends in a word 0")

"""Files that a decoder must refuse: one rule broken in each, and all else in order.

`CASES` names each file, the error that the product gives, the rule that the second decoder names, and makes
it. Which of the page's rules a file stands for is in `rules.py`.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from inr.bitstream import signed_varint, varint
from inr.cnn.grids import grids_of
from inr.cnn.levels import level_laws
from inr.cnn.network import MatrixCoding, context_model, write_side_information
from inr.cnn.prior import priors
from inr.coding.coder import PayloadWriter, table
from inr.coding.pmf import counts_of
from inr.coding.tensors import Geometric, Increments, Uniform
from tests import reference_decoder as second
from tests.inr.networks import adding_nothing, bitstream_of, mlp, pyramid
from tests.vectors.forging import sums
from tests.vectors.forging.mlp import network
from tests.vectors.forging.raw import (
    MATRIX,
    OFFSET,
    ONE_NEURON,
    PHASE,
    cnn_file,
    colour_prior,
    file,
    grey_prior,
    mlp_file,
    n_matrices,
    offsets_payload,
    section,
    with_offsets,
)
from tests.vectors.forging.weights import Ints, forged, growing

INVALID = "InvalidField"


@dataclass(frozen=True)
class Case:
    """A file to be refused: the product's error, the second decoder's rule, and how it is made."""

    error: str
    rule: str
    make: Callable[[], bytes]


def _changed(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]


def _length_of(n: int, data: bytes) -> bytes:
    return data[:8] + struct.pack("<I", n) + data[12:]


def _frames() -> Iterator[tuple[str, str, str, Callable[[], bytes]]]:
    whole = mlp_file()
    yield "magic", "BadMagic", "magic", lambda: sums_crc(_changed(whole, 0, 0x88))
    yield "magic_last_byte", "BadMagic", "magic", lambda: sums_crc(_changed(whole, 3, 0x72))
    yield "magic_of_a_short_file", "BadMagic", "magic", lambda: b"\x89IM"
    yield "version_0", "UnsupportedVersion", "version", lambda: sums_crc(_changed(whole, 4, 0))
    yield "version_2", "UnsupportedVersion", "version", lambda: sums_crc(_changed(whole, 4, 2))
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
    yield "crc", "ChecksumMismatch", "crc", lambda: _changed(whole, len(whole) - 1, whole[-1] ^ 1)
    yield "crc_of_other_bytes", "ChecksumMismatch", "crc", lambda: _changed(whole, 13, 3)


def sums_crc(data: bytes) -> bytes:
    """The file with the CRC of what it is."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def _headers() -> Iterator[tuple[str, str, str, Callable[[], bytes]]]:
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
    large = {"width": varint(65535), "height": varint(2049)}
    yield "samples", INVALID, "samples", lambda: mlp_file(**large)
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


def _metadata() -> Iterator[tuple[str, str, str, Callable[[], bytes]]]:
    def case(name: str, rule: str, data: bytes) -> tuple[str, str, str, Callable[[], bytes]]:
        return f"metadata_{name}", INVALID, rule, lambda: mlp_file(metadata=data)

    lengths, stream = varint(3) + varint(4), zlib.compress(b"ICCEXIF", 9)
    much = varint(2**24 + 1)
    yield case("icc_over_2_24", "n_icc", much + varint(0) + zlib.compress(bytes(2**24 + 1), 9))
    yield case("exif_over_2_24", "n_exif", varint(0) + much + zlib.compress(bytes(2**24 + 1), 9))
    yield case("of_no_bytes", "metadata of no bytes", bytes(2) + zlib.compress(b"", 9))
    yield case("one_byte_too_few", "metadata of its length", lengths + zlib.compress(b"ICCEXI", 9))
    yield case("one_byte_too_many", "metadata of its length", lengths + zlib.compress(b"ICCEXIFS", 9))
    yield case("bomb", "metadata of its length", lengths + zlib.compress(bytes(1 << 22), 9))
    yield case("stream_cut", "whole zlib stream", lengths + stream[:-1])
    yield case("stream_followed", "bytes after the zlib stream", lengths + stream + b"\0")
    yield case("checksum", "zlib stream", lengths + stream[:-1] + bytes([stream[-1] ^ 1]))
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    yield case("no_zlib_header", "zlib stream", lengths + raw.compress(b"ICCEXIF") + raw.flush())
    preset = zlib.compressobj(9, zdict=b"ICCEXIF")
    yield case("preset_dictionary", "zlib stream", lengths + preset.compress(b"ICCEXIF") + preset.flush())
    yield case("without_lengths", "section too short", b"\x03")


def _mlp_fields() -> Iterator[tuple[str, str, str, Callable[[], bytes]]]:
    def shape(name: str, rule: str, data: bytes) -> tuple[str, str, str, Callable[[], bytes]]:
        return f"mlp_{name}", INVALID, rule, lambda: mlp_file(data)

    def side(name: str, rule: str, *parts: bytes) -> tuple[str, str, str, Callable[[], bytes]]:
        return f"mlp_{name}", INVALID, rule, lambda: mlp_file(tensors=b"".join(parts))

    yield shape("neurons_0", "neurons", varint(0) + ONE_NEURON[1:])
    yield shape("neurons_513", "neurons", varint(513) + ONE_NEURON[1:])
    layers = (MATRIX + PHASE) * 17 + MATRIX + OFFSET
    yield "mlp_depth_17", INVALID, "depth", lambda: mlp_file(_changed(ONE_NEURON, 1, 17), layers)
    yield "mlp_depth_0", INVALID, "depth", lambda: mlp_file(_changed(ONE_NEURON, 1, 0), MATRIX + OFFSET)
    for field, name, values in ((2, "frequencies", (0, 33)), (3, "spacing", (0, 5))):
        for value in values:
            yield shape(f"{name}_{value}", name, _changed(ONE_NEURON, field, value))
    yield shape("highest_frequency_49", "highest frequency", varint(1) + bytes([1, 26, 2]))
    yield shape("highest_frequency_51", "highest frequency", varint(1) + bytes([1, 18, 3]))
    yield shape("architecture_cut", "section too short", ONE_NEURON[:-1])
    yield shape("architecture_followed", "bytes after the architecture", ONE_NEURON + b"\0")
    rest = MATRIX + OFFSET
    yield side("tensors_cut", "section too short", MATRIX, PHASE, MATRIX, OFFSET[:-1])
    yield side("tensors_followed", "bytes after the tensors", MATRIX, PHASE, rest, b"\0")
    yield side("matrix_step_128", "step", _changed(MATRIX, 0, 128), PHASE, rest)
    yield side("offset_step_128", "step", MATRIX, PHASE, MATRIX, _changed(OFFSET, 0, 128))
    for levels in (0, 2048):
        yield side(f"levels_{levels}", "levels of a phase", MATRIX, varint(levels), PHASE[1:], rest)
    yield side("matrix_mean_56", "mean", _changed(MATRIX, 1, 56), PHASE, rest)
    yield side("phase_mean_56", "mean", MATRIX, _changed(PHASE, 1, 56), rest)
    for low in (-2048, 2048):
        fields = signed_varint(low) + varint(0)
        yield side(f"matrix_low_{low}", "low", MATRIX[:2] + fields, PHASE, rest)
        yield side(f"offset_low_{low}", "low", MATRIX, PHASE, MATRIX, OFFSET[:1] + fields)
    beyond = signed_varint(2**32) + varint(0)
    yield side("low_beyond_32_bits", "low", MATRIX[:2] + beyond, PHASE, rest)
    for low, high in ((0, 2048), (2047, 2048), (-2047, 2048)):
        matrix, offset, name = Geometric(40, low, high), Uniform(low, high), f"low_{low}_range_{high - low}"
        yield (
            f"mlp_matrix_{name}",
            INVALID,
            "range",
            lambda law=matrix: _coded(law, Increments(0, 0), NO_OFFSET),
        )
        yield (
            f"mlp_offset_{name}",
            INVALID,
            "range",
            lambda law=offset: _coded(NO_MATRIX, Increments(0, 0), law),
        )
    phases = Increments(40, 2048)
    yield "mlp_phase_range_2048", INVALID, "range", lambda: _coded(NO_MATRIX, phases, NO_OFFSET)


NO_MATRIX, NO_OFFSET = Geometric(0, 0, 0), Uniform(0, 0)


def _coded(matrix: Geometric, phases: Increments, offset: Uniform) -> bytes:
    """One neuron with these laws, coded whatever they are, and the largest symbols that they have."""
    shape = mlp(1, 1, 1, 1, 1)
    tensors = [[[matrix.high] * 4], [phases.high], [[0]], [offset.high]]
    steps, codings = [40, 1, 40, 40], [matrix, phases, NO_MATRIX, offset]
    return bitstream_of(network(shape, (3, 2), tensors, steps, codings))


def _payloads() -> Iterator[tuple[str, str, str, Callable[[], bytes]]]:
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


def _cnn_fields() -> Iterator[tuple[str, str, str, Callable[[], bytes]]]:
    known, grey = colour_prior(), grey_prior()

    def shape(name: str, rule: str, data: list[int], **other) -> tuple[str, str, str, Callable[[], bytes]]:
        return f"cnn_{name}", INVALID, rule, lambda: cnn_file(bytes(data), **other)

    def side(name: str, rule: str, data: bytes) -> tuple[str, str, str, Callable[[], bytes]]:
        return f"cnn_{name}", INVALID, rule, lambda: cnn_file(tensors=data)

    for width, height in ((8192, 4097), (8283, 4051)):  # of the second the product is 2^25 + 1
        size = {"width": varint(width), "height": varint(height)}
        yield shape(f"pixels_{width}_{height}", "pixels", [1, known.number, 12], **size)
    yield shape("levels_0", "levels", [0, known.number, 12])
    yield shape("levels_10", "levels", [10, known.number, 12])
    last = priors()[-1]
    tensors = bytes(2 * n_matrices(last) + 1)
    yield shape("prior_0", "prior", [1, 0, 12], channels=last.channels, tensors=tensors)
    yield shape("prior_that_is_not_there", "prior", [1, len(priors()) + 1, 12])
    yield shape("gain_25", "gain", [1, known.number, 25])
    yield "cnn_levels_of_the_prior", INVALID, "levels of the prior", _a_level_more
    yield shape("channels_fewer", "channels of the prior", [1, known.number, 12], channels=2)
    yield shape("channels_two_more", "channels of the prior", [1, grey.number, 12], channels=3)
    yield shape("architecture_cut", "section too short", [1, known.number])
    yield shape("architecture_followed", "bytes after the architecture", [1, known.number, 12, 0])
    sides = bytes(2 * n_matrices(known))
    yield side("tensors_cut", "section too short", sides)
    yield side("tensors_followed", "bytes after the tensors", sides + bytes(2))
    for place, name in enumerate(pyramid(known.number, 3, 2, 1).matrices):
        yield f"cnn_{name}_exponent", INVALID, "exponent", lambda place=place: _fine(place)
    yield side("mean_56", "mean", _changed(_changed(sides, 0, 1), 1, 56) + varint(0))
    yield side("mean_without_symbols", "mean without symbols", _changed(sides, 1, 1) + varint(0))
    for place, name in enumerate(("first", "second")):
        yield f"cnn_reach_1024_of_the_{name}", INVALID, "reach", lambda place=place: _far(place)


def _a_level_more() -> bytes:
    """A file with a level more than its prior has, the one that has the fewest."""
    known = min(priors(), key=lambda each: each.n_levels)
    grids = grids_of(known.n_levels + 1)
    tensors = bytes(2 * n_matrices(known, known.n_levels) + len(grids))
    return cnn_file(bytes([known.n_levels + 1, known.number, 12]), tensors, channels=known.channels)


def _fine(place: int) -> bytes:
    """A file in which a matrix has symbols, all of them 0, with an exponent too large."""
    shape = pyramid(colour_prior().number, 3, 2, 1)
    names, codings, writer = list(shape.matrices), [MatrixCoding(0, 0)] * len(shape.matrices), PayloadWriter()
    codings[place] = MatrixCoding(shape.exponent(names[place]) + 1, 0)
    codings[place].law.write(writer, np.zeros(shape.matrices[names[place]], np.int32))
    return cnn_file(tensors=write_side_information(codings, [0]), payload=writer.to_bytes())


def _far(place: int) -> bytes:
    """A file of two levels of one latent each, both as expected, one of them coded with a reach of 1024."""
    shape, writer = pyramid(colour_prior().number, 1, 1, 2), PayloadWriter()
    whole = adding_nothing(shape)
    laws, _ = level_laws(context_model(shape, whole.weights), place, whole.levels)
    masses = second._laplace_masses(int(laws[0]) >> 4, int(laws[0]) & 15, 1024)
    writer.all(np.array([1024], np.int32), table(counts_of(np.array(masses))))
    tensors = write_side_information(whole.codings, [1024 * (n == place) for n in range(2)])
    size = {"width": varint(1), "height": varint(1)}
    return cnn_file(shape.to_bytes(), tensors, payload=writer.to_bytes(), **size)


def _sums() -> Iterator[tuple[str, str, str, Callable[[], bytes]]]:
    for name in pyramid(colour_prior().number, 3, 2, 2).matrices:
        yield f"cnn_sum_of_{name}", INVALID, f"sum of {name}", lambda name=name: sums.too_large(name)
    yield "cnn_sum_of_filters_twice", INVALID, "sum of filters", _filters_twice
    yield "cnn_latent_2048", INVALID, "latent", lambda: _latent(1)
    yield "cnn_latent_-2048", INVALID, "latent", lambda: _latent(-1)


def _filters_twice() -> bytes:
    """Taps whose magnitudes sum to less than they may, but not where those of both sides count twice."""
    shape = pyramid(colour_prior().number, 3, 2, 2)
    known, symbols = shape.known("filters"), np.zeros((1, 4), np.int32)
    symbols[0] = np.array([0, 0, 0, 1025]) - known[0]
    return sums.file_of_matrix(shape, "filters", symbols, shape.exponent("filters"))


def _latent(sign: int) -> bytes:
    """Latents that grow to the largest that there may be, and the last one is one larger."""
    shape = pyramid(colour_prior().number, 9, 1, 1)
    wanted = {name: np.zeros(size, np.int64) for name, size in shape.matrices.items()}
    growing(wanted, sign)
    laws: list[int] = []

    def towards(where: slice, law: Ints, whole: Ints) -> Ints:
        laws.append(len(law))
        most = 2048 if len(laws) == 9 else 2047
        return np.clip(np.full_like(whole, sign * most), whole - 1023, whole + 1023)

    network = forged(shape, wanted, towards, [1023])
    assert network.levels[0][0, -1] == sign * 2048
    sections = network.sections()
    parts = (sections.architecture, sections.tensors)
    size = {"width": varint(9), "height": varint(1)}
    return file(*parts, payload=sections.payload, family=2, channels=3, **size)


@cache
def cases() -> dict[str, Case]:
    """Every file of the folder, by name."""
    makers = (_frames, _headers, _metadata, _mlp_fields, _payloads, _cnn_fields, _sums)
    return {name: Case(error, rule, make) for maker in makers for name, error, rule, make in maker()}

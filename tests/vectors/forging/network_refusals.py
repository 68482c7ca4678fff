"""Files to be refused for their networks: FORMAT.md, sections 4, 5 and 8 to 10."""

from collections.abc import Iterator

import numpy as np

from inr.bitstream import signed_varint, varint
from inr.cnn.arithmetic import MAX_REACH
from inr.cnn.grids import grids_of
from inr.cnn.levels import level_laws
from inr.cnn.network import MatrixCoding, context_model, write_side_information
from inr.cnn.prior import NO_GAIN, priors
from inr.coding.coder import PayloadWriter, table
from inr.coding.pmf import counts_of
from inr.coding.tensors import Geometric, Increments, Uniform
from tests import reference_decoder as second
from tests.inr.networks import adding_nothing, bitstream_of, mlp, pyramid
from tests.vectors.forging import sums
from tests.vectors.forging.mlp import network
from tests.vectors.forging.raw import (
    INVALID,
    MATRIX,
    OFFSET,
    ONE_NEURON,
    PHASE,
    TOO_MUCH,
    Refusal,
    changed,
    cnn_file,
    colour_prior,
    file,
    grey_prior,
    mlp_file,
    n_matrices,
)
from tests.vectors.forging.weights import Ints, forged, growing, reaching


def mlp_fields() -> Iterator[Refusal]:
    def shape(name: str, rule: str, data: bytes) -> Refusal:
        return f"mlp_{name}", INVALID, rule, lambda: mlp_file(data)

    def side(name: str, rule: str, *parts: bytes) -> Refusal:
        return f"mlp_{name}", INVALID, rule, lambda: mlp_file(tensors=b"".join(parts))

    yield shape("neurons_0", "neurons", varint(0) + ONE_NEURON[1:])
    yield shape("neurons_513", "neurons", varint(513) + ONE_NEURON[1:])
    layers = (MATRIX + PHASE) * 17 + MATRIX + OFFSET
    yield "mlp_depth_17", INVALID, "depth", lambda: mlp_file(changed(ONE_NEURON, 1, 17), layers)
    yield "mlp_depth_0", INVALID, "depth", lambda: mlp_file(changed(ONE_NEURON, 1, 0), MATRIX + OFFSET)
    deep, large = varint(512) + bytes([16, 1, 1]), {"width": varint(300), "height": varint(300)}
    yield (
        "mlp_work",
        TOO_MUCH,
        "work",
        lambda: mlp_file(deep, (MATRIX + PHASE) * 16 + MATRIX + OFFSET, **large),
    )
    wide, largest = varint(512) + bytes([1, 1, 1]), {"width": varint(65535), "height": varint(1023)}
    yield "mlp_work_of_sines", TOO_MUCH, "work", lambda: mlp_file(wide, channels=4, **largest)
    for field, name, values in ((2, "frequencies", (0, 33)), (3, "spacing", (0, 5))):
        for value in values:
            yield shape(f"{name}_{value}", name, changed(ONE_NEURON, field, value))
    yield shape("highest_frequency_49", "highest frequency", varint(1) + bytes([1, 26, 2]))
    yield shape("highest_frequency_51", "highest frequency", varint(1) + bytes([1, 18, 3]))
    yield shape("architecture_cut", "section too short", ONE_NEURON[:-1])
    yield shape("architecture_followed", "bytes after the architecture", ONE_NEURON + b"\0")
    rest = MATRIX + OFFSET
    yield side("tensors_cut", "section too short", MATRIX, PHASE, MATRIX, OFFSET[:-1])
    yield side("tensors_followed", "bytes after the tensors", MATRIX, PHASE, rest, b"\0")
    yield side("matrix_step_128", "step", changed(MATRIX, 0, 128), PHASE, rest)
    yield side("offset_step_128", "step", MATRIX, PHASE, MATRIX, changed(OFFSET, 0, 128))
    for levels in (0, 2048):
        yield side(f"levels_{levels}", "levels of a phase", MATRIX, varint(levels), PHASE[1:], rest)
    yield side("matrix_mean_56", "mean", changed(MATRIX, 1, 56), PHASE, rest)
    yield side("phase_mean_56", "mean", MATRIX, changed(PHASE, 1, 56), rest)
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


def cnn_fields() -> Iterator[Refusal]:
    known, grey = colour_prior(), grey_prior()

    def shape(name: str, rule: str, data: list[int], **other) -> Refusal:
        return f"cnn_{name}", INVALID, rule, lambda: cnn_file(bytes(data), **other)

    def side(name: str, rule: str, data: bytes) -> Refusal:
        return f"cnn_{name}", INVALID, rule, lambda: cnn_file(tensors=data)

    large = {"width": varint(8192), "height": varint(8192)}
    yield "cnn_work", TOO_MUCH, "work", lambda: cnn_file(**large)
    far = pyramid(known.number, 512, 512, 9)
    yield "cnn_work_of_reaches", TOO_MUCH, "work", lambda: reaching(far, MAX_REACH)
    yield shape("levels_0", "levels", [0, known.number, 12])
    yield shape("levels_10", "levels", [10, known.number, 12])
    last = priors()[-1]
    tensors = bytes(2 * n_matrices(last) + 1)
    yield shape("prior_0", "prior", [1, 0, 12], channels=last.channels, tensors=tensors)
    yield shape("prior_that_is_not_there", "prior", [1, len(priors()) + 1, 12])
    yield shape("gain_25", "gain", [1, known.number, 25])
    if min(each.n_levels for each in priors()) < 9:
        yield "cnn_levels_of_the_prior", INVALID, "levels of the prior", _a_level_more
    yield shape("channels_fewer", "channels of the prior", [1, known.number, 12], channels=2)
    yield shape("channels_two_more", "channels of the prior", [1, grey.number, 12], channels=3)
    planes = {"channels": 3, "planes": 2, "constants": b"\7"}
    yield shape("channels_of_the_network", "channels of the prior", [1, known.number, 12], **planes)
    yield shape("architecture_cut", "section too short", [1, known.number])
    yield shape("architecture_followed", "bytes after the architecture", [1, known.number, 12, 0])
    sides = bytes(2 * n_matrices(known))
    yield side("tensors_cut", "section too short", sides)
    yield side("tensors_followed", "bytes after the tensors", sides + bytes(2))
    for name in pyramid(known.number, 3, 2, 1).matrices:
        yield f"cnn_{name}_exponent", INVALID, "exponent", lambda name=name: _fine(name)
    yield "cnn_exponent_after_gain", INVALID, "exponent", lambda: _fine("synthesis0", 24)
    yield side("mean_56", "mean", changed(changed(sides, 0, 1), 1, 56) + varint(0))
    yield side("mean_without_symbols", "mean without symbols", changed(sides, 1, 1) + varint(0))
    for place, name in enumerate(("first", "second")):
        yield f"cnn_reach_1024_of_the_{name}", INVALID, "reach", lambda place=place: _far(place)


def _a_level_more() -> bytes:
    """A file with a level more than its prior has, the one that has the fewest."""
    known = min(priors(), key=lambda each: each.n_levels)
    grids = grids_of(known.n_levels + 1)
    tensors = bytes(2 * n_matrices(known, known.n_levels) + len(grids))
    return cnn_file(bytes([known.n_levels + 1, known.number, 12]), tensors, channels=known.channels)


def _fine(name: str, gain: int = NO_GAIN) -> bytes:
    """A file in which a matrix has symbols, all of them 0, with an exponent too large."""
    shape, writer = pyramid(colour_prior().number, 3, 2, 1, gain=gain), PayloadWriter()
    fine = MatrixCoding(shape.exponent(name) + 1, 0)
    fine.law.write(writer, np.zeros(shape.matrices[name], np.int32))
    codings = [fine if other == name else MatrixCoding(0, 0) for other in shape.matrices]
    return cnn_file(shape.to_bytes(), write_side_information(codings, [0]), payload=writer.to_bytes())


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


def cnn_values() -> Iterator[Refusal]:
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

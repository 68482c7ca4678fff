"""Networks of family `mlp` that no fit would find: FORMAT.md, sections 4 to 7, at their edges.

Sums of sine layers fill 23 bits and their steps have odd mantissas, so that each rounding to binary32 shows
in some pixel; a second layer turns a difference of one in the first one's outputs into another colour.
"""

import itertools
from collections.abc import Callable

import numpy as np

from inr.bitstream import Metadata
from inr.coding.coder import Symbols
from inr.coding.tensors import Geometric, Increments, TensorCoding, Uniform
from inr.mlp.architecture import CoordinateMLP
from inr.mlp.network import MlpNetwork
from tests import reference_decoder as second
from tests.inr.networks import bitstream_of, mlp
from tests.vectors.forging.weights import Ints


def _step(mantissa: int, exponent: int) -> int:
    """Index of the step mantissa / 8 · 2^exponent, for a mantissa of 8 to 15."""
    return 8 * (exponent + 14) + mantissa - 8


def network(
    shape: CoordinateMLP,
    size: tuple[int, int],
    tensors: list[Ints],
    steps: list[int],
    codings: list[TensorCoding],
) -> MlpNetwork:
    """A network of these symbols, for an image of that width and height."""
    symbols: list[Symbols] = [np.asarray(tensor, np.int32) for tensor in tensors]
    return MlpNetwork(
        shape=shape, width=size[0], height=size[1], symbols=symbols, step_indices=steps, codings=codings
    )


def _matrix(tensor: Ints, mean: int = 30) -> Geometric:
    return Geometric(mean, int(tensor.min()), int(tensor.max()))


def single_operations(seed: int, size: tuple[int, int], neurons: int = 4, first_bits: int = 9) -> MlpNetwork:
    """Every operation that is rounded on its own (7.3): fused with the next one it gives other pixels."""
    rng, shape = np.random.default_rng(seed), mlp(3, neurons, 2, 3, 4)
    first, second_, out = (
        rng.integers(-most, most + 1, spec)
        for most, spec in (
            ((1 << first_bits) - 1, (neurons, 12)),
            (110, (neurons, neurons)),
            (12, (3, neurons)),
        )
    )
    phases = [np.cumsum(rng.integers(0, 200, neurons)), np.cumsum(rng.integers(0, 90, neurons))]
    offset = rng.integers(2, 9, 3)
    steps = [_step(15, -9), 1021, _step(13, 0), 307, _step(11, -4), _step(8, -4)]
    codings = [_matrix(first), Increments(28, 199), _matrix(second_), Increments(25, 89), _matrix(out, 16)]
    tensors = [first, phases[0], second_, phases[1], out, offset]
    return network(shape, size, tensors, steps, [*codings, Uniform(0, 9)])


def ties_of_turns() -> MlpNetwork:
    """Phases in quarter turns, of neurons that see nothing else: z lies half between two integers."""
    rng, shape = np.random.default_rng(5), mlp(3, 24, 1, 2, 1)
    first = np.zeros((24, 8), np.int64)
    first[::4] = rng.integers(-40, 41, (6, 8))
    phases = np.cumsum([2, *([1] * 23)])
    out = np.where(np.arange(24) % 2, 39, -17) * np.ones((3, 1), np.int64)
    out = out + rng.integers(-2, 3, out.shape)
    out[:, ::4] = [[1], [2], [-3]]
    steps = [_step(9, -6), 1, _step(9, -3), _step(8, -6)]
    codings = [Geometric(9, -40, 40), Increments(20, 2), _matrix(out, 36), Uniform(-60, 60)]
    return network(shape, (17, 13), [first, phases, out, [30, -12, 60]], steps, codings)


def ties_of_samples() -> MlpNetwork:
    """A large constant and a large offset cancel, so that samples lie on eighths, and often on a half."""
    rng, shape = np.random.default_rng(6), mlp(4, 3, 1, 4, 2)
    first = np.concatenate([np.zeros((1, 16), np.int64), rng.integers(-300, 301, (2, 16))])
    out = np.array([[2047, 1, 0], [2047, 0, 1], [2047, -1, 0], [2045, 1, -1]])
    steps = [_step(13, -7), 1, _step(15, 1), _step(15, 1)]
    codings = [_matrix(first, 36), Increments(16, 1), _matrix(out, 55), Uniform(-2047, -2040)]
    return network(shape, (31, 27), [first, [1, 1, 2], out, [-2047, -2047, -2046, -2045]], steps, codings)


def large_phases() -> MlpNetwork:
    """Phases of thousands of turns in thirds of a quarter, whose division leaves a rest (7.3)."""
    rng, shape = np.random.default_rng(7), mlp(2, 40, 2, 2, 3)
    first, second_ = rng.integers(-9, 10, (40, 8)), rng.integers(-4, 5, (40, 40))
    out = rng.integers(-3, 4, (2, 40))
    phases = [np.cumsum(rng.integers(1000, 2048, 40)), np.cumsum(rng.integers(0, 2048, 40))]
    steps = [_step(8, -5), 3, _step(8, -6), 7, _step(8, -5), _step(8, -4)]
    codings = [
        _matrix(first),
        Increments(47, 2047),
        _matrix(second_, 22),
        Increments(55, 2047),
        _matrix(out, 19),
    ]
    tensors = [first, phases[0], second_, phases[1], out, [8, 7]]
    return network(shape, (13, 11), tensors, steps, [*codings, Uniform(7, 8)])


def one_sided() -> MlpNetwork:
    """Matrices whose symbols are all above 0, all below it, or reach to it from one side (6.2)."""
    rng, shape = np.random.default_rng(8), mlp(3, 9, 3, 2, 4)
    bounds = [(3, 40), (-57, -5), (-31, 0), (0, 23)]
    sizes = [(9, 8), (9, 9), (9, 9), (3, 9)]
    matrices = [rng.integers(low, high + 1, size) for (low, high), size in zip(bounds, sizes, strict=True)]
    phases = [np.cumsum(rng.integers(0, 5, 9)) for _ in range(3)]
    steps, tensors, codings = [], [], list[TensorCoding]()
    for n, (matrix, (low, high)) in enumerate(zip(matrices, bounds, strict=True)):
        tensors += [matrix, phases[n] if n < 3 else rng.integers(40, 91, 3)]
        steps += [_step(11, -9 if n == 0 else -7), 19] if n < 3 else [_step(9, -7), _step(8, -7)]
        codings += [
            Geometric((22, 28, 20, 36)[n], low, high),
            Increments(17, 4) if n < 3 else Uniform(40, 90),
        ]
    return network(shape, (23, 16), tensors, steps, codings)


def _telling(t: int, low: int, high: int) -> Ints:
    """Symbols whose boundaries would be others if zero were among them (z of 6.2)."""
    nearest = low if low > 0 else -high
    whole = second._masses(t, min(low, 0), max(high, 0))  # from zero on, or up to it
    masses = whole[nearest:] if low > 0 else whole[: len(whole) - nearest]
    right, wrong = (second._boundaries(each) for each in (second._masses(t, low, high), masses))
    return np.array([low + j for j in range(high - low + 1) if right[j : j + 2] != wrong[j : j + 2]])


def next_to_zero() -> MlpNetwork:
    """Matrices whose symbols begin at 1, or end at −1: zero is just outside (6.2)."""
    rng, shape = np.random.default_rng(15), mlp(2, 14, 2, 4, 3)
    first, second_, out = (
        rng.integers(1, 60, (14, 16)),
        -rng.integers(1, 60, (14, 14)),
        rng.integers(-1, 2, (2, 14)),
    )
    for matrix, low, high in ((first, 1, 300), (second_, -300, -1)):
        matrix[0] = np.resize(
            _telling(32, low, high), matrix.shape[1]
        )  # of the scale of the mean: the first block
    phases = [np.cumsum(rng.integers(0, 4, 14)) for _ in range(2)]
    codings = [Geometric(32, 1, 300), Increments(15, 3), Geometric(32, -300, -1), Increments(15, 3)]
    steps = [_step(8, -10), 13, _step(8, -8), 13, _step(8, -3), _step(8, -2)]
    tensors = [first, phases[0], second_, phases[1], out, [2, 1]]
    return network(shape, (12, 15), tensors, steps, [*codings, Geometric(5, -1, 1), Uniform(0, 3)])


def all_small_scales() -> MlpNetwork:
    """Sixteen layers, each with phases of another scale."""
    rng, shape = np.random.default_rng(14), mlp(2, 3, 16, 1, 2)
    sizes = [(3, 4), *([(3, 3)] * 15), (2, 3)]
    steps, tensors, codings = [], [], list[TensorCoding]()
    for n, size in enumerate(sizes):
        matrix = rng.integers(-9, 10, size)
        tensors += [matrix, np.cumsum(rng.integers(0, 3, 3)) if n < 16 else [3, 9]]
        codings += [_matrix(matrix, 30 + n), Increments(n, 2) if n < 16 else Uniform(3, 9)]
        steps += [_step(12, -5), 4] if n < 16 else [_step(8, -6), _step(8, -4)]
    return network(shape, (15, 14), tensors, steps, codings)


def most_neurons() -> MlpNetwork:
    """512 neurons, and the lowest and the highest of other fields."""
    rng, shape = np.random.default_rng(9), mlp(1, 512, 1, 1, 4)
    first, out = rng.integers(-3, 4, (512, 4)), rng.integers(-2, 3, (1, 512))
    phases = np.cumsum(rng.integers(0, 3, 512))
    steps = [_step(10, -4), 2047, _step(8, -8), 127]
    codings = [Geometric(0, -3, 3), Increments(55, 2), Geometric(55, -2, 2), Uniform(0, 0)]
    return network(shape, (14, 9), [first, phases, out, [0]], steps, codings)


def widest(transposed: bool) -> MlpNetwork:
    """65535 pixels in a row or in a column, with the highest frequency: products of more than 32 bits."""
    rng, shape = np.random.default_rng(10), mlp(1, 2, 1, 13, 4)
    first, out = rng.integers(-60, 61, (2, 52)), np.array([[5, -4]])
    steps = [_step(8, -10), 5, _step(12, -4), _step(8, -4)]
    codings = [_matrix(first, 38), Increments(9, 7), Geometric(27, -5, 5), Uniform(0, 15)]
    size = (1, 65535) if transposed else (65535, 1)
    return network(shape, size, [first, [3, 10], out, [8]], steps, codings)


def _drawn(seed: int) -> tuple[int, int, list[int]]:
    """Mean, range and increments of a vector of phases."""
    rng = np.random.default_rng(seed)
    mean, high = int(rng.integers(8, 40)), int(rng.integers(3, 40))
    return mean, high, rng.integers(0, high + 1, 30).tolist()


def _ends_at_32_bits(mean: int, high: int, increments: list[int]) -> bool:
    """Whether `range` is 2^32 in the end, after these increments and four of two equal halves."""
    boundaries, span = second._boundaries(second._masses(mean, 0, high)), 2**64 - 1
    for width in [boundaries[n + 1] - boundaries[n] for n in increments] + [2**23] * 4:
        span = (span << 32 if span < 2**32 else span) // 2**24 * width
    return span == 2**32


def _phases_alone(increments: list[int], mean: int, high: int, channels: int, coded: bool) -> MlpNetwork:
    """A network of whose payload phases are all, or all but an offset of 0 or 1 for each channel."""
    n = len(increments)
    shape, first, out = mlp(channels, n, 1, 1, 1), np.full((n, 4), 2), np.full((channels, n), 1)
    last = Uniform(0, 1) if coded else Uniform(1, 1)
    codings = [Geometric(0, 2, 2), Increments(mean, high), Geometric(0, 1, 1), last]
    steps = [_step(8, -4), 11, _step(9, -5), _step(8, -2)]
    return network(shape, (9, 8), [first, np.cumsum(increments), out, [1] * channels], steps, codings)


def range_of_32_bits() -> MlpNetwork:
    """A `range` of exactly 2^32 in the end, which step 4 of 6.1 leaves; so the payload has no word more."""
    mean, high, increments = next(found for n in itertools.count() if _ends_at_32_bits(*(found := _drawn(n))))
    return _phases_alone(increments, mean, high, 4, True)


def carry(two_words: bool) -> MlpNetwork:
    """Increments after which `lower` is within 2^32 of 2^64, so that last is 0 (6.5), with two words or one.

    They are what a payload that is all ones but for its first word means.
    """
    mean, high, table = 20, 12, second._boundaries(second._masses(20, 0, 12))
    for first in itertools.count(1):
        coder = second._RangeDecoder((first * 858993).to_bytes(4, "little") + b"\xff" * 32)
        increments = list[int]()
        while len(increments) < 40:
            increments.append(coder.symbol(table))
            wraps = (coder.lower + coder.range) % 2**64 < 2**32
            if coder.lower > 2**64 - 2**32 and wraps == two_words and coder.n_steps:
                return _phases_alone(increments, mean, high, 1, False)
    raise AssertionError("there is no such payload")


def ends() -> MlpNetwork:
    """The largest and the smallest symbols that there may be, alone and beside all others."""
    first, out = np.array([[2047, -2047, 3, 0]]), np.array([[-2047]] * 3)
    codings = [
        Geometric(55, -2047, 2047),
        Increments(52, 2047),
        Geometric(0, -2047, -2047),
        Uniform(2047, 2047),
    ]
    steps = [_step(9, -12), 2047, _step(8, -10), _step(8, -11)]
    return network(mlp(3, 1, 1, 1, 1), (12, 9), [first, [2047], out, [2047] * 3], steps, codings)


def _with(metadata: Metadata) -> bytes:
    """An image of one colour, of which nothing is coded, with this metadata."""
    none = [Geometric(0, 0, 0), Increments(0, 0), Geometric(0, 0, 0), Uniform(9, 9)]
    shape, tensors = mlp(1, 1, 1, 1, 1), [[[0] * 4], [0], [[0]], [9]]
    return bitstream_of(network(shape, (3, 2), tensors, [40, 1, 40, 40], none), metadata)


FILES: dict[str, Callable[[], bytes]] = {
    "mlp_single_operations": lambda: bitstream_of(single_operations(1, (40, 33))),
    "mlp_single_operations_again": lambda: bitstream_of(single_operations(2, (96, 110), 6, 8)),
    "mlp_ties_of_turns": lambda: bitstream_of(ties_of_turns()),
    "mlp_ties_of_samples": lambda: bitstream_of(ties_of_samples()),
    "mlp_large_phases": lambda: bitstream_of(large_phases()),
    "mlp_one_sided": lambda: bitstream_of(one_sided()),
    "mlp_all_small_scales": lambda: bitstream_of(all_small_scales()),
    "mlp_most_neurons": lambda: bitstream_of(most_neurons()),
    "mlp_widest": lambda: bitstream_of(widest(False)),
    "mlp_highest": lambda: bitstream_of(widest(True)),
    "mlp_range_of_32_bits": lambda: bitstream_of(range_of_32_bits()),
    "mlp_carry_and_one_word": lambda: bitstream_of(carry(False)),
    "mlp_carry_and_two_words": lambda: bitstream_of(carry(True)),
    "mlp_next_to_zero": lambda: bitstream_of(next_to_zero()),
    "mlp_ends": lambda: bitstream_of(ends()),
    "largest_metadata": lambda: _with(Metadata(*[bytes(1 << 24)] * 3)),
    "exif_of_one_byte": lambda: _with(Metadata(exif=b"I")),
    "icc_alone": lambda: _with(Metadata(icc_profile=bytes(range(256)))),
    "exif_alone": lambda: _with(Metadata(exif=b"II*\0" + bytes(200))),
    "xmp_alone": lambda: _with(Metadata(xmp=b"<x:xmpmeta/>" * 20)),
}

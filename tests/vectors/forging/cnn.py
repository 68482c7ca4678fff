"""Networks of family `cnn` that no fit would find: FORMAT.md, sections 8 to 11, at their edges.

Every clip is reached on both sides, every shift has ties of both signs, and what they give still shows in
some pixel or in the law of some latent. `events.py` counts that it is so, whatever the priors are.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.network import CnnNetwork, largest_row_sum, row_sums
from inr.cnn.prior import Prior
from tests.inr.networks import bitstream_of, coding_of, pyramid
from tests.vectors.forging.raw import colour_prior, grey_prior
from tests.vectors.forging.sums import symbols_of_sums
from tests.vectors.forging.weights import Ints, Told, drawing, forged, growing, wild

SYNTHESIS = ("filters", "upsampling", "synthesis0", "synthesis1", "residual0", "residual1", "residual2")


def _shape(known: Prior, width: int, height: int, n_levels: int, **fields: int) -> LatentPyramid:
    return pyramid(known.number, width, height, n_levels, **fields)


def _reaches(shape: LatentPyramid, *reaches: int) -> list[int]:
    """These in turn."""
    return [reaches[n % len(reaches)] for n in range(len(shape.grids))]


def _wild(
    seed: int,
    shape: LatentPyramid,
    sizes: Mapping[str, int],
    reaches: Sequence[int],
    most_bits: int,
    n_per_row: int = 3,
) -> CnnNetwork:
    """Wild matrices of these sizes, in sixteenths of one, and the prior's others."""
    rng = np.random.default_rng(seed)
    wanted: dict[str, Ints | Told] = {
        name: wild(rng, shape, name, sizes[name], n_per_row) for name in shape.matrices if name in sizes
    }
    return forged(shape, wanted, drawing(rng, most_bits), reaches)


def context(
    seed: int, sizes: tuple[int, int, int, int], most_bits: int, known: Prior, n_levels: int
) -> CnnNetwork:
    """Wild context models; the grids are small, and their latents mean much to one another."""
    shape = _shape(known, 19, 14, n_levels)
    named = dict(zip(CONTEXT_MATRICES, sizes, strict=True))
    rng = np.random.default_rng(seed)
    wanted = {name: wild(rng, shape, name, size) for name, size in named.items()}
    wanted["context2"][1] //= 24  # so that not all of them are clipped
    return forged(shape, wanted, drawing(rng, most_bits), _reaches(shape, 30, 5, 200, 1))


def ties_of_laws(seed: int) -> CnnNetwork:
    """Last weights that are multiples of much, so that what they give is often half between two integers."""
    shape = _shape(colour_prior(), 27, 21, 2)
    rng = np.random.default_rng(seed)
    sizes = dict(zip(CONTEXT_MATRICES, (200, 200, 1, 0), strict=True))
    wanted: dict[str, Ints | Told] = {name: wild(rng, shape, name, size) for name, size in sizes.items()}
    for name in ("context0", "parents"):
        wanted[name][-1] = 0  # nothing passes by that would clip the spread
    known, unit = shape.known("context2").astype(np.int64), 1 << min(11, shape.exponent("context2"))
    multiples = (known + unit // 2) // unit * unit  # in reach with the finest unit
    multiples[:, -1] += unit * np.sign(known[:, -1] - multiples[:, -1])
    above = -(-known[1] // unit) * unit
    for j in np.argsort(np.abs(above)):  # so that sums have both signs
        if above[j] > 0 and np.abs(multiples[1]).sum() + above[j] <= largest_row_sum("context2") // 2:
            multiples[1, j] = above[j]
    multiples[1, -1] = above[-1]
    symbols = (multiples - known).astype(np.int32)
    wanted["context2"] = symbols, coding_of(symbols, shape.exponent("context2"))
    return forged(shape, wanted, drawing(rng, 6), _reaches(shape, 60, 9))


def growing_latents(sign: int) -> CnnNetwork:
    """Latents up to ±2047, with centres clipped there."""
    shape = _shape(colour_prior(), 21, 9, 1)
    wanted: dict[str, Ints] = {name: np.zeros(shape.matrices[name], np.int64) for name in CONTEXT_MATRICES}
    growing(wanted, sign)
    rng = np.random.default_rng(40 + sign)

    def draw(where: slice, law: Ints, whole: Ints) -> Ints:
        near = rng.integers(0, 3, len(whole)) * rng.integers(0, 9, len(whole))
        return sign * (2047 - near)

    return forged(shape, wanted, draw, [1023])


def stack(
    seed: int, sizes: tuple[int, int], most_bits: int, known: Prior, lean: int = 0, **fields: int
) -> CnnNetwork:
    """Filters and doublings of these sizes, up to the most that they may sum to, over latents of any size.

    Sixteen is one. What a large filter clips, small doublings bring back to where a difference shows.
    """
    shape = _shape(known, 22, 17, 5, **fields)
    rng = np.random.default_rng(seed)
    wanted: dict[str, Ints | Told] = {
        name: wild(rng, shape, name, size, 4)
        for name, size in zip(("filters", "upsampling"), sizes, strict=True)
    }
    wanted["synthesis0"] = _mixing(rng, shape)
    return forged(shape, wanted, drawing(rng, most_bits, 2 - abs(lean), lean), _reaches(shape, 1023))


def _mixing(rng: np.random.Generator, shape: LatentPyramid) -> Ints:
    """Small weights straight to the channels, so that large values of the stack are not clipped."""
    rows, columns = shape.matrices["synthesis0"]
    one = 1 << shape.exponent("synthesis0")
    found = rng.integers(-one // 20, one // 20 + 1, (rows, columns))
    found[-shape.channels :, :-1] = rng.integers(-one, one + 1, (shape.channels, columns - 1)) // 3
    found[-shape.channels :, -1] = one // 2
    return found


def _seen(factors: tuple[int, int], k: int, value: int) -> int:
    """What the two layers meet, of a plane of one value doubled twice by taps of these sums (11.2, 11.3)."""
    for factor in (factors[0], factors[0], factors[1], factors[1]):
        value = (factor * value + (1 << k >> 1)) >> k
    return (value + 2) >> 2


def edge_of_stack(known: Prior, sign: int, more: int) -> CnnNetwork:
    """Planes of clipped values, so small again that a bound one more or less, as `more` says, shows.

    Of four levels the third is clipped by its filter and the coarsest by its first doubling; two more
    doublings bring both to where they are seen.
    """
    shape, edge = _shape(known, 17, 13, 4, gain=24), sign * ((1 << 19) - 1)
    k, one = shape.exponent("upsampling"), 1 << shape.exponent("synthesis0")
    factors = next(
        pair
        for pair in itertools.product(range(1 << k >> 3, 1 << k), repeat=2)
        if _seen(pair, k, edge + sign * more) != _seen(pair, k, edge) and abs(_seen(pair, k, edge)) < 4000
    )
    first = np.zeros(shape.matrices["synthesis0"], np.int64)
    for channel in range(shape.channels):
        first[channel - shape.channels, 2 + channel % 2] = one // 4
        first[channel - shape.channels, -1] = one // 2 - (one // 4 * _seen(factors, k, edge) >> 6)
    same, both = [1 << shape.exponent("filters"), 0, 0, 0], [0, 1 << 10, 1 << 10, 0]
    doublings = [[0, factor // 2, factor - factor // 2, 0] for factor in reversed(factors)]
    wanted: dict[str, Ints | Told] = {
        "filters": np.array([same, same, [1 << 11, 0, 0, 0]]),
        "upsampling": np.array([*doublings, both]),
        "synthesis0": first,
        **{name: np.zeros(size, np.int64) for name, size in shape.matrices.items() if name in SYNTHESIS[3:]},
    }
    network = forged(shape, wanted, lambda where, law, whole: np.full_like(whole, sign * 1900), [1023] * 4)
    assert tuple(network.weights["upsampling"].integers[:2].sum(axis=1)) == factors[::-1]
    return network


def samples(seed: int, sizes: Mapping[str, int], most_bits: int, known: Prior, **fields: int) -> CnnNetwork:
    """Wild layers of the synthesis."""
    shape = _shape(known, 18, 15, 3, **fields)
    return _wild(seed, shape, sizes, _reaches(shape, 1023, 60), most_bits)


def halves(known: Prior, **fields: int) -> CnnNetwork:
    """Samples of exactly 127.5, and of 0 and 255 less or more than half a step."""
    shape = _shape(known, 16, 16, 1, **fields)
    wanted = {name: np.zeros(size, np.int64) for name, size in shape.matrices.items() if name in SYNTHESIS}
    first = wanted["synthesis0"]
    k = shape.exponent("synthesis0")
    first[-shape.channels :, -1] = np.array([2048, 2047, 2049, 4096])[: shape.channels] << k >> 12
    first[-shape.channels :, 0] = (1 << k) >> 4
    rng = np.random.default_rng(12)
    return forged(shape, wanted, drawing(rng, 6, 2), [80])


def ties_of_residuals(known: Prior) -> CnnNetwork:
    """A residual layer of halves or quarters; the next one makes large enough what it rounds."""
    shape = _shape(known, 19, 16, 1)
    one, unit = (1 << shape.exponent(f"residual{n}") for n in (0, 1))
    wanted: dict[str, Ints | Told] = {
        name: np.zeros(size, np.int64) for name, size in shape.matrices.items() if name in SYNTHESIS
    }
    known_ = shape.known("residual0").astype(np.int64)
    nearest = (known_ + one // 4) // (one // 2) * (one // 2)
    halves_of = np.where(abs(known_) > 2047, nearest, 0)  # near enough for symbols of the finest unit
    wanted["residual0"] = halves_of
    k, k1 = shape.exponent("synthesis0"), shape.exponent("synthesis1")
    wanted["synthesis0"][0] = [(1 << k) // 11, 1 << k]  # a neuron that brings odd values to all channels
    for channel in range(shape.channels):
        wanted["synthesis1"][channel, 0] = (1 << k1) // 13 + channel
        centre = 9 * channel + 4
        quarters = _quarters(int(known_[channel, centre]), one, -((-1) ** channel))
        halves_of[channel, centre] = quarters * one // 4
        base = 3100 // (4 + quarters) - 340  # so that they come to where samples are
        wanted["synthesis0"][channel - shape.channels, -1] = base << k >> 12
        much = min(7 * unit, 28_000)
        wanted["residual1"][channel, 9 * channel + 4] = much
        wanted["residual1"][channel, -1] = -min(4000, much * 2 // 13)
    network = forged(shape, wanted, drawing(np.random.default_rng(17), 3), [9])
    assert (network.weights["residual0"].integers == halves_of).all()
    return network


def _quarters(known: int, one: int, sign: int) -> int:
    """Quarters of one, no whole, that the finest unit leads to; two of that sign, if it can be."""
    some = [n for n in range(-3, 16) if n % 4 and abs(n * one // 4 - known) <= 2047]
    return min(some, key=lambda n: (n * sign < 0, abs(abs(n) - 2)))


def at_the_limits(known: Prior, n_levels: int, **fields: int) -> CnnNetwork:
    """A row of every matrix, and one in every block of `parents`, that sums to all it may."""
    shape = _shape(known, 17, 12, n_levels, **fields)
    wanted: dict[str, Ints | Told] = {name: symbols_of_sums(shape, name) for name in shape.matrices}
    return forged(shape, wanted, drawing(np.random.default_rng(13), 4), _reaches(shape, 20))


def coarsest(known: Prior) -> CnnNetwork:
    """Symbols in the largest unit that there is, k = 1: one of 1 or −1 in each matrix."""
    shape = _shape(known, 15, 11, 2)
    wanted: dict[str, Ints | Told] = {}
    for name, size in shape.matrices.items():
        symbols, known_ = np.zeros(size, np.int32), shape.known(name)
        row = int(row_sums(shape, name, known_).reshape(size[0], -1).max(axis=1).argmin())
        place = row, int(np.abs(known_[row]).argmax())
        symbols[place] = -1 if known_[place] > 0 else 1
        wanted[name] = symbols, coding_of(symbols, 1)
    return forged(shape, wanted, drawing(np.random.default_rng(16), 4), _reaches(shape, 12))


def finest(known: Prior, gain: int) -> CnnNetwork:
    """Symbols in the smallest unit of every matrix, k = E, which for `synthesis0` depends on the gain."""
    shape = _shape(known, 11, 15, 2, gain=gain)
    rng = np.random.default_rng(18)
    wanted: dict[str, Ints | Told] = {}
    for name, size in shape.matrices.items():
        symbols = -np.sign(shape.known(name)).astype(np.int32) * rng.integers(0, 3, size, np.int32)
        wanted[name] = symbols, coding_of(symbols, shape.exponent(name))
    return forged(shape, wanted, drawing(rng, 3), _reaches(shape, 7))


def _file(make: Callable[[], CnnNetwork]) -> Callable[[], bytes]:
    return lambda: bitstream_of(make())


def _edge(known: Callable[[], Prior], sign: int, more: int) -> Callable[[], bytes]:
    return lambda: bitstream_of(edge_of_stack(known(), sign, more))


LAYERS, SMALL_LAYERS = {"synthesis0": 64, "synthesis1": 40}, {"synthesis0": 8, "synthesis1": 8}
RESIDUALS, SMALL_RESIDUALS = {"residual0": 40, "residual1": 40}, {"residual0": 9, "residual1": 9}
# By seed, all that is random.
DRAWN: dict[str, tuple[int, Callable[[int], CnnNetwork]]] = {
    "cnn_ties_of_laws": (20, ties_of_laws),
    "cnn_context_of_large_weights": (21, lambda n: context(n, (900, 700, 20, 60), 7, colour_prior(), 3)),
    "cnn_context_of_small_weights": (22, lambda n: context(n, (60, 60, 18, 24), 5, grey_prior(), 2)),
    "cnn_context_of_many_grids": (23, lambda n: context(n, (300, 500, 24, 40), 6, colour_prior(), 9)),
    "cnn_context_of_constants": (24, lambda n: context(n, (200, 9000, 60, 90), 4, grey_prior(), 7)),
    "cnn_small_stack": (26, lambda n: stack(n, (20, 20), 6, grey_prior(), gain=13)),
    "cnn_stack_clipped_above": (25, lambda n: stack(n, (200, 200), 11, colour_prior(), lean=1, gain=6)),
    "cnn_stack_clipped_below": (31, lambda n: stack(n, (200, 200), 11, grey_prior(), lean=-1, gain=18)),
    "cnn_filters_clipped_above": (32, lambda n: stack(n, (200, 4), 11, grey_prior(), lean=1, gain=9)),
    "cnn_filters_clipped_below": (33, lambda n: stack(n, (200, 4), 11, colour_prior(), lean=-1, gain=15)),
    "cnn_clipped_layers": (27, lambda n: samples(n, LAYERS, 8, colour_prior(), gain=1, more=1)),
    # Of two of these, each sees what the other does not: clips by one more, and by one less.
    "cnn_clipped_residuals": (2828, lambda n: samples(n, RESIDUALS, 6, colour_prior(), gain=11)),
    "cnn_residuals_clipped_by_less": (228, lambda n: samples(n, RESIDUALS, 6, colour_prior(), gain=11)),
    "cnn_small_layers": (29, lambda n: samples(n, SMALL_LAYERS, 9, grey_prior(), gain=23)),
    "cnn_small_residuals": (30, lambda n: samples(n, SMALL_RESIDUALS, 6, grey_prior(), more=1, gain=2)),
}


def drawn_again(name: str) -> bytes:
    """The file NAME_N: what NAME is, with a seed higher by 100 N."""
    base, _, n = name.rpartition("_")
    seed, make = DRAWN[base]
    return bitstream_of(make(seed + 100 * int(n)))


FILES: dict[str, Callable[[], bytes]] = {
    **{name: lambda name=name: drawn_again(f"{name}_0") for name in DRAWN},
    "cnn_latents_to_2047": _file(lambda: growing_latents(1)),
    "cnn_latents_to_minus_2047": _file(lambda: growing_latents(-1)),
    **{
        f"cnn_edge_of_stack_{name}": _edge(known, sign, more)
        for name, known, sign, more in (
            ("above_and_more", colour_prior, 1, 1),
            ("above_and_less", colour_prior, 1, -1),
            ("below_and_more", colour_prior, -1, 1),
            ("below_and_less", colour_prior, -1, -1),
        )
    },
    "cnn_halves": _file(lambda: halves(colour_prior(), more=1)),
    "cnn_ties_of_residuals": _file(lambda: ties_of_residuals(colour_prior())),
    "cnn_coarsest_units": _file(lambda: coarsest(grey_prior())),
    "cnn_finest_units": _file(lambda: finest(colour_prior(), 0)),
    "cnn_at_the_limits": _file(lambda: at_the_limits(colour_prior(), 4)),
    "cnn_at_the_limits_of_grey": _file(lambda: at_the_limits(grey_prior(), 7, more=1, gain=24)),
}

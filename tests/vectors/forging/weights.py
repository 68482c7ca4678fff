"""Networks that no fit would find: weights of any size, whatever the prior, and latents up to every limit.

A weight is P + symbol · 2^(E − k), so any weight can be told, to within half of a unit of its matrix. What is
random comes from integers of a seeded generator, so that the same file is made on every machine.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from inr.bitstream import varint
from inr.cnn.architecture import LatentPyramid
from inr.cnn.arithmetic import MAX_LATENT
from inr.cnn.grids import coding_order
from inr.cnn.levels import laplace_counts, level_laws
from inr.cnn.network import (
    CnnNetwork,
    MatrixCoding,
    context_model,
    largest_row_sum,
    row_sums,
    weights_of,
    write_side_information,
)
from inr.coding.coder import PayloadWriter, table
from tests.inr.networks import adding_nothing, coding_of
from tests.vectors.forging.raw import file

Ints = np.ndarray[Any, Any]
Told = tuple[Ints, MatrixCoding]  # symbols and how they are coded
# (places of a front, laws, what latents are relative to) → latents
Draw = Callable[[slice, Ints, Ints], Ints]


def told(shape: LatentPyramid, name: str, wanted: Ints) -> Told:
    """Symbols that bring a matrix's weights to what is wanted, or as near as symbols of one unit can."""
    known, exponent = shape.known(name).astype(np.int64), shape.exponent(name)
    k = exponent
    while k > 1 and (np.abs(wanted - known).max() + (1 << (exponent - k) >> 1)) >> (exponent - k) > 2047:
        k -= 1
    unit = 1 << (exponent - k)
    down = np.clip((wanted - known) // unit, -2047, 2047)  # weights at or below those wanted
    further = np.abs(known + down * unit) > np.abs(wanted)
    symbols = np.minimum(down + further, 2047).astype(np.int32)  # not further from 0, where that can be
    return symbols, coding_of(symbols, k)


def forged(
    shape: LatentPyramid, wanted: Mapping[str, Ints | Told], draw: Draw, reaches: Sequence[int]
) -> CnnNetwork:
    """A network of these weights, of symbols, or of the prior's; its latents are drawn in coding order."""
    matrices, codings = [], []
    for name, size in shape.matrices.items():
        target = wanted.get(name)
        if target is None:
            symbols, coding = np.zeros(size, np.int32), MatrixCoding(0, 0)
        else:
            symbols, coding = target if isinstance(target, tuple) else told(shape, name, target)
        matrices.append(symbols)
        codings.append(coding)
    context = context_model(shape, weights_of(shape, matrices, codings))
    levels: list[Any] = [None] * len(shape.grids)
    for place in coding_order(shape.n_levels):

        def bounded(where: slice, law: Ints, whole: Ints, reach: int = reaches[place]) -> Ints:
            drawn = draw(where, law, whole) if reach else whole
            return np.clip(drawn, whole - reach, whole + reach).astype(np.int32)

        levels[place] = context.of_grid(place, levels).walk(*shape.grid_shapes[place], bounded)
    return CnnNetwork(shape=shape, matrices=matrices, codings=codings, levels=levels, reaches=list(reaches))


def reaching(shape: LatentPyramid, reach: int) -> bytes:
    """A file of the prior's networks and of latents that are 0, as these expect, coded with that reach.

    All latents of a grid have one law, so the file is quick to write, whatever its size.
    """
    tiny, writer = adding_nothing(replace(shape, width=1, height=1)), PayloadWriter()
    context, counts = (
        context_model(tiny.shape, tiny.weights),
        laplace_counts(reach).reshape(-1, 2 * reach + 1),
    )
    for place in coding_order(shape.n_levels):
        laws, _ = level_laws(context, place, tiny.levels)
        zeros = np.full(math.prod(shape.grid_shapes[place]), reach, np.int32)
        writer.all(zeros, table(counts[laws[0]]))
    tensors = write_side_information(tiny.codings, [reach] * len(shape.grids))
    size = {"width": varint(shape.width), "height": varint(shape.height)}
    sections = {"payload": writer.to_bytes(), "family": 2, "channels": shape.channels}
    return file(shape.to_bytes(), tensors, **sections, **size)


def growing(wanted: Mapping[str, Ints], sign: int) -> None:
    """Context weights with which latents of that sign expect larger ones beside them."""
    hidden = len(wanted["context1"])
    wanted["context0"][:hidden, 0] = sign * 30000
    wanted["context0"][hidden, 0] = 30000
    wanted["context1"][:, :hidden] = 30000 // hidden
    wanted["context2"][0, :hidden] = sign * 32000 // hidden


def wild(rng: np.random.Generator, shape: LatentPyramid, name: str, size: int, n_per_row: int = 4) -> Ints:
    """Weights for a matrix, a few in each row, whose magnitudes sum to about `size` times one, or to less."""
    rows, columns = shape.matrices[name]
    one = min(size * (1 << shape.exponent(name)) // 16, largest_row_sum(name) * 15 // 16)
    found = np.zeros((rows, columns), np.int64)
    of_blocks = [grid.columns for grid in shape.grids] if name == "parents" else [slice(0, columns)]
    for row in range(rows):
        for block in of_blocks:
            places = np.arange(columns)[block]
            n = min(n_per_row, len(places))
            at = rng.permutation(places)[:n]
            shares = rng.integers(1, 9, n)
            signs = 2 * rng.integers(0, 2, n) - 1
            found[row, at] = one * shares // shares.sum() * signs
    while (excess := row_sums(shape, name, found).max() * 17 // 16) > largest_row_sum(name):
        found = found * largest_row_sum(name) // excess
    return found


def drawing(rng: np.random.Generator, most_bits: int, sparse: int = 1, lean: int = 0) -> Draw:
    """Latents around what is expected, off by up to so many bits; one in `sparse` is off.

    Seven in eight of them have the sign of `lean`, if that is not 0.
    """

    def draw(where: slice, law: Ints, whole: Ints) -> Ints:
        n = len(whole)
        magnitude = rng.integers(0, 1 << rng.integers(0, most_bits + 1, n))
        sign = 2 * rng.integers(0, 2, n) - 1
        leaning = np.where(rng.integers(0, 8, n) > 0, lean, sign) if lean else sign
        drawn = whole + magnitude * leaning * (rng.integers(0, sparse, n) == 0)
        return np.clip(drawn, -MAX_LATENT, MAX_LATENT)

    return draw

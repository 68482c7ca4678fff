"""A grid of latents, a level or hyperlatents, ⇄ its part of the payload (FORMAT.md, section 10).

`place` is that of the grid in wire order, and `grids` are the latents of all grids in wire order, int16
[height, width] each. Only those of greater depth are looked at, and the grid itself where it is known.

No float decides a bit: the table of a Laplace law is a list of integer counts that sum to exactly
2**COUNT_BITS.
"""

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from inr.cnn.arithmetic import CENTRE_BITS, MAX_LATENT, MAX_REACH, N_SPREADS, Ints, Latents
from inr.cnn.context import ContextModel, PaddedPlane, fronts
from inr.coding.coder import PayloadReader, PayloadWriter, information
from inr.coding.pmf import COUNT_BITS
from inr.errors import InvalidField

_SMALL_REACH = 24  # tables up to here are kept, half a megabyte each


# exp(-1 / (16 b)) for the spread b = 2**((t - 32) / 8), in units of 2**-30: the fall of a Laplace
# density over a sixteenth of a symbol.
FALLS = (
    395007542, 429190474, 463130302, 496607237, 529428476, 561428867, 592470630, 622442337,
    651257337, 678851797, 705182512, 730224596, 753969162, 776421055, 797596699, 817522092,
    836230973, 853763180, 870163178, 885478791, 899760092, 913058465, 925425813, 936913903,
    947573834, 957455604, 966607779, 975077234, 982908970, 990145980, 996829173, 1002997330,
    1008687096, 1013932999, 1018767490, 1023220997, 1027321989, 1031097062, 1034571010, 1037766921,
    1040706261, 1043408965, 1045893524, 1048177074, 1050275481, 1052203421, 1053974460, 1055601130,
    1057095000, 1058466743, 1059726201, 1060882446, 1061943836, 1062918069, 1063812229, 1064632840,
    1065385899, 1066076925, 1066710993, 1067292768, 1067826536, 1068316239, 1068765495, 1069177631,
    1069555701, 1069902511, 1070220635, 1070512440, 1070780095, 1071025596, 1071250770, 1071457297,
    1071646719, 1071820448, 1071979784, 1072125916, 1072259937, 1072382850, 1072495574, 1072598952,
    1072693760,
)  # fmt: skip


def write_level(
    writer: PayloadWriter, context: ContextModel, place: int, grids: Sequence[Latents], reach: int
) -> None:
    """Code a grid whose latents are within `reach` of what they are relative to."""
    if reach:
        laws, relative = level_laws(context, place, grids)
        writer.each(relative + np.int32(reach), _tables(reach), laws)


def read_level(
    reader: PayloadReader,
    context: ContextModel,
    place: int,
    grids: Sequence[Latents | None],
    shape: tuple[int, int],
    reach: int,
) -> Latents:
    """Decode a grid of that shape: int16 [height, width].

    Raises:
        InvalidField: The payload is not one that an encoder writes, or a latent leaves ±MAX_LATENT.
    """
    tables = _tables(reach) if reach else None

    def read(where: slice, law: Ints, whole: Ints) -> Ints:
        return whole if tables is None else whole + (reader.each(tables, law) - np.int32(reach))

    latents = context.of_grid(place, grids).walk(*shape, read)
    largest = int(np.abs(latents).max())
    if largest > MAX_LATENT:  # none is over twice that, for which every sum has room
        raise InvalidField(f"payload: latents expected within ±{MAX_LATENT}, found {largest}")
    return latents


def level_laws(context: ContextModel, place: int, grids: Sequence[Latents]) -> tuple[Ints, Ints]:
    """Law of each latent, and the latent less what it is relative to, in coding order: int32 [n] each."""
    latents = grids[place]
    laws, relative = np.empty(latents.size, np.int32), np.empty(latents.size, np.int32)
    plane, at = PaddedPlane(*latents.shape), 0
    plane.inner[:] = latents
    predict, flat = context.of_grid(place, grids).predictor(*latents.shape), plane.flat
    for front, top, bottom in fronts(*latents.shape):
        law, whole = predict(plane.padded, front, top, bottom)
        end = at + bottom - top
        laws[at:end] = law
        np.subtract(flat[plane.places(front, top, bottom)], whole, out=relative[at:end])
        at = end
    return laws, relative


def level_bits(context: ContextModel, place: int, grids: Sequence[Latents], reach: int) -> float:
    """Information of a grid's latents under the tables that code them, in bits."""
    if not reach:
        return 0.0
    laws, relative = level_laws(context, place, grids)
    found, n_times = np.unique(laws * np.int64(2 * reach + 1) + relative + reach, return_counts=True)
    return float(n_times @ information(laplace_counts(reach)).reshape(-1)[found])


def _tables(reach: int) -> NDArray[np.float64]:
    return _small_tables(reach) if reach <= _SMALL_REACH else _new_tables(reach)


def _new_tables(reach: int) -> NDArray[np.float64]:
    counts = laplace_counts(reach)
    return counts.reshape(-1, counts.shape[-1]).astype(np.float64)


_small_tables = lru_cache(maxsize=_SMALL_REACH)(_new_tables)


@cache
def _laplace_tails() -> NDArray[np.int64]:
    """Mass beyond so many sixteenths of a symbol on one side: [spreads, sixteenths], half the law 2**30."""
    falls, tail = np.array(FALLS, dtype=np.int64), np.full(N_SPREADS, 1 << 30, dtype=np.int64)
    tails = np.empty((N_SPREADS, (MAX_REACH + 1 << CENTRE_BITS) + 1), dtype=np.int64)
    for parts in range(tails.shape[1]):
        tails[:, parts] = tail
        tail = tail * falls >> 30
    return tails


def laplace_counts(reach: int) -> NDArray[np.int64]:
    """Counts of the symbols -reach..reach under Laplace laws of every spread and every centre near 0.

    A symbol's mass is the law's integral from half a symbol below it to half a symbol above.

    Args:
        reach: Largest magnitude of a symbol, 1 to 1023.

    Returns:
        int64 [N_SPREADS, 2**CENTRE_BITS, 2 · reach + 1], each row summing to 2**COUNT_BITS. Centre f
        is (f - 2**(CENTRE_BITS - 1)) · 2**-CENTRE_BITS.
    """
    n_parts, beyond = 1 << CENTRE_BITS, _laplace_tails()
    symbols = np.arange(-reach, reach + 1)
    counts = np.empty((N_SPREADS, n_parts, 2 * reach + 1), dtype=np.int64)
    for centre in range(n_parts):
        low = n_parts * symbols - n_parts // 2 - (centre - n_parts // 2)
        high = low + n_parts
        below = np.where(low < 0, beyond[:, np.abs(low)], (1 << 31) - beyond[:, np.abs(low)])
        up_to = np.where(high < 0, beyond[:, np.abs(high)], (1 << 31) - beyond[:, np.abs(high)])
        edges = np.concatenate([np.zeros((N_SPREADS, 1), np.int64), np.cumsum(up_to - below, axis=1)], axis=1)
        counts[:, centre] = np.diff((edges << COUNT_BITS) // edges[:, -1:], axis=1)
    return counts

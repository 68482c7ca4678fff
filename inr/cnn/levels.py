"""A grid of latents, a level or hyperlatents, ⇄ its part of the payload (FORMAT.md, section 10).

`place` is that of the grid in wire order, and `grids` are the latents of all grids in wire order, int16
[height, width] each. Only those of greater depth are looked at, and the grid itself where it is known.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from inr.cnn.arithmetic import MAX_LATENT, Ints, Latents
from inr.cnn.context import ContextModel, PaddedPlane, fronts
from inr.cnn.laplace import laplace_counts
from inr.coding.coder import PayloadReader, PayloadWriter, information
from inr.errors import InvalidField

_SMALL_REACH = 24  # tables up to here are kept, half a megabyte each


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

"""A level of latents ⇄ its part of the payload (FORMAT.md, section 10)."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from inr.cnn.arithmetic import MAX_LATENT, Ints, Latents
from inr.cnn.context import ContextModel, walk_level
from inr.cnn.laplace import laplace_counts
from inr.coding.coder import PayloadReader, PayloadWriter, information
from inr.errors import InvalidField

_SMALL_REACH = 24  # tables up to here are kept, half a megabyte each


def write_level(writer: PayloadWriter, context: ContextModel, latents: Latents, reach: int) -> None:
    """Code a level, int16 [height, width], whose latents are within `reach` of what they are relative to."""
    if reach:
        laws, relative = level_laws(context, latents)
        writer.each(relative + np.int32(reach), _tables(reach), laws)


def read_level(reader: PayloadReader, context: ContextModel, shape: tuple[int, int], reach: int) -> Latents:
    """Decode a level of that shape: int16 [height, width].

    Raises:
        InvalidField: The payload is not one that an encoder writes, or a latent leaves ±MAX_LATENT.
    """
    tables = _tables(reach) if reach else None

    def read(rows: NDArray[np.int64], columns: NDArray[np.int64], law: Ints, whole: Ints) -> Ints:
        found = whole + (reader.each(tables, law) - np.int32(reach) if tables is not None else 0)
        if np.abs(found).max() > MAX_LATENT:
            raise InvalidField(f"payload: latents expected within ±{MAX_LATENT}, found {np.abs(found).max()}")
        return found

    return walk_level(context, *shape, read)


def level_laws(context: ContextModel, latents: Latents) -> tuple[Ints, Ints]:
    """Law of each latent, and the latent less what it is relative to, in coding order: int32 [n] each."""
    laws, relative = [], []

    def take(rows: NDArray[np.int64], columns: NDArray[np.int64], law: Ints, whole: Ints) -> Ints:
        found = latents[rows, columns].astype(np.int32)
        laws.append(law.copy())
        relative.append(found - whole)
        return found

    height, width = latents.shape
    walk_level(context, height, width, take)
    return np.concatenate(laws), np.concatenate(relative)


def level_bits(context: ContextModel, latents: Latents, reach: int) -> float:
    """Information of a level's latents under the tables that code them, in bits."""
    if not reach:
        return 0.0
    laws, relative = level_laws(context, latents)
    found, n_times = np.unique(laws * np.int64(2 * reach + 1) + relative + reach, return_counts=True)
    return float(n_times @ information(laplace_counts(reach)).reshape(-1)[found])


def _tables(reach: int) -> NDArray[np.float64]:
    return _small_tables(reach) if reach <= _SMALL_REACH else _new_tables(reach)


def _new_tables(reach: int) -> NDArray[np.float64]:
    counts = laplace_counts(reach)
    return counts.reshape(-1, counts.shape[-1]).astype(np.float64)


_small_tables = lru_cache(maxsize=_SMALL_REACH)(_new_tables)

"""Symbols and integer tables ⇄ payload bytes. The only importer of constriction.

One range coder runs over all tensors in wire order (FORMAT.md, section 6). `perfect=False` is part
of the format: with counts that sum to a power of two its float64 arithmetic is exact, so that the
boundaries it derives are the integers that FORMAT.md gives.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import constriction
import numpy as np
from numpy.typing import NDArray

from inr.bitstream import TensorCoding
from inr.coding.pmf import BLOCK, COUNT_BITS, ScaleContext, geometric_counts, uniform_counts
from inr.errors import InvalidField

_ANY_TABLE = constriction.stream.model.Categorical(perfect=False)  # counts come with the symbols, in float64
_COUNTS_AT_ONCE = 1 << 20  # of the tables that are gathered together

Symbols = NDArray[np.int32] | NDArray[np.int16]  # of one tensor


def _table(counts: NDArray[np.int64]) -> "constriction.stream.model.Categorical":
    return constriction.stream.model.Categorical(counts.astype(np.float64), perfect=False)


@lru_cache(maxsize=1024)
def _geometric(scale_index: int, low: int, high: int) -> "constriction.stream.model.Categorical":
    return _table(geometric_counts(scale_index, low, high))


def _walk(
    shape: tuple[int, int],
    coding: TensorCoding,
    code_block: Callable[[list[int], int, int], Symbols],
) -> None:
    """Visit a matrix's blocks in wire order; `code_block(scales, row, start)` returns the symbols there."""
    n_rows, n_columns = shape
    assert coding.mean_index is not None  # matrices have one: both ends take it from the same field
    context = ScaleContext(n_columns, coding.mean_index)
    for row in range(n_rows):
        for start in range(0, n_columns, BLOCK):
            context.add(start, code_block(context.scale_indices(start), row, start))


class PayloadWriter:
    """Writes a payload: one range coder over all symbols."""

    def __init__(self) -> None:
        self._encoder = constriction.stream.queue.RangeEncoder()

    def tensor(self, symbols: Symbols, coding: TensorCoding) -> None:
        """Code a tensor of weights.

        Args:
            symbols: int32 matrix or vector within the coding's low..high; vectors whose coding has a
                mean ascend from 0 on, and their increments are within.
            coding: Its side information.
        """
        if coding.low == coding.high:
            return
        if coding.mean_index is None:
            table = _table(uniform_counts(coding.high - coding.low + 1))
            self._encoder.encode((symbols - coding.low).astype(np.int32), table)
        elif symbols.ndim == 1:
            increments = np.diff(symbols, prepend=np.int32(0))
            self._encoder.encode(increments, _geometric(coding.mean_index, 0, coding.high))
        else:
            self._matrix(symbols, coding)

    def _matrix(self, symbols: Symbols, coding: TensorCoding) -> None:
        def code_block(scales: list[int], row: int, start: int) -> Symbols:
            block = symbols[row, start : start + BLOCK]
            for scale, symbol in zip(scales, block.tolist(), strict=True):
                self._encoder.encode(symbol - coding.low, _geometric(scale, coding.low, coding.high))
            return block

        _walk((symbols.shape[0], symbols.shape[1]), coding, code_block)

    def under(self, symbols: NDArray[np.int32], tables: NDArray[np.float64], laws: NDArray[np.int32]) -> None:
        """Code symbols, int32 [n] from 0 on, each under the table of its law.

        Args:
            symbols: What to code.
            tables: float64 [laws, symbols], counts as `pmf` makes them.
            laws: int32 [n], which table codes which symbol.
        """
        for part in _parts(len(laws), tables.shape[1]):
            self._encoder.encode(symbols[part].astype(np.int32), _ANY_TABLE, tables[laws[part]])

    def to_bytes(self) -> bytes:
        """Whole little-endian 32-bit words."""
        payload: bytes = self._encoder.get_compressed().astype("<u4").tobytes()
        return payload


class PayloadReader:
    """Reads what `PayloadWriter` wrote, in the same order; each method is the inverse of its namesake.

    Raises:
        InvalidField: From any method: the payload is not one that the writer writes.
    """

    def __init__(self, payload: bytes) -> None:
        words = np.frombuffer(payload, dtype="<u4").astype(np.uint32)
        self._decoder = constriction.stream.queue.RangeDecoder(words)

    def tensor(self, shape: tuple[int, ...], coding: TensorCoding) -> NDArray[np.int32]:
        """A tensor of that shape."""
        if coding.low == coding.high:
            return np.full(shape, coding.low, dtype=np.int32)
        with _named_errors():
            if coding.mean_index is None:
                table = _table(uniform_counts(coding.high - coding.low + 1))
                offsets: NDArray[np.int32] = self._decoder.decode(table, shape[0])
                return offsets + np.int32(coding.low)
            if len(shape) == 1:
                increments = self._decoder.decode(_geometric(coding.mean_index, 0, coding.high), shape[0])
                ascending: NDArray[np.int32] = np.cumsum(increments, dtype=np.int32)
                return ascending
            return self._matrix((shape[0], shape[1]), coding)

    def _matrix(self, shape: tuple[int, int], coding: TensorCoding) -> NDArray[np.int32]:
        symbols = np.empty(shape, dtype=np.int32)

        def code_block(scales: list[int], row: int, start: int) -> Symbols:
            block = symbols[row, start : start + BLOCK]
            block[:] = [self._decoder.decode(_geometric(scale, coding.low, coding.high)) for scale in scales]
            block += coding.low
            return block

        _walk(shape, coding, code_block)
        return symbols

    def under(self, tables: NDArray[np.float64], laws: NDArray[np.int32]) -> NDArray[np.int32]:
        """As many symbols as there are laws."""
        symbols = np.empty(len(laws), dtype=np.int32)
        with _named_errors():
            for part in _parts(len(laws), tables.shape[1]):
                symbols[part] = self._decoder.decode(_ANY_TABLE, tables[laws[part]])
        return symbols


def _parts(n_symbols: int, n_counts: int) -> Iterator[slice]:
    """Slices of the symbols whose tables are gathered together."""
    size = max(1, _COUNTS_AT_ONCE // n_counts)
    return (slice(start, start + size) for start in range(0, n_symbols, size))


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except AssertionError as error:  # how constriction reports a word sequence no encoder writes
        raise InvalidField(f"payload: not decodable ({error})") from None


def encode_tensors(tensors: Sequence[Symbols], codings: Sequence[TensorCoding]) -> bytes:
    """The payload of a network that is nothing but weights: its tensors, in wire order."""
    writer = PayloadWriter()
    for symbols, coding in zip(tensors, codings, strict=True):
        writer.tensor(symbols, coding)
    return writer.to_bytes()


def decode_tensors(
    payload: bytes, shapes: Sequence[tuple[int, ...]], codings: Sequence[TensorCoding]
) -> list[Symbols]:
    """The inverse of `encode_tensors`.

    Raises:
        InvalidField: The payload is not one that the encoder writes.
    """
    reader = PayloadReader(payload)
    return [reader.tensor(shape, coding) for shape, coding in zip(shapes, codings, strict=True)]


@dataclass(frozen=True)
class TensorSize:
    """What one coded tensor takes.

    Attributes:
        name: Layer and kind, or level.
        shape: [out, in] of a matrix, [out] of a vector, [height, width] of a level of latents.
        step: Quantisation step; in turns for sine layers, full scale for the output of `mlp`.
        n_symbols: Weights or latents.
        n_zero: Those that are zero.
        bits: Information of the symbols under their integer tables.
    """

    name: str
    shape: tuple[int, ...]
    step: float
    n_symbols: int
    n_zero: int
    bits: float


def tensor_bits(symbols: Symbols, coding: TensorCoding) -> float:
    """Information of a tensor's symbols under the tables that code them, in bits."""
    if coding.low == coding.high:
        return 0.0
    if coding.mean_index is None:
        return float(symbols.size * np.log2(coding.high - coding.low + 1))
    if symbols.ndim == 1:
        information = _information(coding.mean_index, 0, coding.high)
        return float(sum(information[increment] for increment in np.diff(symbols, prepend=0)))
    total = 0.0

    def code_block(scales: list[int], row: int, start: int) -> Symbols:
        nonlocal total
        block = symbols[row, start : start + BLOCK]
        for scale, symbol in zip(scales, (block - coding.low).tolist(), strict=True):
            total += _information(scale, coding.low, coding.high)[symbol]
        return block

    _walk((symbols.shape[0], symbols.shape[1]), coding, code_block)
    return total


@lru_cache(maxsize=1024)
def _information(scale_index: int, low: int, high: int) -> list[float]:
    bits: list[float] = information(geometric_counts(scale_index, low, high)).tolist()
    return bits


def information(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bits of each symbol, with the boundaries that the range coder uses (24 bits): the shape of `counts`."""
    n_symbols = counts.shape[-1]
    edges = np.cumsum(counts, axis=-1)
    boundaries = (edges * ((1 << 24) - n_symbols) >> COUNT_BITS) + np.arange(1, n_symbols + 1)
    boundaries[..., -1] = 1 << 24
    bits: NDArray[np.float64] = 24 - np.log2(np.diff(boundaries, axis=-1, prepend=0))
    return bits

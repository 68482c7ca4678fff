"""The three ways in which a tensor of weights is coded (FORMAT.md, section 6).

Each knows how it writes a tensor, reads it back, and how many bits it takes. The step that a symbol stands
for is the family's business.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inr.coding.coder import PayloadReader, PayloadWriter, Symbols, Table, information, table
from inr.coding.pmf import BLOCK, ScaleContext, geometric_counts, uniform_counts


class TensorCoding(Protocol):
    """Side information of a tensor, and the code that follows from it."""

    @property
    def low(self) -> int:
        """Smallest symbol or increment that the coding has room for."""

    @property
    def high(self) -> int:
        """Largest symbol or increment that the coding has room for."""

    def write(self, writer: PayloadWriter, symbols: Symbols) -> None:
        """Code a tensor whose symbols the coding has room for."""

    def read(self, reader: PayloadReader, shape: tuple[int, ...]) -> NDArray[np.int32]:
        """Decode a tensor of that shape. Raises `InvalidField` where no encoder writes such a payload."""

    def bits(self, symbols: Symbols) -> float:
        """Information of a tensor's symbols under the tables that code them."""


@dataclass(frozen=True)
class Geometric:
    """A matrix under two-sided geometric laws, whose scales follow from the symbols before each block.

    Attributes:
        mean_index: Index of the mean magnitude in pmf.SCALES.
        low: Smallest symbol coded, -2047 to 2047.
        high: Largest symbol coded, `low` to 2047.
    """

    mean_index: int
    low: int
    high: int

    def write(self, writer: PayloadWriter, symbols: Symbols) -> None:
        """Code a matrix, int32 [rows, columns]."""

        def code_block(scales: list[int], row: int, start: int) -> Symbols:
            block = symbols[row, start : start + BLOCK]
            writer.block((block - self.low).tolist(), self._tables(scales))
            return block

        self._walk(symbols.shape, code_block)

    def read(self, reader: PayloadReader, shape: tuple[int, ...]) -> NDArray[np.int32]:
        """Decode a matrix of that shape."""
        symbols = np.full(shape, self.low, dtype=np.int32)

        def code_block(scales: list[int], row: int, start: int) -> Symbols:
            block = symbols[row, start : start + BLOCK]
            block += np.array(reader.block(self._tables(scales)), dtype=np.int32)
            return block

        self._walk(shape, code_block)
        return symbols

    def bits(self, symbols: Symbols) -> float:
        """Information of a matrix's symbols."""
        total = 0.0

        def code_block(scales: list[int], row: int, start: int) -> Symbols:
            nonlocal total
            block = symbols[row, start : start + BLOCK]
            for scale, symbol in zip(scales, (block - self.low).tolist(), strict=True):
                total += _geometric_bits(scale, self.low, self.high)[symbol]
            return block

        self._walk(symbols.shape, code_block)
        return total

    def _tables(self, scales: list[int]) -> list[Table]:
        return [_geometric(scale, self.low, self.high) for scale in scales]

    def _walk(self, shape: tuple[int, ...], code_block: Callable[[list[int], int, int], Symbols]) -> None:
        """Visit the blocks in wire order; `code_block(scales, row, start)` returns the symbols there."""
        if self.low == self.high:
            return
        n_rows, n_columns = shape
        context = ScaleContext(n_columns, self.mean_index)
        for row in range(n_rows):
            for start in range(0, n_columns, BLOCK):
                context.add(start, code_block(context.scale_indices(start), row, start))


@dataclass(frozen=True)
class Increments:
    """A vector that ascends from 0 on; its increments follow a one-sided geometric law.

    Attributes:
        mean_index: Index in pmf.SCALES of the law's scale.
        high: Largest increment, 0 to 2047.
    """

    mean_index: int
    high: int

    @property
    def low(self) -> int:
        """Smallest increment."""
        return 0

    def write(self, writer: PayloadWriter, symbols: Symbols) -> None:
        """Code an ascending vector, int32 [n]."""
        if self.high:
            writer.all(np.diff(symbols, prepend=np.int32(0)), _geometric(self.mean_index, 0, self.high))

    def read(self, reader: PayloadReader, shape: tuple[int, ...]) -> NDArray[np.int32]:
        """Decode a vector of that length."""
        if not self.high:
            return np.zeros(shape, dtype=np.int32)
        increments = reader.all(_geometric(self.mean_index, 0, self.high), shape[0])
        ascending: NDArray[np.int32] = np.cumsum(increments, dtype=np.int32)
        return ascending

    def bits(self, symbols: Symbols) -> float:
        """Information of the increments."""
        if not self.high:
            return 0.0
        of_increment = _geometric_bits(self.mean_index, 0, self.high)
        return float(sum(of_increment[increment] for increment in np.diff(symbols, prepend=0)))


@dataclass(frozen=True)
class Uniform:
    """A vector of equally likely symbols.

    Attributes:
        low: Smallest symbol, -2047 to 2047.
        high: Largest symbol, `low` to 2047.
    """

    low: int
    high: int

    def write(self, writer: PayloadWriter, symbols: Symbols) -> None:
        """Code a vector, int32 [n]."""
        if self.low < self.high:
            writer.all(symbols - np.int32(self.low), self._table())

    def read(self, reader: PayloadReader, shape: tuple[int, ...]) -> NDArray[np.int32]:
        """Decode a vector of that length."""
        if self.low == self.high:
            return np.full(shape, self.low, dtype=np.int32)
        return reader.all(self._table(), shape[0]) + np.int32(self.low)

    def bits(self, symbols: Symbols) -> float:
        """Information of the symbols."""
        return float(symbols.size * np.log2(self.high - self.low + 1))

    def _table(self) -> Table:
        return table(uniform_counts(self.high - self.low + 1))


@lru_cache(maxsize=1024)
def _geometric(scale_index: int, low: int, high: int) -> Table:
    return table(geometric_counts(scale_index, low, high))


@lru_cache(maxsize=1024)
def _geometric_bits(scale_index: int, low: int, high: int) -> list[float]:
    bits: list[float] = information(geometric_counts(scale_index, low, high)).tolist()
    return bits

"""Symbols and integer tables ⇄ payload bytes. The only importer of constriction.

One range coder runs over all tensors in wire order (FORMAT.md, section 6). `perfect=False` is part
of the format: with counts that sum to a power of two its float64 arithmetic is exact, so that the
boundaries it derives are the integers that FORMAT.md gives.

Symbols have one payload (section 6.5): a reader codes again what it decodes, and in the end compares.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from inr.coding.pmf import COUNT_BITS
from inr.errors import InvalidField

_ANY_TABLE = constriction.stream.model.Categorical(perfect=False)  # counts come with the symbols, in float64
_COUNTS_AT_ONCE = 1 << 20  # of the tables that are gathered together
_WORD_BYTES = 4

Symbols = NDArray[np.int32] | NDArray[np.int16]  # of one tensor
Table = Any  # a model of constriction, which comes without type information


def table(counts: NDArray[np.int64]) -> Table:
    """Counts as `pmf` makes them, ready to code with."""
    return constriction.stream.model.Categorical(counts.astype(np.float64), perfect=False)


class PayloadWriter:
    """Writes a payload: one range coder over all symbols, which count from 0 on."""

    def __init__(self) -> None:
        self._encoder = constriction.stream.queue.RangeEncoder()

    def block(self, symbols: Sequence[int], tables: Sequence[Table]) -> None:
        """Code a few symbols, each under its table."""
        for symbol, its_table in zip(symbols, tables, strict=True):
            self._encoder.encode(symbol, its_table)

    def all(self, symbols: Symbols, table: Table) -> None:
        """Code symbols, int32 [n], all under one table."""
        self._encoder.encode(symbols.astype(np.int32, copy=False), table)

    def each(self, symbols: NDArray[np.int32], tables: NDArray[np.float64], laws: NDArray[np.int32]) -> None:
        """Code symbols, each under the table of its law.

        Args:
            symbols: int32 [n].
            tables: float64 [laws, symbols], counts as `pmf` makes them.
            laws: int32 [n], the table of each symbol.
        """
        for part in _parts(len(laws), tables.shape[1]):
            self.some(symbols[part].astype(np.int32), tables[laws[part]])

    def some(self, symbols: NDArray[np.int32], tables: NDArray[np.float64]) -> None:
        """Code symbols, int32 [n], each under a table of its own: float64 [n, symbols]."""
        self._encoder.encode(symbols, _ANY_TABLE, tables)

    @property
    def n_words(self) -> int:
        """Words of the payload until now."""
        n_words: int = self._encoder.num_words()
        return n_words

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
        self._payload, self._again = payload, PayloadWriter()
        self._most_words = len(words) + 2  # which the decoder may have read

    def block(self, tables: Sequence[Table]) -> list[int]:
        """Decode as many symbols as there are tables."""
        symbols = [self._decode(its_table) for its_table in tables]
        self._again.block(symbols, tables)
        return symbols

    def all(self, table: Table, n_symbols: int) -> NDArray[np.int32]:
        """Decode so many symbols: int32 [n_symbols]."""
        symbols: NDArray[np.int32] = self._decode(table, n_symbols)
        self._again.all(symbols, table)
        return symbols

    def each(self, tables: NDArray[np.float64], laws: NDArray[np.int32]) -> NDArray[np.int32]:
        """Decode as many symbols as there are laws: int32 [n]."""
        parts = [self._some(tables[laws[part]]) for part in _parts(len(laws), tables.shape[1])]
        return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.int32), *parts])

    def _some(self, tables: NDArray[np.float64]) -> NDArray[np.int32]:
        symbols: NDArray[np.int32] = self._decode(_ANY_TABLE, tables)
        self._again.some(symbols, tables)
        return symbols

    def _decode(self, *arguments: Any) -> Any:
        if self._again.n_words > self._most_words:
            raise InvalidField(f"payload: ends before its symbols do, after {len(self._payload)} bytes")
        try:
            return self._decoder.decode(*arguments)
        except AssertionError as error:  # how constriction reports a word sequence no encoder writes
            raise InvalidField(f"payload: not decodable ({error})") from None

    def end(self) -> None:
        """Check that the payload is what the writer makes of the symbols, to the last bit."""
        if self._again.to_bytes() != self._payload:
            n_words, found = self._again.n_words, len(self._payload) // _WORD_BYTES
            words = "word" if n_words == 1 else "words"
            raise InvalidField(
                f"payload: expected the {n_words} {words} that its symbols take, found {found}, or others"
            )


def _parts(n_symbols: int, n_counts: int) -> Iterator[slice]:
    """Slices of the symbols whose tables are gathered together."""
    size = max(1, _COUNTS_AT_ONCE // n_counts)
    return (slice(start, start + size) for start in range(0, n_symbols, size))


def information(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bits of each symbol, with the boundaries that the range coder uses (24 bits): the shape of `counts`."""
    n_symbols = counts.shape[-1]
    edges = np.cumsum(counts, axis=-1)
    boundaries = (edges * ((1 << 24) - n_symbols) >> COUNT_BITS) + np.arange(1, n_symbols + 1)
    boundaries[..., -1] = 1 << 24
    bits: NDArray[np.float64] = 24 - np.log2(np.diff(boundaries, axis=-1, prepend=0))
    return bits

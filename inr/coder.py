"""Symbols and integer tables ⇄ payload bytes. The only importer of constriction.

One range coder runs over all tensors in wire order (FORMAT.md, section 6). `perfect=False` is part
of the format: with counts that sum to a power of two its float64 arithmetic is exact, so that the
boundaries it derives are the integers that FORMAT.md gives.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import constriction
import numpy as np
from numpy.typing import NDArray

from inr.bitstream import TensorCoding
from inr.errors import InvalidField
from inr.pmf import BLOCK, COUNT_BITS, ScaleContext, geometric_counts, uniform_counts


def _table(counts: NDArray[np.int64]) -> "constriction.stream.model.Categorical":
    return constriction.stream.model.Categorical(counts.astype(np.float64), perfect=False)


@lru_cache(maxsize=1024)
def _geometric(scale_index: int, low: int, high: int) -> "constriction.stream.model.Categorical":
    return _table(geometric_counts(scale_index, low, high))


def _walk(
    shape: tuple[int, int],
    coding: TensorCoding,
    code_block: Callable[[list[int], int, int], NDArray[np.int32]],
) -> None:
    """Visit a matrix's blocks in wire order; `code_block(scales, row, start)` returns the symbols there."""
    n_rows, n_columns = shape
    assert coding.mean_index is not None  # matrices have one: both ends take it from the same field
    context = ScaleContext(n_columns, coding.mean_index)
    for row in range(n_rows):
        for start in range(0, n_columns, BLOCK):
            context.add(start, code_block(context.scale_indices(start), row, start))


def _encode_matrix(
    encoder: "constriction.stream.queue.RangeEncoder", symbols: NDArray[np.int32], coding: TensorCoding
) -> None:
    def code_block(scales: list[int], row: int, start: int) -> NDArray[np.int32]:
        block = symbols[row, start : start + BLOCK]
        for scale, symbol in zip(scales, block.tolist(), strict=True):
            encoder.encode(symbol - coding.low, _geometric(scale, coding.low, coding.high))
        return block

    _walk((symbols.shape[0], symbols.shape[1]), coding, code_block)


def _decode_matrix(
    decoder: "constriction.stream.queue.RangeDecoder", shape: tuple[int, int], coding: TensorCoding
) -> NDArray[np.int32]:
    symbols = np.empty(shape, dtype=np.int32)

    def code_block(scales: list[int], row: int, start: int) -> NDArray[np.int32]:
        block = symbols[row, start : start + BLOCK]
        block[:] = [decoder.decode(_geometric(scale, coding.low, coding.high)) for scale in scales]
        block += coding.low
        return block

    _walk(shape, coding, code_block)
    return symbols


def encode_tensors(tensors: Sequence[NDArray[np.int32]], codings: Sequence[TensorCoding]) -> bytes:
    """Code all tensors of a network, in wire order, into one payload.

    Args:
        tensors: int32 matrices and vectors; vectors whose coding has a mean ascend from 0 on.
        codings: Their side information; every symbol coded lies within its low..high.

    Returns:
        Whole little-endian 32-bit words.
    """
    encoder = constriction.stream.queue.RangeEncoder()
    for symbols, coding in zip(tensors, codings, strict=True):
        if coding.low == coding.high:
            continue
        if coding.mean_index is None:
            table = _table(uniform_counts(coding.high - coding.low + 1))
            encoder.encode((symbols - coding.low).astype(np.int32), table)
        elif symbols.ndim == 1:
            increments = np.diff(symbols, prepend=np.int32(0))
            encoder.encode(increments, _geometric(coding.mean_index, 0, coding.high))
        else:
            _encode_matrix(encoder, symbols, coding)
    payload: bytes = encoder.get_compressed().astype("<u4").tobytes()
    return payload


def decode_tensors(
    payload: bytes, shapes: Sequence[tuple[int, ...]], codings: Sequence[TensorCoding]
) -> list[NDArray[np.int32]]:
    """The inverse of `encode_tensors`.

    Raises:
        InvalidField: The payload is not one that the encoder writes.
    """
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(payload, dtype="<u4").astype(np.uint32))
    tensors = []
    try:
        for shape, coding in zip(shapes, codings, strict=True):
            if coding.low == coding.high:
                tensors.append(np.full(shape, coding.low, dtype=np.int32))
            elif coding.mean_index is None:
                table = _table(uniform_counts(coding.high - coding.low + 1))
                tensors.append(decoder.decode(table, shape[0]).astype(np.int32) + np.int32(coding.low))
            elif len(shape) == 1:
                increments = decoder.decode(_geometric(coding.mean_index, 0, coding.high), shape[0])
                tensors.append(np.cumsum(increments, dtype=np.int32))
            else:
                tensors.append(_decode_matrix(decoder, (shape[0], shape[1]), coding))
    except AssertionError as error:  # how constriction reports a word sequence no encoder writes
        raise InvalidField(f"payload: not decodable ({error})") from None
    return tensors


def tensor_bits(symbols: NDArray[np.int32], coding: TensorCoding) -> float:
    """Information of a tensor's symbols under the tables that code them, in bits."""
    if coding.low == coding.high:
        return 0.0
    if coding.mean_index is None:
        return float(symbols.size * np.log2(coding.high - coding.low + 1))
    if symbols.ndim == 1:
        information = _information(coding.mean_index, 0, coding.high)
        return float(sum(information[increment] for increment in np.diff(symbols, prepend=0)))
    total = 0.0

    def code_block(scales: list[int], row: int, start: int) -> NDArray[np.int32]:
        nonlocal total
        block = symbols[row, start : start + BLOCK]
        for scale, symbol in zip(scales, (block - coding.low).tolist(), strict=True):
            total += _information(scale, coding.low, coding.high)[symbol]
        return block

    _walk((symbols.shape[0], symbols.shape[1]), coding, code_block)
    return total


@lru_cache(maxsize=1024)
def _information(scale_index: int, low: int, high: int) -> list[float]:
    """Bits of each symbol low..high, with the boundaries that the range coder uses (24 bits)."""
    counts = geometric_counts(scale_index, low, high)
    edges = np.concatenate([[0], np.cumsum(counts)])
    free = (1 << 24) - len(counts)
    boundaries = (edges * free >> COUNT_BITS) + np.arange(len(edges))
    boundaries[-1] = 1 << 24
    bits: list[float] = (24 - np.log2(np.diff(boundaries))).tolist()
    return bits

"""JPEG: the walk through one scan from code to code, in a compiled loop."""

from typing import Any

import numpy as np

from inr.compiling import compiled

BAD_CODE, BEYOND_BLOCK, ENDS_EARLY, NO_RESTART, BYTES_LEFT, BEYOND_RANGE = 1, 2, 3, 4, 5, 6

# The state of the reader: place in the data, bits at hand and how many, those of them that are no data.
_AT, _BITS, _COUNT, _FILLED, _FAULT, _RUN = range(6)


@compiled()
def _fill(data: Any, state: Any) -> None:
    """Have 32 bits at hand or more; zeros follow the last byte before a marker."""
    while state[_COUNT] <= 32:
        at, byte = state[_AT], np.int64(0)
        is_data = at < data.size and (data[at] != 0xFF or (at + 1 < data.size and data[at + 1] == 0))
        if is_data:
            byte = np.int64(data[at])
            state[_AT] = at + (2 if byte == 0xFF else 1)
        else:
            state[_FILLED] += 8
        state[_BITS] = (state[_BITS] << 8 | byte) & 0xFFFFFFFFFF
        state[_COUNT] += 8


@compiled()
def _take(data: Any, state: Any, n: int) -> Any:
    """The next n bits, at most 16."""
    if state[_COUNT] < n:
        _fill(data, state)
    state[_COUNT] -= n
    if state[_COUNT] < state[_FILLED]:
        state[_FAULT] = ENDS_EARLY
    return (state[_BITS] >> state[_COUNT]) & ((1 << n) - 1)


@compiled()
def _symbol(data: Any, state: Any, table: Any) -> Any:
    """The symbol of the next code."""
    if state[_COUNT] < 16:
        _fill(data, state)
    found = table[(state[_BITS] >> (state[_COUNT] - 16)) & 0xFFFF]
    if found == 0:
        state[_FAULT] = ENDS_EARLY if state[_COUNT] - state[_FILLED] < 16 else BAD_CODE
        return 0
    state[_COUNT] -= found >> 8
    if state[_COUNT] < state[_FILLED]:
        state[_FAULT] = ENDS_EARLY
    return found & 255


@compiled()
def _first_pass(data: Any, state: Any, table: Any, start: int, end: int, nonzero: Any) -> None:
    """Coefficients of a block, each to the first bits that it has; `_RUN` blocks after it have none."""
    k = start
    while k <= end and state[_FAULT] == 0:
        symbol = _symbol(data, state, table)
        run, size = symbol >> 4, symbol & 15
        if size == 0 and run < 15:
            state[_RUN] = (1 << run) + _take(data, state, run) - 1
            return
        k += run
        if size:
            if k > end:
                state[_FAULT] = BEYOND_BLOCK
                return
            _take(data, state, size)
            nonzero[k] = 1
        k += 1


@compiled()
def _refining_pass(data: Any, state: Any, table: Any, start: int, end: int, nonzero: Any) -> None:
    """One more bit of the coefficients of a block that have some, and the first ones of others."""
    k = start
    while state[_RUN] < 0 and k <= end and state[_FAULT] == 0:
        symbol = _symbol(data, state, table)
        run, size = symbol >> 4, symbol & 15
        if size == 0 and run < 15:
            state[_RUN] = (1 << run) + _take(data, state, run) - 1
            break
        if size:
            _take(data, state, 1)
        while k <= end and (nonzero[k] or run > 0):
            if nonzero[k]:
                _take(data, state, 1)
            else:
                run -= 1
            k += 1
        if size:
            if k > end:
                state[_FAULT] = BEYOND_BLOCK
                return
            nonzero[k] = 1
        k += 1
    while state[_RUN] >= 0 and k <= end:
        if nonzero[k]:
            _take(data, state, 1)
        k += 1


@compiled()
def _mean(data: Any, state: Any, table: Any) -> Any:
    """By how much the mean of a block differs from that of the one before."""
    size = min(_symbol(data, state, table), 16)
    value = _take(data, state, size)
    return value if size == 0 or value >> (size - 1) else value - (1 << size) + 1


@compiled()
def _block(data: Any, state: Any, dc: Any, ac: Any, limits: Any, mean: Any, nonzero: Any) -> None:
    start, end, is_refining, is_progressive = limits[0], limits[1], limits[2] > 0, limits[4] > 0
    if start == 0:
        if is_refining:
            _take(data, state, 1)
        else:
            mean[0] += _mean(data, state, dc)
            if abs(mean[0]) > mean[1] and state[_FAULT] == 0:
                state[_FAULT] = BEYOND_RANGE
    if not is_progressive:
        state[_RUN] = 0
        _first_pass(data, state, ac, 1, 63, nonzero)
        return
    if start == 0:
        return
    if state[_RUN] > 0:
        state[_RUN] -= 1
        if is_refining:
            for k in range(start, end + 1):
                if nonzero[k]:
                    _take(data, state, 1)
        return
    if not is_refining:
        _first_pass(data, state, ac, start, end, nonzero)
    else:
        state[_RUN] = -1
        _refining_pass(data, state, ac, start, end, nonzero)
        state[_RUN] = max(state[_RUN], 0)


@compiled()
def _align(data: Any, state: Any) -> None:
    """Drop the bits of the last byte, and go back over whole bytes that were taken too early."""
    spare = (state[_COUNT] - state[_FILLED]) // 8
    if spare > 0:
        state[_FAULT] = BYTES_LEFT
    state[_COUNT] = state[_FILLED] = state[_BITS] = state[_RUN] = 0
    at = state[_AT]
    if at < data.size and state[_FAULT] == 0 and data[at] != 0xFF:
        state[_FAULT] = BYTES_LEFT
    while at + 1 < data.size and data[at + 1] == 0xFF:
        at += 1
    state[_AT] = at


@compiled()
def walk(
    data: Any, at: int, order: Any, which: Any, dc: Any, ac: Any, limits: Any, means: Any, nonzero: Any
) -> tuple[int, int, int]:
    """Walk through a scan.

    Args:
        data: u8, the file.
        at: Where the scan's codes begin.
        order: i64 [units, blocks], the number of each block.
        which: i64 [blocks], the colour that it is of.
        dc: i32 [colours, 65536], for every 16 bits 256 · length + symbol of the code that they begin with.
        ac: The same for the other coefficients.
        limits: First and last coefficient, bits sent before, units between restarts, 1 if progressive.
        means: i64 [colours, 2], 0 and the most that the mean of a block may be, or less than -that.
        nonzero: u8 [blocks, 64], of a progressive picture, the coefficients that have bits; is kept up.

    Returns:
        Where the next marker stands; what is wrong, 0 for nothing; and how many units were read.
    """
    state = np.zeros(6, np.int64)
    state[_AT] = at
    scratch, interval, n = np.zeros(64, np.uint8), limits[3], 0
    for unit in range(order.shape[0]):
        if interval and unit and unit % interval == 0:
            _align(data, state)
            at, n = state[_AT], (unit // interval - 1) % 8
            if state[_FAULT] == 0 and not (at + 1 < data.size and data[at + 1] == 0xD0 + n):
                state[_FAULT] = NO_RESTART
            if state[_FAULT]:
                return at, state[_FAULT], unit
            state[_AT] = at + 2
            means[:, 0] = 0
        for b in range(order.shape[1]):
            row = nonzero[order[unit, b]] if limits[4] else scratch
            _block(data, state, dc[which[b]], ac[which[b]], limits, means[which[b]], row)
        if state[_FAULT]:
            return state[_AT], state[_FAULT], unit
    _align(data, state)
    return state[_AT], state[_FAULT], order.shape[0]

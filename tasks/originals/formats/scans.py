"""JPEG: the codes of its scans, read as a decoder reads them, to find those that are no codes.

libjpeg fills what it cannot read and goes on, and Pillow keeps its warnings to itself, so a file that is
cut or changed opens, half grey. Here nothing is decoded into pixels: each scan is walked from code to code,
for sequential and progressive pictures by Huffman's codes (ITU-T T.81, annexes F and G). Arithmetic and
lossless ones are not looked into. A change of a code into another one of the same length stays unseen.
"""

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tasks.originals.formats.walking import (
    BAD_CODE,
    BEYOND_BLOCK,
    BEYOND_RANGE,
    BYTES_LEFT,
    ENDS_EARLY,
    NO_RESTART,
    walk,
)

_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_OTHER_FRAMES = (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_EOI, _SOS, _DQT, _DHT, _DRI = 0xD9, 0xDA, 0xDB, 0xC4, 0xDD
_ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a segment
_MOST_MEAN = 1024  # 8 · 128: a block of black
_MAX_BLOCKS, _MAX_SCANS, _MAX_FACTOR = 1 << 23, 500, 4  # beyond these nothing is looked into
_UNSEEN = 127  # of the bits of a coefficient that are still to come
_WHAT = {
    BAD_CODE: "a code that is none",
    BEYOND_BLOCK: "a coefficient beyond its block",
    BEYOND_RANGE: "a block lighter than white or darker than black",
    ENDS_EARLY: "the end before the picture is whole",
    NO_RESTART: "another marker than the next restart",
    BYTES_LEFT: "bytes after its last code",
}


@dataclass(frozen=True)
class Scans:
    """What is damaged, empty if nothing; and where the file's picture ends, if that is known."""

    damage: str
    end: int | None


@dataclass
class _Component:
    """A colour: sampling factors, table of steps, blocks as they lie in whole units, the first block."""

    horizontal: int
    vertical: int
    table: int
    across: int = 0
    down: int = 0
    first: int = 0


@dataclass
class _Frame:
    """The picture's frame, and what its scans have brought so far."""

    width: int
    height: int
    is_progressive: bool
    components: dict[int, _Component]
    units: tuple[int, int] = (0, 0)
    n_blocks: int = 0
    left: dict[int, NDArray[np.int64]] = field(default_factory=dict)  # bits to come of each coefficient
    nonzero: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 64), np.uint8))


class _Damaged(Exception):
    """A scan, or the file around it, is not what it should be."""


class _NotRead(Exception):
    """The file is of a kind that is not looked into."""


def check_scans(data: bytes) -> Scans:
    """Walk through a JPEG file up to the end of its first picture."""
    reader = _Reader(data)
    try:
        return Scans("", reader.walk())
    except _NotRead:
        return Scans("", None)
    except _Damaged as error:
        return Scans(str(error), None)
    except (struct.error, IndexError, KeyError, ValueError):
        return Scans("a segment that does not hold together", None)


class _Reader:
    """Walks from marker to marker."""

    def __init__(self, data: bytes) -> None:
        self._data, self._bytes = data, np.frombuffer(data, np.uint8)
        self._tables: dict[int, NDArray[np.int32]] = {}
        self._steps: dict[int, int] = {}
        self._frame: _Frame | None = None
        self._interval = self._n_scans = 0

    def walk(self) -> int:
        """Returns where the picture ends."""
        at = 2
        while True:
            at = self._data.find(b"\xff", at)
            if at < 0 or at + 1 >= len(self._data):
                raise _Damaged("the file ends before its end marker")
            marker = self._data[at + 1]
            at += 1 if marker == 0xFF else 2
            if marker == _EOI:
                self._check_whole()
                return at
            if marker in (0, 0xFF) or marker in _ALONE:
                continue
            (length,) = struct.unpack_from(">H", self._data, at)
            at = self._segment(marker, self._data[at + 2 : at + length], at + length)

    def _segment(self, marker: int, body: bytes, after: int) -> int:
        """Take a segment in; returns where the next marker may stand."""
        if marker in (*_SEQUENTIAL, _PROGRESSIVE):
            self._frame = _frame(body, marker == _PROGRESSIVE)
        elif marker in _OTHER_FRAMES:
            raise _NotRead
        elif marker == _DHT:
            self._tables.update(_tables(body))
        elif marker == _DQT:
            self._steps.update(_steps(body))
        elif marker == _DRI:
            (self._interval,) = struct.unpack_from(">H", body)
        elif marker == _SOS:
            return self._scan(body, after)
        return after

    def _scan(self, body: bytes, at: int) -> int:
        frame, self._n_scans = self._frame, self._n_scans + 1
        if frame is None:
            raise _Damaged("a scan before its frame")
        if self._n_scans > _MAX_SCANS:
            raise _NotRead
        n = body[0]
        chosen = [(body[1 + 2 * k], body[2 + 2 * k]) for k in range(n)]
        start, end, bits = body[1 + 2 * n], body[2 + 2 * n], body[3 + 2 * n]
        if not frame.is_progressive:
            start, end, bits = 0, 63, 0
        for name, _ in chosen:
            frame.left[name][start : end + 1] = bits & 15
        order, which = _order(frame, [name for name, _ in chosen])
        empty = np.zeros(1 << 16, np.int32)
        dc, ac = (
            np.stack([self._tables.get(kind | (t >> shift & 15), empty) for _, t in chosen])
            for kind, shift in ((0, 4), (0x10, 0))
        )
        limits = np.array([start, end, bits >> 4, self._interval, frame.is_progressive], np.int64)
        means = np.array([(0, self._most(frame.components[name], bits & 15)) for name, _ in chosen])
        at, fault, done = walk(self._bytes, at, order, which, dc, ac, limits, means, frame.nonzero)
        if fault:
            part = f"{done / len(order):.0%} of the way through scan {self._n_scans}"
            raise _Damaged(f"{_WHAT[fault]}, {part}")
        return int(at)

    def _most(self, part: _Component, shift: int) -> int:
        """The largest mean of a block, in steps, with one to spare; without the last `shift` bits."""
        return _MOST_MEAN // max(1, self._steps.get(part.table, 1)) + 1 + (1 << shift) >> shift

    def _check_whole(self) -> None:
        """Raise if a coefficient was not sent to its last bit."""
        if self._frame is None or not self._n_scans:
            raise _Damaged("the file ends before its picture")
        missing = sum(bool(left.any()) for left in self._frame.left.values())
        if missing:
            raise _Damaged(f"scans are missing, for {missing} of its colours")


def _frame(body: bytes, is_progressive: bool) -> _Frame:
    height, width, n = struct.unpack_from(">HHB", body, 1)
    parts = {}
    for name, sides, table in struct.iter_unpack("3B", body[6 : 6 + 3 * n]):
        parts[name] = _Component(sides >> 4, sides & 15, table)
    frame = _Frame(width, height, is_progressive, parts)
    factors = {factor for part in parts.values() for factor in (part.horizontal, part.vertical)}
    if not (height and width) or len(parts) != n or not factors <= set(range(1, _MAX_FACTOR + 1)):
        raise _NotRead
    wide, high = (max(getattr(p, side) for p in parts.values()) for side in ("horizontal", "vertical"))
    frame.units = -(-width // (8 * wide)), -(-height // (8 * high))
    for name, part in parts.items():
        part.across, part.down = frame.units[0] * part.horizontal, frame.units[1] * part.vertical
        part.first, frame.n_blocks = frame.n_blocks, frame.n_blocks + part.across * part.down
        frame.left[name] = np.full(64, _UNSEEN)
    if frame.n_blocks > _MAX_BLOCKS:
        raise _NotRead
    frame.nonzero = np.zeros((frame.n_blocks if is_progressive else 1, 64), np.uint8)
    return frame


def _order(frame: _Frame, names: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Blocks of each unit of a scan [units, blocks], and of which of its colours each block is."""
    if len(names) == 1:
        part = frame.components[names[0]]
        wide, high = (
            max(getattr(p, side) for p in frame.components.values()) for side in ("horizontal", "vertical")
        )
        across = -(-frame.width * part.horizontal // (8 * wide))
        down = -(-frame.height * part.vertical // (8 * high))
        blocks = part.first + np.arange(down)[:, None] * part.across + np.arange(across)
        return blocks.reshape(-1, 1), np.zeros(1, np.int64)
    columns, which = [], []
    for n, name in enumerate(names):
        part = frame.components[name]
        for v in range(part.vertical):
            for h in range(part.horizontal):
                y = np.arange(frame.units[1])[:, None] * part.vertical + v
                x = np.arange(frame.units[0]) * part.horizontal + h
                columns.append((part.first + y * part.across + x).reshape(-1))
                which.append(n)
    return np.stack(columns, axis=1), np.array(which)


def _steps(body: bytes) -> dict[int, int]:
    """Number of a table of steps → its first one, that of the mean."""
    found, at = {}, 0
    while at < len(body):
        size = 2 if body[at] >> 4 else 1
        found[body[at] & 15] = int.from_bytes(body[at + 1 : at + 1 + size], "big")
        at += 1 + 64 * size
    return found


def _tables(body: bytes) -> dict[int, NDArray[np.int32]]:
    """Class and number → for every 16 bits 256 · length + symbol of the code that they begin with."""
    found, at = {}, 0
    while at + 17 <= len(body):
        kind, counts = body[at], body[at + 1 : at + 17]
        symbols = body[at + 17 : at + 17 + sum(counts)]
        table, code, n = np.zeros(1 << 16, np.int32), 0, 0
        for length, count in enumerate(counts, 1):
            for symbol in symbols[n : n + count]:
                table[code << 16 - length : code + 1 << 16 - length] = length << 8 | symbol
                code, n = code + 1, n + 1
            code <<= 1
        found[kind] = table
        at += 17 + len(symbols)
    return found

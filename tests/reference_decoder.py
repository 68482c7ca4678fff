"""A second decoder, written from inr/FORMAT.md alone, with nothing but NumPy and the standard library.

It shares no code with `inr`: its tables are parsed from the tables printed in FORMAT.md. What it
and `inr.decode` agree on is what the page says. Slow on purpose; for small images only.
"""

import json
import math
import re
import zlib
from pathlib import Path

import numpy as np

_FORMAT = (Path(__file__).parent.parent / "inr" / "FORMAT.md").read_text()


def _table(heading: str) -> list[int]:
    block = re.search(rf"^{heading}, [^\n]*:\n\n((?: +[\d ]+\n)+)", _FORMAT, re.MULTILINE)
    assert block is not None, heading
    return [int(number) for number in block[1].split()]


SCALE = _table("SCALE")
THRESHOLD = _table("THRESHOLD")
DECAY = _table("DECAY")
FREQUENCY = _table("FREQUENCY")
FALL = _table("FALL")
QUARTER = _table("QUARTER")
NEIGHBOURS = [
    tuple(map(int, pair.split(",")))
    for pair in re.search(r"outside of the grid:\n\n((?: +[-\d, ]+\n)+)", _FORMAT)[1].split()
]
SINE = [
    np.float32(text.replace("\N{MINUS SIGN}", "-"))
    for text in re.search(r"binary32 numbers\n\n +(.*)\n", _FORMAT)[1].split()
]


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def at_end(self) -> bool:
        return self.at == len(self.data)

    def u8(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def signed(self) -> int:
        value = self.varint()
        return value // 2 if value % 2 == 0 else -(value + 1) // 2

    def section(self) -> bytes:
        length = self.varint()
        self.at += length
        return self.data[self.at - length : self.at]


class _RangeDecoder:
    def __init__(self, payload: bytes) -> None:
        self.words = [int.from_bytes(payload[i : i + 4], "little") for i in range(0, len(payload), 4)]
        self.lower, self.range = 0, 2**64 - 1
        self.point = self.word() << 32 | self.word()

    def word(self) -> int:
        return self.words.pop(0) if self.words else 0

    def symbol(self, boundaries: list[int]) -> int:
        scale = self.range // 2**24
        quantile = (self.point - self.lower) % 2**64 // scale
        assert quantile < 2**24
        j = max(j for j in range(len(boundaries) - 1) if boundaries[j] <= quantile)
        self.lower = (self.lower + scale * boundaries[j]) % 2**64
        self.range = scale * (boundaries[j + 1] - boundaries[j])
        if self.range < 2**32:
            self.lower = self.lower * 2**32 % 2**64
            self.range *= 2**32
            self.point = (self.point * 2**32 % 2**64) + self.word()
        return j


def _boundaries(masses: list[int]) -> list[int]:
    n, total, sums = len(masses), sum(masses), [0]
    for mass in masses:
        sums.append(sums[-1] + mass)
    return [(m * 2**20 // total) * (2**24 - n) // 2**20 + j for j, m in enumerate(sums[:n])] + [2**24]


def _masses(t: int, low: int, high: int) -> list[int]:
    z = 0 if low <= 0 <= high else min(abs(low), abs(high))
    g = [2**28]
    while len(g) <= max(abs(low), abs(high)) - z:
        g.append(g[-1] * DECAY[t] // 2**16)
    return [g[abs(q) - z] for q in range(low, high + 1)]


def _matrix(coder: _RangeDecoder, shape: tuple[int, int], mean: int, low: int, high: int) -> np.ndarray:
    q = [[0] * shape[1] for _ in range(shape[0])]
    if low == high:
        return np.full(shape, low)
    mu, tables = SCALE[mean], {}
    for i in range(shape[0]):
        column = [(256 * sum(abs(q[k][c]) for k in range(i)) + mu) // (i + 1) for c in range(shape[1])]
        for j in range(shape[1]):
            b = j // 16 * 16
            row = 256 * sum(abs(x) for x in q[i][:b]) + 4 * mu
            scale = column[j] * row // (sum(column[:b]) + 4 * mu)
            t = sum(threshold <= scale for threshold in THRESHOLD)
            tables.setdefault(t, _boundaries(_masses(t, low, high)))
            q[i][j] = low + coder.symbol(tables[t])
    return np.array(q)


def _phases(coder: _RangeDecoder, n: int, mean: int, high: int) -> np.ndarray:
    if high == 0:
        return np.zeros(n, dtype=int)
    boundaries = _boundaries(_masses(mean, 0, high))
    return np.cumsum([coder.symbol(boundaries) for _ in range(n)])


def _offsets(coder: _RangeDecoder, n: int, low: int, high: int) -> np.ndarray:
    if low == high:
        return np.full(n, low)
    boundaries = _boundaries([1] * (high - low + 1))
    return np.array([low + coder.symbol(boundaries) for _ in range(n)])


def _sine_table(amplitude_bits: int) -> np.ndarray:
    e = 14 - amplitude_bits
    table = [round(2**14 * math.sin(2 * math.pi * p / 2**16)) for p in range(2**16)]
    return np.array([(value + 2**e // 2) // 2**e for value in table])


def _amplitude_bits(matrix: np.ndarray) -> int:
    return min(14, 23 - int(np.abs(matrix).sum(axis=1).max()).bit_length())


def decode(data: bytes) -> tuple[list[np.ndarray], np.ndarray, bytes]:
    """Symbols [tensor], pixels uint8 [height, width, channels], inflated metadata."""
    assert data[:5] == b"\x89INR\x01"
    assert data[5] in (1, 2)
    channels = data[6]
    assert int.from_bytes(data[7:11], "little") == len(data)
    assert zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")
    body = _Bytes(data[:-4])
    body.at = 11
    width, height = body.varint(), body.varint()
    architecture, tensors, metadata, payload = (body.section() for _ in range(4))
    assert body.at == len(data) - 4

    family = _mlp if data[5] == 1 else _cnn
    symbols, pixels = family(
        _Bytes(architecture), _Bytes(tensors), _RangeDecoder(payload), channels, width, height
    )

    meta = _Bytes(metadata)
    inflated = b""
    if metadata:
        n = meta.varint() + meta.varint()
        inflated = zlib.decompress(metadata[meta.at :])
        assert len(inflated) == n
    return symbols, pixels, inflated


def _mlp(
    a: _Bytes, side: _Bytes, coder: _RangeDecoder, channels: int, width: int, height: int
) -> tuple[list[np.ndarray], np.ndarray]:
    h, d, n_frequencies, spacing = a.varint(), a.u8(), a.u8(), a.u8()
    sizes = [4 * n_frequencies] + [h] * d + [channels]
    codings = []
    for i in range(d + 1):
        for kind in ("matrix", "phase" if i < d else "offset"):
            step = side.varint() if kind == "phase" else side.u8()
            mean = side.u8() if kind != "offset" else None
            low = side.signed() if kind != "phase" else 0
            codings.append((i, kind, step, mean, low, low + side.varint()))
    symbols, steps = [], []
    for i, kind, step, mean, low, high in codings:
        steps.append(4 * step if kind == "phase" else (8 + step % 8) / 8 * 2.0 ** (step // 8 - 14))
        if kind == "matrix":
            symbols.append(_matrix(coder, (sizes[i + 1], sizes[i]), mean, low, high))
        elif kind == "phase":
            symbols.append(_phases(coder, sizes[i + 1], mean, high))
        else:
            symbols.append(_offsets(coder, sizes[i + 1], low, high))
    return symbols, _pixels(symbols, steps, width, height, n_frequencies, spacing)


def _pixels(
    symbols: list[np.ndarray], steps: list[float], w: int, h: int, n_frequencies: int, spacing: int
) -> np.ndarray:
    f32, longer = np.float32, max(w, h)
    bits = [_amplitude_bits(matrix) for matrix in symbols[0::2]]
    table = _sine_table(bits[0])

    def features(n: int) -> np.ndarray:
        f = np.array(FREQUENCY)[np.arange(n_frequencies) * spacing]
        p = (2 * np.arange(n)[:, None] + 1 - n) * f // longer
        return np.concatenate([table[p % 2**16], table[(p + 2**14) % 2**16]], axis=1)

    x, y = features(w), features(h)
    inputs = np.concatenate(
        [np.broadcast_to(x[None], (h, w, x.shape[1])), np.broadcast_to(y[:, None], (h, w, y.shape[1]))],
        axis=2,
    ).reshape(h * w, -1)
    depth = len(bits) - 1
    for i in range(depth):
        sums = (inputs.astype(np.int64) @ symbols[2 * i].T.astype(np.int64)).astype(f32)
        beta = symbols[2 * i + 1].astype(f32) / f32(steps[2 * i + 1])
        c0, c1, c2, c3 = (c * f32(2.0 ** bits[i + 1]) for c in SINE)
        z = sums * f32(steps[2 * i] * 2.0 ** -bits[i]) + beta
        r = z - np.rint(z)
        v = r * r
        out = (((v * c3 + c2) * v + c1) * v + c0) * r
        inputs = np.rint(out).astype(np.int64)
    sums = (inputs @ symbols[-2].T.astype(np.int64)).astype(f32)
    beta = (255 * symbols[-1] * steps[-1]).astype(f32)
    z = sums * f32(255 * steps[-2] * 2.0 ** -bits[-1]) + beta
    return np.clip(np.rint(z), 0, 255).astype(np.uint8).reshape(h, w, -1)


def _shift(x: np.ndarray, s: int) -> np.ndarray:
    return (x + 2 ** (s - 1)) // 2**s if s > 0 else x * 2**-s


def _cnn(
    a: _Bytes, side: _Bytes, coder: _RangeDecoder, channels: int, width: int, height: int
) -> tuple[list[np.ndarray], np.ndarray]:
    n_levels, w, h, n_residuals = a.u8(), a.u8(), a.u8(), a.u8()
    number, gain = (0, 0) if a.at_end() else (a.u8(), a.u8())
    shapes = {"context0": (w, 17), "context1": (w, w + 1), "context2": (2, w + 1)}
    if n_levels > 1:
        shapes["upsampling"] = (n_levels - 1, 4)
    shapes |= {"synthesis0": (h, n_levels + 1), "synthesis1": (channels, h + 1)}
    shapes |= {f"residual{n}": (channels, 9 * channels + 1) for n in range(n_residuals)}
    sides = {name: (side.u8(), side.u8()) for name in shapes}
    known = _prior(number, gain, n_levels, channels) if number else {}
    reaches = [side.varint() for _ in range(n_levels)]
    symbols, matrices, exponents = {}, {}, {name: k for name, (k, _) in sides.items()}
    for name, shape in shapes.items():
        k, mean = sides[name]
        largest = min(2047, 16 + SCALE[mean] // 16)
        symbols[name] = _matrix(coder, shape, mean, -largest, largest) if k else np.zeros(shape)
        matrices[name] = symbols[name].astype(np.int64)
        if number:
            known_matrix, exponents[name] = known[name]
            matrices[name] = known_matrix + matrices[name] * 2 ** (exponents[name] - k)
    levels = []
    for n in reversed(range(n_levels)):
        shape = (-(-height // 2**n), -(-width // 2**n))
        levels.insert(0, _level(coder, shape, reaches[n], matrices, exponents))
    return [*symbols.values(), *levels], _samples(levels, matrices, exponents, n_residuals)


def _prior(number: int, gain: int, n_levels: int, channels: int) -> dict[str, tuple[np.ndarray, int]]:
    entry = json.loads((Path(__file__).parent.parent / "inr" / "cnn" / "priors.json").read_text())[number - 1]
    found = {}
    for name, rows in entry["matrices"].items():
        p = np.array(rows, dtype=np.int64)
        if name == "upsampling":
            p = p[: n_levels - 1]
        elif name == "synthesis0":
            v = gain // 4 - 3
            p = np.hstack([(p[:, :n_levels] * QUARTER[gain % 4] + 128) // 256, _shift(p[:, -1:], v)])
            entry["exponents"][name] -= v
        elif not name.startswith("context") and channels > entry["channels"]:
            if name != "synthesis1":
                p = np.hstack([p[:, :-1], np.zeros((len(p), 9), dtype=np.int64), p[:, -1:]])
            p = np.vstack([p, np.zeros((1, p.shape[1]), dtype=np.int64)])
        found[name] = (p, entry["exponents"][name])
    return found


def _level(
    coder: _RangeDecoder,
    shape: tuple[int, int],
    reach: int,
    matrices: dict[str, np.ndarray],
    exponents: dict[str, int],
) -> np.ndarray:
    height, width = shape
    level, tables = np.zeros(shape, dtype=np.int64), {}
    for y, x in sorted(np.ndindex(shape), key=lambda place: (place[1] + 3 * place[0], place[0])):
        places = [(y + dy, x + dx) for dy, dx in NEIGHBOURS]
        inputs = [level[p] if 0 <= p[0] < height and 0 <= p[1] < width else 0 for p in places]
        u = matrices["context0"] @ [*inputs, 1]
        u = np.clip(_shift(u, exponents["context0"] - 7), 0, 2**15 - 1)
        v = np.clip(_shift(matrices["context1"] @ [*u, 2**7], exponents["context1"]), 0, 2**15 - 1)
        o = matrices["context2"] @ [*v, 2**7]
        centre = int(np.clip(_shift(o[0], exponents["context2"] + 3), -2047 * 16, 2047 * 16)) + 8
        t = int(np.clip(_shift(o[1], exponents["context2"] + 4) + 32, 0, 80))
        whole, part = centre // 16, centre % 16
        d = 0
        if reach:
            if (t, part) not in tables:
                tables[t, part] = _boundaries(_laplace_masses(t, part, reach))
            d = coder.symbol(tables[t, part]) - reach
        level[y, x] = whole + d
        assert abs(level[y, x]) <= 2047
    return level


def _laplace_masses(t: int, part: int, reach: int) -> list[int]:
    g = [2**30]
    while len(g) <= 16 * (reach + 1):
        g.append(g[-1] * FALL[t] // 2**30)

    def up_to(e: int) -> int:
        return g[-e] if e < 0 else 2**31 - g[e]

    edges = [16 * d - part for d in range(-reach, reach + 1)]
    return [up_to(e + 16) - up_to(e) for e in edges]


def _doubled(plane: np.ndarray, taps: np.ndarray, k: int) -> np.ndarray:
    n = plane.shape[0]
    out = np.empty((2 * n, plane.shape[1]), dtype=np.int64)
    for p in range(2 * n):
        reads = [p // 2 - 2 + j if p % 2 == 0 else p // 2 + 2 - j for j in range(4)]
        out[p] = sum(taps[j] * plane[min(max(reads[j], 0), n - 1)] for j in range(4))
    return np.clip(_shift(out, k), -(2**19 - 1), 2**19 - 1)


def _samples(
    levels: list[np.ndarray], matrices: dict[str, np.ndarray], exponents: dict[str, int], n_residuals: int
) -> np.ndarray:
    stack: list[np.ndarray] = []
    for n in reversed(range(len(levels))):
        rows, columns = levels[n].shape
        if stack:
            taps, k = matrices["upsampling"][n], exponents["upsampling"]
            stack = [_doubled(_doubled(plane, taps, k).T, taps, k).T[:rows, :columns] for plane in stack]
        stack.insert(0, levels[n] * 2**8)
    most = 2**15 - 1
    x = np.clip(_shift(np.array(stack), 2), -most, most)
    ones = np.ones((1, *x.shape[1:]), dtype=np.int64)
    g = np.tensordot(matrices["synthesis0"], np.concatenate([x, ones * 2**6]), 1)
    g = np.clip(_shift(g, exponents["synthesis0"] - 3), 0, most)
    y = np.tensordot(matrices["synthesis1"], np.concatenate([g, ones * 2**9]), 1)
    y = np.clip(_shift(y, exponents["synthesis1"] - 3), -most, most)
    for n in range(n_residuals):
        around = np.pad(y, ((0, 0), (1, 1), (1, 1)), mode="edge")
        rows, columns = y.shape[1:]
        views = [
            around[j, a : a + rows, b : b + columns]
            for j in range(len(y))
            for a in range(3)
            for b in range(3)
        ]
        z = np.tensordot(matrices[f"residual{n}"], np.array([*views, ones[0] * 2**12]), 1)
        y = np.clip(y + _shift(z, exponents[f"residual{n}"]), -most if n == n_residuals - 1 else 0, most)
    return np.moveaxis(np.clip((255 * y + 2**11) // 2**12, 0, 255).astype(np.uint8), 0, -1)

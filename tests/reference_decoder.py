"""A second decoder, written from inr/FORMAT.md alone, with nothing but NumPy and the standard library.

It shares no code with `inr`: its tables are parsed from the tables printed in FORMAT.md. What it
and `inr.decode` agree on is what the page says. Slow on purpose; for small images only.
"""

import itertools
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
CONTEXT = ("context0", "parents", "context1", "context2")
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
        self.n_words, self.n_steps, self.n_symbols = len(self.words), 0, 0
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
            self.n_steps += 1
        self.n_symbols += 1
        return j

    def end(self) -> None:
        if not self.n_symbols:
            assert self.n_words == 0
            return
        last = (self.lower + 2**32 - 1) // 2**32 % 2**32
        assert self.point == last * 2**32
        two = (self.lower + self.range) % 2**64 // 2**32 == last
        assert self.n_words == self.n_steps + (2 if two else 1)


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

    assert len(payload) % 4 == 0
    family = _mlp if data[5] == 1 else _cnn
    sections, coder = (_Bytes(architecture), _Bytes(tensors)), _RangeDecoder(payload)
    symbols, pixels = family(*sections, coder, channels, width, height)
    assert all(section.at_end() for section in sections)
    coder.end()

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


def _grids(n_levels: int) -> list[tuple[int, bool, list[int]]]:
    """Depth, whether these are hyperlatents, and places of the parents, of each grid in wire order."""
    depths = [(d, False) for d in range(n_levels)] + [(d, True) for d in (4, 5, 6) if d < n_levels]
    return [(d, hyper, [n for n, (e, _) in enumerate(depths) if e > d]) for d, hyper in depths]


def _cnn(
    a: _Bytes, side: _Bytes, coder: _RangeDecoder, channels: int, width: int, height: int
) -> tuple[list[np.ndarray], np.ndarray]:
    n_levels, number, gain = a.u8(), a.u8(), a.u8()
    assert 1 <= n_levels <= 9
    assert 0 <= gain <= 24
    grids = _grids(n_levels)
    known = _prior(number, gain, n_levels, channels)
    sides = {name: (side.u8(), side.u8()) for name in known}
    reaches = [side.varint() for _ in grids]
    symbols, matrices = {}, {}
    for name, (p, exponent) in known.items():
        k, mean = sides[name]
        assert 0 <= k <= exponent
        assert k or not mean
        largest = min(2047, 16 + SCALE[mean] // 16) if k else 0
        symbols[name] = _matrix(coder, p.shape, mean, -largest, largest)
        matrices[name] = (p + symbols[name].astype(np.int64) * 2 ** (exponent - k), exponent)
    _check_sums(matrices, grids)
    latents = [np.zeros((0, 0))] * len(grids)
    for place in sorted(range(len(grids)), key=lambda n: (-grids[n][0], not grids[n][1])):
        depth, _, parents = grids[place]
        shape = (-(-height // 2**depth), -(-width // 2**depth))
        start = sum(1 + len(others) for _, _, others in grids[:place])
        above = [(latents[n], 2 ** (grids[n][0] - depth)) for n in parents]
        latents[place] = _grid(coder, shape, reaches[place], matrices, start, above)
    n_residuals = sum(name.startswith("residual") for name in matrices)
    return [*symbols.values(), *latents], _samples(latents[:n_levels], matrices, n_residuals)


def _prior(number: int, gain: int, n_levels: int, channels: int) -> dict[str, tuple[np.ndarray, int]]:
    entry = json.loads((Path(__file__).parent.parent / "inr" / "cnn" / "priors.json").read_text())[number - 1]
    more = channels - entry["channels"]
    assert more in (0, 1)
    assert n_levels <= entry["n_levels"]
    residuals = [f"residual{n}" for n in range(entry["n_residuals"])]
    filters = ["filters", "upsampling"] if n_levels > 1 else []
    found = {}
    for name in [*CONTEXT, *filters, "synthesis0", "synthesis1", *residuals]:
        p, exponent = np.array(entry["matrices"][name], dtype=np.int64), entry["exponents"][name]
        if name == "parents":
            p = p[:, _kept(n_levels, entry["n_levels"])]
        elif name in filters:
            p = p[: n_levels - 1]
        elif name == "synthesis0":
            v = gain // 4 - 3
            p = np.hstack([(p[:, :n_levels] * QUARTER[gain % 4] + 128) // 256, _shift(p[:, -1:], v)])
            exponent -= v
        if more and name in residuals:
            p = np.hstack([p[:, :-1], np.zeros((len(p), 9), dtype=np.int64), p[:, -1:]])
        if more and name in ("synthesis0", "synthesis1", *residuals):
            p = np.vstack([p, np.zeros((1, p.shape[1]), dtype=np.int64)])
        found[name] = (p, exponent)
    return found


def _kept(n_levels: int, most_levels: int) -> list[int]:
    """Columns of a prior's `parents` that a file has."""
    found, column, every = [], 0, _grids(most_levels)
    ours = {(depth, hyper) for depth, hyper, _ in _grids(n_levels)}
    for depth, hyper, parents in every:
        for parent in [*parents, None]:
            if (depth, hyper) in ours and (parent is None or every[parent][:2] in ours):
                found.append(column)
            column += 1
    return found


def _check_sums(
    matrices: dict[str, tuple[np.ndarray, int]], grids: list[tuple[int, bool, list[int]]]
) -> None:
    for name, (weights, _) in matrices.items():
        sums, blocks = np.abs(weights), [slice(None)]
        if name == "parents":
            ends = np.cumsum([0, *(1 + len(parents) for _, _, parents in grids)])
            blocks = [slice(*pair) for pair in itertools.pairwise(ends)]
        if name == "filters":
            sums = sums * [1, 2, 2, 2]
        most = 2**11 if name in ("filters", "upsampling") else 2**15
        assert all(sums[:, block].sum(axis=1).max() <= most for block in blocks)


def _grid(
    coder: _RangeDecoder,
    shape: tuple[int, int],
    reach: int,
    matrices: dict[str, tuple[np.ndarray, int]],
    start: int,
    parents: list[tuple[np.ndarray, int]],
) -> np.ndarray:
    """A grid whose block starts at a column; its parents come with how many times smaller they are."""
    height, width = shape
    (w0, k0), (p, kp), (w1, k1), (w2, k2) = (matrices[name] for name in CONTEXT)
    p, most = p[:, start : start + len(parents) + 1], 2**15 - 1
    grid, tables = np.zeros(shape, dtype=np.int64), {}
    for y, x in sorted(np.ndindex(shape), key=lambda place: (place[1] + 3 * place[0], place[0])):
        places = [(y + dy, x + dx) for dy, dx in NEIGHBOURS]
        inputs = [grid[at] if 0 <= at[0] < height and 0 <= at[1] < width else 0 for at in places]
        above = [parent[y // times, x // times] for parent, times in parents]
        a = _shift(w0 @ inputs, k0 - 7) + _shift(p @ [*above, 1], kp - 7)
        u, r = np.clip(a[:-2], 0, most), np.clip(a[-2:], -most, most)
        v = np.clip(_shift(w1 @ [*u, 2**7], k1), 0, most)
        o = w2 @ [*v, 2**7]
        centre = int(np.clip(_shift(o[0], k2 + 3) + _shift(r[0], 3), -2047 * 16, 2047 * 16)) + 8
        t = int(np.clip(_shift(o[1], k2 + 4) + _shift(r[1], 4) + 32, 0, 80))
        whole, part = centre // 16, centre % 16
        d = 0
        if reach:
            if (t, part) not in tables:
                tables[t, part] = _boundaries(_laplace_masses(t, part, reach))
            d = coder.symbol(tables[t, part]) - reach
        grid[y, x] = whole + d
        assert abs(grid[y, x]) <= 2047
    return grid


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


def _filtered(plane: np.ndarray, taps: np.ndarray, k: int) -> np.ndarray:
    n = len(plane)
    places = np.arange(n)
    a = {m: plane[np.clip(places + m, 0, n - 1)] for m in range(-3, 4)}
    s = taps[0] * a[0] + sum(taps[m] * (a[-m] + a[m]) for m in (1, 2, 3))
    return np.clip(_shift(s, k), -(2**19 - 1), 2**19 - 1)


def _samples(
    levels: list[np.ndarray], matrices: dict[str, tuple[np.ndarray, int]], n_residuals: int
) -> np.ndarray:
    stack: list[np.ndarray] = []
    for n in reversed(range(len(levels))):
        plane = levels[n] * 2**8
        rows, columns = plane.shape
        if stack:
            filters, kf = matrices["filters"]
            plane = _filtered(_filtered(plane, filters[n], kf).T, filters[n], kf).T
            taps, k = matrices["upsampling"]
            stack = [_doubled(_doubled(old, taps[n], k).T, taps[n], k).T[:rows, :columns] for old in stack]
        stack.insert(0, plane)
    most = 2**15 - 1
    x = np.clip(_shift(np.array(stack), 2), -most, most)
    ones = np.ones((1, *x.shape[1:]), dtype=np.int64)
    (s0, k0), (s1, k1) = matrices["synthesis0"], matrices["synthesis1"]
    q = np.tensordot(s0, np.concatenate([x, ones * 2**6]), 1)
    g = np.clip(_shift(q[: -len(s1)], k0 - 3), 0, most)
    direct = np.clip(_shift(q[-len(s1) :], k0 - 6), -most, most)
    y = np.tensordot(s1, np.concatenate([g, ones * 2**9]), 1)
    y = np.clip(_shift(y, k1 - 3) + direct, -most, most)
    for n in range(n_residuals):
        around = np.pad(y, ((0, 0), (1, 1), (1, 1)), mode="edge")
        rows, columns = y.shape[1:]
        views = [
            around[j, a : a + rows, b : b + columns]
            for j in range(len(y))
            for a in range(3)
            for b in range(3)
        ]
        weights, k = matrices[f"residual{n}"]
        z = np.tensordot(weights, np.array([*views, ones[0] * 2**12]), 1)
        y = np.clip(y + _shift(z, k), -most if n == n_residuals - 1 else 0, most)
    return np.moveaxis(np.clip((255 * y + 2**11) // 2**12, 0, 255).astype(np.uint8), 0, -1)

"""A second decoder, written from inr/FORMAT.md alone, with nothing but NumPy and the standard library.

It shares no code with `inr`: its tables are parsed from the tables printed in FORMAT.md. What it
and `inr.decode` agree on is what the page says. It refuses what the page refuses, and names the rule.
Slow on purpose; for small images only. `tests.vectors.mutants` puts faults into it, one at a time.
"""

import bisect
import itertools
import json
import math
import re
import zlib
from functools import cache
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
_Matrices = dict[str, tuple[np.ndarray, int]]  # integers, and the exponent that they have
_Grids = list[tuple[int, bool, list[int]]]  # depth, whether these are hyperlatents, places of the parents


class Refused(Exception):
    """The file breaks a rule; the message names it."""


def _must(holds: bool, rule: str) -> None:
    if not holds:
        raise Refused(rule)


class _Bytes:
    """Reads a section, or the fields before the sections."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def u8(self) -> int:
        _must(self.at < len(self.data), "section too short")
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        value = 0
        for n in range(5):
            byte = self.u8()
            value |= (byte & 127) << 7 * n
            if byte < 128:
                _must(byte > 0 or n == 0, "shortest varint")
                return value
        raise Refused("varint of five bytes")

    def signed(self) -> int:
        value = self.varint()
        return value // 2 if value % 2 == 0 else -(value + 1) // 2

    def section(self) -> bytes:
        length = self.varint()
        self.at += length
        _must(self.at <= len(self.data), "section within the file")
        return self.data[self.at - length : self.at]

    def end(self, rule: str) -> None:
        _must(self.at == len(self.data), rule)


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
        _must(quantile < 2**24, "quantile")
        j = bisect.bisect_right(boundaries, quantile) - 1
        self.lower = (self.lower + scale * boundaries[j]) % 2**64
        self.range = scale * (boundaries[j + 1] - boundaries[j])
        if self.range < 2**32:
            self.lower = self.lower * 2**32 % 2**64
            self.range *= 2**32
            self.point = self.point * 2**32 % 2**64 + self.word()
            self.n_steps += 1
        self.n_symbols += 1
        return j

    def end(self) -> None:
        if not self.n_symbols:
            _must(self.n_words == 0, "payload of no symbols")
            return
        last = (self.lower + 2**32 - 1) // 2**32 % 2**32
        _must(self.point == last * 2**32, "last words")
        two = (self.lower + self.range) % 2**64 // 2**32 == last
        _must(self.n_words == self.n_steps + (2 if two else 1), "number of words")


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
    if low == high:
        return np.full(shape, low)
    q = [[0] * shape[1] for _ in range(shape[0])]
    sums, mu, tables = [0] * shape[1], SCALE[mean], {}
    for i in range(shape[0]):
        column = [(256 * sums[c] + mu) // (i + 1) for c in range(shape[1])]
        for j in range(shape[1]):
            b = j // 16 * 16
            row = 256 * sum(abs(x) for x in q[i][:b]) + 4 * mu
            expected = sum(column[:b]) + 4 * mu
            t = sum(threshold <= column[j] * row // expected for threshold in THRESHOLD)
            if t not in tables:
                tables[t] = _boundaries(_masses(t, low, high))
            q[i][j] = low + coder.symbol(tables[t])
        sums = [sums[c] + abs(q[i][c]) for c in range(shape[1])]
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


def _check_frame(data: bytes) -> None:
    _must(data[:4] == b"\x89INR"[: len(data)], "magic")
    _must(data[4:5] in (b"", b"\x01"), "version")
    _must(len(data) >= 12, "file too short")
    length = int.from_bytes(data[8:12], "little")
    _must(length >= 22, "length")
    _must(len(data) >= length, "file too short")
    _must(len(data) <= length, "file too long")
    _must(zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little"), "crc")


def _check_planes(planes: int, channels: int) -> None:
    _must(planes < 2**5, "bits 5 to 7 of planes")
    _must(planes % 2**4 < 2**channels, "planes of the image's channels")
    if planes >= 2**4:
        _must(channels >= 3, "grey of three channels")
        _must(planes % 2**3 == 0, "grey of channels that vary")


def decode(data: bytes) -> tuple[list[np.ndarray], np.ndarray, tuple[bytes, bytes]]:
    """Symbols [tensor], pixels uint8 [height, width, channels], ICC profile, EXIF block, XMP packet."""
    _check_frame(data)
    _must(1 <= data[5] <= 2, "family")
    channels, planes = data[6], data[7]
    _must(1 <= channels <= 4, "channels")
    _check_planes(planes, channels)
    body = _Bytes(data[:-4])
    body.at = 12
    width = body.varint()
    _must(1 <= width <= 65535, "width")
    height = body.varint()
    _must(1 <= height <= 65535, "height")
    _must(width * height <= 2**26, "pixels")
    constants = {c: body.u8() for c in range(channels) if planes // 2**c % 2 == 1}
    architecture, tensors, metadata, payload = (body.section() for _ in range(4))
    body.end("bytes after the payload")
    _must(len(payload) % 4 == 0, "payload of whole words")
    coded = [c for c in range(channels) if c not in constants and not (planes >= 2**4 and c in (1, 2))]
    _must(bool(coded) or architecture + tensors + payload == b"", "sections without a network")
    carried = _metadata(metadata)
    if not coded:
        return [], _image((height, width, channels), constants), carried
    family = _mlp if data[5] == 1 else _cnn
    coder = _RangeDecoder(payload)
    most = 2**33 + 2**24 * len(data)
    symbols, pixels = family(_Bytes(architecture), _Bytes(tensors), coder, len(coded), width, height, most)
    coder.end()
    image = _image((height, width, channels), constants)
    image[:, :, coded] = pixels()
    if planes >= 2**4:
        image[:, :, 1] = image[:, :, 2] = image[:, :, 0]
    return symbols, image, carried


def _image(shape: tuple[int, int, int], constants: dict[int, int]) -> np.ndarray:
    """Channels of one value; the others are 0 until the network gives them."""
    image = np.zeros(shape, dtype=np.uint8)
    for channel, value in constants.items():
        image[:, :, channel] = value
    return image


def _metadata(section: bytes) -> tuple[bytes, bytes, bytes]:
    if not section:
        return b"", b"", b""
    meta = _Bytes(section)
    n_icc = meta.varint()
    _must(n_icc <= 2**24, "n_icc")
    n_exif = meta.varint()
    _must(n_exif <= 2**24, "n_exif")
    n_xmp = meta.varint()
    _must(n_xmp <= 2**24, "n_xmp")
    stream, n = zlib.decompressobj(), n_icc + n_exif + n_xmp
    try:
        plain = stream.decompress(section[meta.at :], n + 1)
    except zlib.error:
        raise Refused("zlib stream") from None
    _must(n > 0, "metadata of no bytes")
    _must(len(plain) == n, "metadata of its length")
    _must(stream.eof, "whole zlib stream")
    _must(not stream.unused_data, "bytes after the zlib stream")
    return plain[:n_icc], plain[n_icc : n_icc + n_exif], plain[n_icc + n_exif :]


def _mlp(a: _Bytes, side: _Bytes, coder: _RangeDecoder, channels: int, width: int, height: int, most: int):
    h = a.varint()
    _must(1 <= h <= 512, "neurons")
    d = a.u8()
    _must(1 <= d <= 16, "depth")
    n_frequencies = a.u8()
    _must(1 <= n_frequencies <= 32, "frequencies")
    spacing = a.u8()
    _must(1 <= spacing <= 4, "spacing")
    a.end("bytes after the architecture")
    _must((n_frequencies - 1) * spacing <= 48, "highest frequency")
    sizes = [4 * n_frequencies] + [h] * d + [channels]
    codings = []
    for i in range(d + 1):
        for kind in ("matrix", "phase" if i < d else "offset"):
            codings.append((i, kind, *_mlp_fields(side, kind)))
    side.end("bytes after the tensors")
    _must(width * height * ((d - 1) * h * h + channels * h + 2**6 * d * h) <= 2**5 * most, "work")
    symbols, steps = [], []
    for i, kind, step, mean, low, high in codings:
        if kind == "matrix":
            symbols.append(_matrix(coder, (sizes[i + 1], sizes[i]), mean, low, high))
        elif kind == "phase":
            symbols.append(_phases(coder, sizes[i + 1], mean, high))
        else:
            symbols.append(_offsets(coder, sizes[i + 1], low, high))
        steps.append(step)
    return symbols, lambda: _mlp_pixels(symbols, steps, width, height, n_frequencies, spacing)


def _mlp_fields(side: _Bytes, kind: str) -> tuple[float, int, int, int]:
    """What a matrix's or offset's symbols are multiplied by or a phase's are divided by; mean, low, high."""
    if kind == "phase":
        levels = side.varint()
        _must(1 <= levels <= 2047, "levels of a phase")
        step = 4 * levels
    else:
        index = side.u8()
        _must(index <= 127, "step")
        step = (8 + index % 8) / 8 * 2.0 ** (index // 8 - 14)
    mean = side.u8() if kind != "offset" else 0
    _must(mean <= 55, "mean")
    low = side.signed() if kind != "phase" else 0
    _must(-2047 <= low <= 2047, "low")
    wide = side.varint()
    _must(wide <= 2047 - low, "range")
    return step, mean, low, low + wide


def _amplitude_bits(matrix: np.ndarray) -> int:
    return min(14, 23 - int(np.abs(matrix).sum(axis=1).max()).bit_length())


def _features(n: int, longer: int, bits: int, n_frequencies: int, spacing: int) -> np.ndarray:
    """[n, 2 n_frequencies], of the columns or of the rows."""
    e = 14 - bits
    sines = np.rint(2**14 * np.sin(2 * math.pi * np.arange(2**16) / 2**16)).astype(np.int64)
    f = np.array([FREQUENCY[k * spacing] for k in range(n_frequencies)])
    p = (2 * np.arange(n)[:, None] + 1 - n) * f // longer % 2**16
    both = np.concatenate([p, (p + 2**14) % 2**16], axis=1)
    return (sines[both] + 2**e // 2) // 2**e


def _mlp_pixels(symbols: list, steps: list, w: int, h: int, n_frequencies: int, spacing: int) -> np.ndarray:
    f32, longer = np.float32, max(w, h)
    bits = [_amplitude_bits(matrix) for matrix in symbols[0::2]]
    x = _features(w, longer, bits[0], n_frequencies, spacing)
    y = _features(h, longer, bits[0], n_frequencies, spacing)
    inputs = np.hstack([np.tile(x, (h, 1)), np.repeat(y, w, axis=0)])  # row by row
    depth = len(bits) - 1
    for i in range(depth):
        sums = inputs @ symbols[2 * i].T.astype(np.int64)
        beta = symbols[2 * i + 1].astype(f32) / f32(steps[2 * i + 1])
        c = [c * f32(2.0 ** bits[i + 1]) for c in SINE]
        inputs = _sines(sums.astype(f32), f32(steps[2 * i] * 2.0 ** -bits[i]), beta, c)
    sums = inputs @ symbols[-2].T.astype(np.int64)
    z = sums.astype(f32) * f32(255 * steps[-2] * 2.0 ** -bits[-1])
    z = z + (255 * symbols[-1] * steps[-1]).astype(f32)
    return _clip(np.rint(z), 0, 255).astype(np.uint8).reshape(h, w, -1)


def _sines(sums: np.ndarray, scale: np.float32, beta: np.ndarray, c: list[np.float32]) -> np.ndarray:
    """Of a layer, from binary32 to integers; NumPy rounds each operation on its own."""
    z = sums * scale
    z = z + beta
    r = z - np.rint(z)
    v = r * r
    y = v * c[3]
    y = y + c[2]
    y = y * v
    y = y + c[1]
    y = y * v
    y = y + c[0]
    y = y * r
    return np.rint(y).astype(np.int64)


def _shift(x: np.ndarray, s: int) -> np.ndarray:
    return (x + 2 ** (s - 1)) // 2**s if s > 0 else x * 2**-s


def _clip(x: np.ndarray, low: int, high: int) -> np.ndarray:
    return np.minimum(np.maximum(x, low), high)


def _grids(n_levels: int) -> _Grids:
    """All grids in wire order."""
    depths = [(d, False) for d in range(n_levels)] + [(d, True) for d in (4, 5, 6) if d < n_levels]
    return [(d, hyper, [n for n, (e, _) in enumerate(depths) if e > d]) for d, hyper in depths]


def _cnn(a: _Bytes, side: _Bytes, coder: _RangeDecoder, channels: int, width: int, height: int, most: int):
    n_levels = a.u8()
    _must(1 <= n_levels <= 9, "levels")
    number = a.u8()
    _must(1 <= number <= len(_priors()), "prior")
    gain = a.u8()
    _must(gain <= 24, "gain")
    a.end("bytes after the architecture")
    grids, known = _grids(n_levels), _prior(number, gain, n_levels, channels)
    sides = {name: _matrix_fields(side, exponent) for name, (_, exponent) in known.items()}
    reaches = []
    for _ in grids:
        reaches.append(side.varint())
        _must(reaches[-1] <= 1023, "reach")
    side.end("bytes after the tensors")
    shapes = [(-(-height // 2**depth), -(-width // 2**depth)) for depth, _, _ in grids]
    _must(2**11 * width * height <= most, "work")
    _must(2**5 * sum(reaches[n] * math.prod(shape) for n, shape in enumerate(shapes)) <= most, "work")
    symbols, matrices = {}, {}
    for name, (p, exponent) in known.items():
        k, mean = sides[name]
        largest = min(2047, 16 + SCALE[mean] // 16) if k else 0
        symbols[name] = _matrix(coder, p.shape, mean, -largest, largest)
        matrices[name] = (p + symbols[name].astype(np.int64) * 2 ** (exponent - k), exponent)
    _check_sums(matrices, grids)
    latents = [np.zeros((0, 0))] * len(grids)
    for place in sorted(range(len(grids)), key=lambda n: (-grids[n][0], not grids[n][1])):
        depth, _, parents = grids[place]
        start = sum(1 + len(others) for _, _, others in grids[:place])
        above = [(latents[n], 2 ** (grids[n][0] - depth)) for n in parents]
        latents[place] = _grid(coder, shapes[place], reaches[place], matrices, start, above)
    return [*symbols.values(), *latents], lambda: _cnn_pixels(latents[:n_levels], matrices)


def _matrix_fields(side: _Bytes, exponent: int) -> tuple[int, int]:
    k = side.u8()
    _must(k <= exponent, "exponent")
    mean = side.u8()
    _must(mean <= 55, "mean")
    _must(k > 0 or mean == 0, "mean without symbols")
    return k, mean


@cache
def _priors() -> list:
    return json.loads((Path(__file__).parent.parent / "inr" / "cnn" / "priors.json").read_text())


def _prior(number: int, gain: int, n_levels: int, channels: int) -> _Matrices:
    entry = _priors()[number - 1]
    more = channels - entry["channels"]
    _must(n_levels <= entry["n_levels"], "levels of the prior")
    _must(0 <= more <= 1, "channels of the prior")
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
            exponent -= v
            scaled = (p[:, :n_levels] * QUARTER[gain % 4] + 128) // 256
            p = np.hstack([scaled, _shift(p[:, -1:], v)])
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


def _check_sums(matrices: _Matrices, grids: _Grids) -> None:
    for name, (weights, _) in matrices.items():
        sums, blocks = np.abs(weights), [slice(None)]
        if name == "parents":
            ends = np.cumsum([0, *(1 + len(parents) for _, _, parents in grids)])
            blocks = [slice(*pair) for pair in itertools.pairwise(ends)]
        if name == "filters":
            sums = sums * [1, 2, 2, 2]
        most = 2**11 if name in ("filters", "upsampling") else 2**15
        largest = max(sums[:, block].sum(axis=1).max() for block in blocks)
        _must(largest <= most, f"sum of {name}")


def _grid(
    coder: _RangeDecoder,
    shape: tuple[int, int],
    reach: int,
    matrices: _Matrices,
    start: int,
    parents: list[tuple[np.ndarray, int]],
) -> np.ndarray:
    """A grid whose block starts at a column; its parents come with how many times smaller they are."""
    height, width = shape
    block = matrices["parents"][0][:, start : start + len(parents) + 1]
    grid, tables = np.zeros(shape, dtype=np.int64), {}
    for y, x in sorted(np.ndindex(shape), key=lambda place: (place[1] + 3 * place[0], place[0])):
        places = [(y + dy, x + dx) for dy, dx in NEIGHBOURS]
        inputs = [grid[at] if 0 <= at[0] < height and 0 <= at[1] < width else 0 for at in places]
        above = [parent[y // times, x // times] for parent, times in parents]
        centre, t = _law(matrices, block, inputs, above)
        whole, part = centre // 16, centre % 16
        d = 0
        if reach > 0:
            if (t, part) not in tables:
                tables[t, part] = _boundaries(_laplace_masses(t, part, reach))
            d = coder.symbol(tables[t, part]) - reach
        grid[y, x] = whole + d
        _must(-2047 <= grid[y, x] <= 2047, "latent")
    return grid


def _law(matrices: _Matrices, block: np.ndarray, inputs: list[int], above: list[int]) -> tuple[int, int]:
    """centre and t."""
    (w0, k0), (_, kp), (w1, k1), (w2, k2) = (matrices[name] for name in CONTEXT)
    a = _shift(w0 @ inputs, k0 - 7) + _shift(block @ [*above, 1], kp - 7)
    u = _clip(a[:-2], 0, 2**15 - 1)
    r = _clip(a[-2:], -(2**15 - 1), 2**15 - 1)
    v = _clip(_shift(w1 @ [*u, 2**7], k1), 0, 2**15 - 1)
    o = w2 @ [*v, 2**7]
    centre = _clip(_shift(o[0], k2 + 3) + _shift(r[0], 3), -2047 * 16, 2047 * 16) + 8
    t = _clip(_shift(o[1], k2 + 4) + _shift(r[1], 4) + 32, 0, 80)
    return int(centre), int(t)


@cache
def _falling(t: int, reach: int) -> list[int]:
    g = [2**30]
    while len(g) <= 16 * (reach + 1):
        g.append(g[-1] * FALL[t] // 2**30)
    return g


def _laplace_masses(t: int, part: int, reach: int) -> list[int]:
    g = _falling(t, reach)

    def up_to(e: int) -> int:
        return g[-e] if e < 0 else 2**31 - g[e]

    edges = [16 * d - part for d in range(-reach, reach + 1)]
    return [up_to(e + 16) - up_to(e) for e in edges]


def _filtered(plane: np.ndarray, taps: np.ndarray, k: int) -> np.ndarray:
    """Vertically."""
    n = len(plane)
    a = {m: plane[_clip(np.arange(n) + m, 0, n - 1)] for m in range(-3, 4)}
    s = taps[0] * a[0] + sum(taps[m] * (a[-m] + a[m]) for m in (1, 2, 3))
    return _clip(_shift(s, k), -(2**19 - 1), 2**19 - 1)


def _doubled(plane: np.ndarray, taps: np.ndarray, k: int) -> np.ndarray:
    """Vertically."""
    n = len(plane)
    s = np.empty((2 * n, plane.shape[1]), dtype=np.int64)
    for p in range(2 * n):
        i = p // 2
        reads = [i - 2, i - 1, i, i + 1] if p % 2 == 0 else [i + 2, i + 1, i, i - 1]
        s[p] = sum(taps[j] * plane[min(max(reads[j], 0), n - 1)] for j in range(4))
    return _clip(_shift(s, k), -(2**19 - 1), 2**19 - 1)


def _stack(levels: list[np.ndarray], matrices: _Matrices) -> np.ndarray:
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
    return np.array(stack)


def _layer(weights: np.ndarray, values: np.ndarray, one: int) -> np.ndarray:
    """Sums at every pixel, whose last weights meet a constant."""
    return np.tensordot(weights, np.concatenate([values, np.full((1, *values.shape[1:]), one)]), 1)


def _two_layers(stack: np.ndarray, matrices: _Matrices) -> np.ndarray:
    (s0, k0), (s1, k1) = matrices["synthesis0"], matrices["synthesis1"]
    x = _clip(_shift(stack, 2), -(2**15 - 1), 2**15 - 1)
    q = _layer(s0, x, 2**6)
    g = _clip(_shift(q[: -len(s1)], k0 - 3), 0, 2**15 - 1)
    direct = _clip(_shift(q[-len(s1) :], k0 - 6), -(2**15 - 1), 2**15 - 1)
    return _clip(_shift(_layer(s1, g, 2**9), k1 - 3) + direct, -(2**15 - 1), 2**15 - 1)


def _residual(y: np.ndarray, weights: np.ndarray, k: int, low: int) -> np.ndarray:
    around = np.pad(y, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows, columns = y.shape[1:]
    views = [
        around[j, m : m + rows, n : n + columns] for j in range(len(y)) for m in range(3) for n in range(3)
    ]
    z = y + _shift(_layer(weights, np.array(views), 2**12), k)
    return _clip(z, low, 2**15 - 1)


def _cnn_pixels(levels: list[np.ndarray], matrices: _Matrices) -> np.ndarray:
    y = _two_layers(_stack(levels, matrices), matrices)
    residuals = [name for name in matrices if name.startswith("residual")]
    for name in residuals:
        y = _residual(y, *matrices[name], -(2**15 - 1) if name == residuals[-1] else 0)
    samples = _clip(_shift(255 * y, 12), 0, 255)
    return np.moveaxis(samples.astype(np.uint8), 0, -1)

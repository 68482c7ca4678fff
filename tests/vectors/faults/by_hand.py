# ruff: noqa: E501 - what is replaced stands on one line
"""Faults that are more than one changed node of the syntax tree, and what the other faults call."""

# What the faults below call; it is put before the decoder.
PRELUDE = """
import numpy as _np
def _trunc(a, b):
    return _np.sign(a) * (abs(a) // b) if b > 0 else a // b
def _nearest(a, b):
    return (2 * a + b) // (2 * b)
def _ceil(a, b):
    return -(-a // b)
def _even(x, s):
    if s <= 0: return x * 2**-s
    floor, half = x // 2**s, 2 ** (s - 1)
    rest = x - floor * 2**s
    return floor + _np.where(rest == half, floor % 2, rest > half)
def _half_down(x, s):
    return -((-x + 2 ** (s - 1)) // 2**s) if s > 0 else x * 2**-s
def _half_away(x, s):
    return _np.where(x < 0, _half_down(x, s), (x + 2 ** (s - 1)) // 2**s) if s > 0 else x * 2**-s
def _floor(x, s):
    return x // 2**s if s > 0 else x * 2**-s
def _half_up(x):
    return _np.floor(_np.float64(x) + 0.5)
def _fused(a, b, c):
    return (_np.float64(a) * b + c).astype(_np.float32)
"""
# Faults that are more than one changed node: section, what is replaced, by what.
BY_HAND: tuple[tuple[str, str, str], ...] = (
    ("7.3", "z = sums * scale\n    z = z + beta", "z = _fused(sums, scale, beta)"),
    ("7.3", "y = v * c[3]\n    y = y + c[2]", "y = _fused(v, c[3], c[2])"),
    ("7.3", "y = y * v\n    y = y + c[1]", "y = _fused(y, v, c[1])"),
    ("7.3", "y = y * v\n    y = y + c[0]", "y = _fused(y, v, c[0])"),
    ("7.3", "r = z - np.rint(z)\n    v = r * r", "r = z - np.rint(z)\n    v = np.float64(r) * r"),
    ("7.3", "y = v * c[3]", "v = np.float64(v)\n    y = v * c[3]"),
    ("7.3", "y = y * r", "y = np.float64(y) * r"),
    ("7.3", "y = y * v\n    y = y + c[0]\n    y = y * r", "y = y * (v * r) + c[0] * r"),
    ("7.3", ".astype(f32) / f32(steps[2 * i + 1])", ".astype(f32) * f32(1 / steps[2 * i + 1])"),
    ("7.3", ".astype(f32) / f32(steps[2 * i + 1])", " / steps[2 * i + 1]"),
    ("7.3", "r = z - np.rint(z)", "r = z - np.trunc(z)"),
    ("7.3", "_sines(sums.astype(f32), ", "_sines(sums.astype(np.float64), "),
    (
        "7.4",
        "z = z + (255 * symbols[-1] * steps[-1]).astype(f32)",
        "z = _fused(sums, f32(255 * steps[-2] * 2.0 ** -bits[-1]), (255 * symbols[-1] * steps[-1]).astype(f32))",
    ),
    ("7.4", "z = sums.astype(f32) * f32(255", "z = sums.astype(np.float64) * f32(255"),
    ("6.1", '"little") for i', '"big") for i'),
    ("7.2", "np.tile(x, (h, 1)), np.repeat(y, w, axis=0)", "np.repeat(y, w, axis=0), np.tile(x, (h, 1))"),
    ("7.2", "np.tile(x, (h, 1)), np.repeat(y, w, axis=0)", "np.repeat(x, h, axis=0), np.tile(y, (w, 1))"),
    ("7.2", "np.concatenate([p, (p + 2**14) % 2**16], axis=1)", "np.stack([p, (p + 2**14) % 2**16], 2).reshape(n, -1)"),
    ("8", "for d in (4, 5, 6) if", "for d in (6, 5, 4) if"),
    ("8", "[(d, False) for d in range(n_levels)] +", "[(d, False) for d in reversed(range(n_levels))] +"),
    ("10", "sorted(range(len(grids)), key=lambda n: (-grids[n][0], not grids[n][1]))", "reversed(range(len(grids)))"),
    ("10.1", "key=lambda place: (place[1] + 3 * place[0], place[0])", "key=lambda place: place"),
    ("10.1", "place[0]))", "-place[0]))"),
    ("10.2", "[*above, 1]", "[*above[::-1], 1]"),
    ("11.1", "filters[n], kf).T, filters[n], kf).T", "filters[n], kf), filters[n], kf)"),
    ("11.1", "_filtered(_filtered(plane, filters[n], kf).T, filters[n], kf).T", "_filtered(_filtered(plane.T, filters[n], kf).T, filters[n], kf)"),
    ("11.2", "_doubled(_doubled(old, taps[n], k).T, taps[n], k).T", "_doubled(_doubled(old.T, taps[n], k).T, taps[n], k)"),
    ("11.2", "stack.insert(0, plane)", "stack.append(plane)"),
    ("11.4", 'mode="edge"', 'mode="constant"'),
    ("11.4", 'mode="edge"', 'mode="reflect"'),
    ("11.4", "for m in range(3) for n in range(3)", "for n in range(3) for m in range(3)"),
    ("11.4", "for j in range(len(y)) for m in range(3) for n in range(3)", "for m in range(3) for n in range(3) for j in range(len(y))"),
    ("11.5", "np.moveaxis(samples.astype(np.uint8), 0, -1)", "np.moveaxis(samples[::-1].astype(np.uint8), 0, -1)"),
    ("6", "np.cumsum([coder.symbol(boundaries) for _ in range(n)])", "np.array([coder.symbol(boundaries) for _ in range(n)])"),
    ("6.3", "for c in range(shape[1])]\n        for j", "for c in range(shape[1])]\n        q[i] = [9] * shape[1]\n        for j"),
    ("9.1", "np.hstack([p[:, :-1], np.zeros((len(p), 9), dtype=np.int64), p[:, -1:]])", "np.hstack([p, np.zeros((len(p), 9), dtype=np.int64)])"),
    ("9.1", "np.vstack([p, np.zeros((1, p.shape[1]), dtype=np.int64)])", "np.vstack([np.zeros((1, p.shape[1]), dtype=np.int64), p])"),
    ("9", "_matrix_fields(side, exponent) for name, (_, exponent) in", "_matrix_fields(side, _priors()[number - 1]['exponents'][name]) for name, _ in"),
    ("9.2", "sums[:, block].sum(axis=1)", "sums[:, block][:, :-1].sum(axis=1)"),
    ("9.2", "sums[:, block].sum(axis=1)", "(sums[:, block][:, :-1] if name in ('context1', 'context2', 'synthesis0', 'synthesis1') else sums[:, block]).sum(axis=1)"),
    ("9.2", "sums[:, block].sum(axis=1)", "(sums[:, block][:, :-1] if name.startswith('residual') else sums[:, block]).sum(axis=1)"),
    ("9.2", "sums[:, block].sum(axis=1)", "(sums[:, block][:, :-1] if name == 'parents' and len(sums[0, block]) > 1 else sums[:, block]).sum(axis=1)"),
    ("11.4", "    z = y + _shift(_layer(weights, np.array(views), 2**12), k)\n    return _clip(z, low, 2**15 - 1)",
     "    for i in range(len(y)):\n        z = y[i] + _shift(_layer(weights[i : i + 1], np.array(views), 2**12)[0], k)\n        around[i, 1:-1, 1:-1] = y[i] = _clip(z, low, 2**15 - 1)\n    return y"),
    ("11.4", "    for name in residuals:\n        y = _residual(y, ", "    first = y\n    for name in residuals:\n        y = _residual(first, "),
    ("3", "zlib.decompressobj()", "zlib.decompressobj(zdict=b'ICCEXIFXMP')"),
    ("1", "for c in range(channels) if planes", "for c in reversed(range(channels)) if planes"),
    ("1", "width = body.varint()\n    _must(1 <= width <= 65535, \"width\")\n    height = body", "height = body.varint()\n    _must(1 <= height <= 65535, \"width\")\n    width = body"),
    ("1", "coder, len(coded), width, height, most)", "coder, channels, width, height, most)"),
    ("1", "image[:, :, 1] = image[:, :, 2] = image[:, :, 0]", "image[:, :, 1] = image[:, :, 0]"),
    ("1", "image[:, :, coded] = pixels()", "image[:, :, : len(coded)] = pixels()"),
    ("1", "image[:, :, coded] = pixels()", "image[:, :, coded[::-1]] = pixels()"),
    ("1", "channels, planes = data[6], data[7]", "planes, channels = data[6], data[7]"),
    ("1", "if not coded:", "if not coded and data[5] == 1:"),
    ("3", "return plain[:n_icc], plain[n_icc : n_icc + n_exif], plain[n_icc + n_exif :]",
     "return plain[n_icc : n_icc + n_exif], plain[:n_icc], plain[n_icc + n_exif :]"),
    ("3", "return plain[:n_icc], plain[n_icc : n_icc + n_exif], plain[n_icc + n_exif :]",
     "return plain[:n_icc], plain[n_icc + n_exif :], plain[n_icc : n_icc + n_exif]"),
)  # fmt: skip

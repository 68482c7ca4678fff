"""The image that latents of family `cnn` stand for, and its gradients: the twin of `PlainLosses.image`."""

from inr.cnn.fit.elementary_kernels import LANES, F, dense, jit, mask, outer, relu, sums


@jit
def synthesis_rows(x, y, start, stop, w1, b1, w2, b2, scratch):
    """y[:, start:stop] = w2 · relu(w1 · x + b1) + b2; x: [inputs, pixels]."""
    xs, h, o = scratch[0], scratch[1], scratch[2]
    for left in range(start, stop, LANES):
        n = min(LANES, stop - left)
        for c in range(x.shape[0]):
            source = x[c, left:]
            for j in range(n):
                xs[c, j] = source[j]
        dense(h, w1, b1, xs, n)
        relu(h, n)
        dense(o, w2, b2, h, n)
        for c in range(y.shape[0]):
            target = y[c, left:]
            for j in range(n):
                target[j] = o[c, j]


@jit
def synthesis_rows_back(x, g_y, g_x, start, stop, w1, t1, b1, t2, zeros, g_w1, g_b1, g_w2, g_b2, scratch):
    """The gradients of `synthesis_rows`: g_x is set, those of weights and biases are added to."""
    xs, h, o, d, dx_ = scratch
    for left in range(start, stop, LANES):
        n = min(LANES, stop - left)
        for c in range(x.shape[0]):
            source = x[c, left:]
            for j in range(n):
                xs[c, j] = source[j]
        for c in range(g_y.shape[0]):
            source = g_y[c, left:]
            for j in range(n):
                o[c, j] = source[j]
        dense(h, w1, b1, xs, n)
        relu(h, n)
        outer(g_w2, o, h, n)
        sums(g_b2, o, n)
        dense(d, t2, zeros, o, n)
        mask(d, h, n)
        outer(g_w1, d, xs, n)
        sums(g_b1, d, n)
        dense(dx_, t1, zeros, d, n)
        for c in range(g_x.shape[0]):
            target = g_x[c, left:]
            for j in range(n):
                target[j] = dx_[c, j]


@jit
def _sources(row, h, f):
    """Rows that a row of the doubled plane is made of, and their taps, in the order of the rows."""
    y = row >> 1
    if row & 1 == 0:
        return max(y - 2, 0), max(y - 1, 0), y, min(y + 1, h - 1), f[0], f[1], f[2], f[3]
    return max(y - 1, 0), y, min(y + 1, h - 1), min(y + 2, h - 1), f[3], f[2], f[1], f[0]


@jit
def _tall_line(source, row, f, line):
    """A row of the plane that is doubled in height alone, into line[2:], its ends repeated."""
    h, w = source.shape
    r0, r1, r2, r3, a0, a1, a2, a3 = _sources(row, h, f)
    s0, s1, s2, s3 = source[r0], source[r1], source[r2], source[r3]
    for j in range(w):
        line[j + 2] = a0 * s0[j] + a1 * s1[j] + a2 * s2[j] + a3 * s3[j]
    line[0] = line[1] = line[2]
    line[w + 2] = line[w + 3] = line[w + 1]


@jit
def upsample(source, target, f, line):
    """target[k, :H, :W] = source[k, :h, :w] twice as large; line: scratch [w + 5]."""
    height, width = target.shape[1], target.shape[2]
    half = width // 2
    for k in range(source.shape[0]):
        for row in range(height):
            _tall_line(source[k], row, f, line)
            out = target[k, row]
            for j in range(half):
                out[2 * j] = f[0] * line[j] + f[1] * line[j + 1] + f[2] * line[j + 2] + f[3] * line[j + 3]
                out[2 * j + 1] = (
                    f[3] * line[j + 1] + f[2] * line[j + 2] + f[1] * line[j + 3] + f[0] * line[j + 4]
                )
            if width % 2:
                j = half
                out[2 * j] = f[0] * line[j] + f[1] * line[j + 1] + f[2] * line[j + 2] + f[3] * line[j + 3]


@jit
def _wide_back(g, line, g_line, f, g_f, w):
    """Gradients of doubling a line in width: g_line is set, g_f is added to."""
    for j in range(w + 5):
        g_line[j] = F(0)
    width = len(g)
    half = width // 2
    q0 = q1 = q2 = q3 = F(0)
    for j in range(half):
        e = g[2 * j]
        o = g[2 * j + 1]
        q0 += e * line[j] + o * line[j + 4]
        q1 += e * line[j + 1] + o * line[j + 3]
        q2 += e * line[j + 2] + o * line[j + 2]
        q3 += e * line[j + 3] + o * line[j + 1]
    for j in range(half):
        g_line[j] += f[0] * g[2 * j]
    for j in range(half):
        g_line[j + 1] += f[1] * g[2 * j] + f[3] * g[2 * j + 1]
    for j in range(half):
        g_line[j + 2] += f[2] * (g[2 * j] + g[2 * j + 1])
    for j in range(half):
        g_line[j + 3] += f[3] * g[2 * j] + f[1] * g[2 * j + 1]
    for j in range(half):
        g_line[j + 4] += f[0] * g[2 * j + 1]
    if width % 2:
        e = g[2 * half]
        q0 += e * line[half]
        q1 += e * line[half + 1]
        q2 += e * line[half + 2]
        q3 += e * line[half + 3]
        for n in range(4):
            g_line[half + n] += f[n] * e
    g_line[2] += g_line[0] + g_line[1]
    g_line[w + 1] += g_line[w + 2] + g_line[w + 3]
    g_f[0] += q0
    g_f[1] += q1
    g_f[2] += q2
    g_f[3] += q3


@jit
def _tall_back(source, row, g_line, g_source, f, g_f):
    """Gradients of doubling in height, from those of a row: g_source and g_f are added to."""
    h, w = source.shape
    r0, r1, r2, r3, a0, a1, a2, a3 = _sources(row, h, f)
    s0, s1, s2, s3 = source[r0], source[r1], source[r2], source[r3]
    v0 = v1 = v2 = v3 = F(0)
    for j in range(w):
        t = g_line[j + 2]
        v0 += t * s0[j]
        v1 += t * s1[j]
        v2 += t * s2[j]
        v3 += t * s3[j]
    _add_scaled(g_source[r0], a0, g_line, w)
    _add_scaled(g_source[r1], a1, g_line, w)
    _add_scaled(g_source[r2], a2, g_line, w)
    _add_scaled(g_source[r3], a3, g_line, w)
    first, step = (0, 1) if row & 1 == 0 else (3, -1)
    g_f[first] += v0
    g_f[first + step] += v1
    g_f[first + 2 * step] += v2
    g_f[first + 3 * step] += v3


@jit
def _add_scaled(target, factor, g_line, w):
    for j in range(w):
        target[j] += factor * g_line[j + 2]


@jit
def upsample_back(source, g_target, g_source, f, g_f, line, g_line):
    """The gradients of `upsample`: adds to g_source and g_f. Scratch: line [w + 5], g_line [w + 6]."""
    for k in range(source.shape[0]):
        for row in range(g_target.shape[1]):
            _tall_line(source[k], row, f, line)
            _wide_back(g_target[k, row], line, g_line, f, g_f, source.shape[2])
            _tall_back(source[k], row, g_line, g_source[k], f, g_f)


@jit
def head_forward(x, y, w, b, rectify, top, bottom):
    """Y = x + 3x3 convolution of x, edges repeated; rectified if asked. x, y: [C, H, W]."""
    channels, height, width = x.shape
    for row in range(top, bottom):
        up = max(row - 1, 0)
        down = min(row + 1, height - 1)
        for o in range(channels):
            out = y[o, row]
            centre = x[o, row]
            for j in range(width):
                out[j] = centre[j] + b[o]
            for i in range(channels):
                for k in range(3):
                    line = x[i, up if k == 0 else (row if k == 1 else down)]
                    a0 = w[o, i, k, 0]
                    a1 = w[o, i, k, 1]
                    a2 = w[o, i, k, 2]
                    for j in range(1, width - 1):
                        out[j] += a0 * line[j - 1] + a1 * line[j] + a2 * line[j + 1]
                    last = width - 1
                    out[0] += (a0 + a1) * line[0] + a2 * line[min(1, last)]
                    if last > 0:
                        out[last] += a0 * line[last - 1] + (a1 + a2) * line[last]
            if rectify:
                for j in range(width):
                    out[j] = max(out[j], F(0))


@jit
def _tap_back(g, line, target, a0, a1, a2):
    """Gradients of three taps along a line: adds to target, returns those of the taps."""
    last = len(g) - 1
    s0 = s1 = s2 = F(0)
    for j in range(1, last):
        s0 += g[j] * line[j - 1]
        s1 += g[j] * line[j]
        s2 += g[j] * line[j + 1]
    for j in range(2, last - 1):
        target[j] += a0 * g[j + 1] + a1 * g[j] + a2 * g[j - 1]
    for part in range(2):  # the two columns at each end, by the definition
        first = 0 if part == 0 else max(2, last - 1)
        stop = min(2, last + 1) if part == 0 else last + 1
        for j in range(first, stop):
            t = a1 * g[j]
            if j > 0:
                t += a2 * g[j - 1]
            if j < last:
                t += a0 * g[j + 1]
            if j == 0:
                t += a0 * g[0]
            if j == last:
                t += a2 * g[last]
            target[j] += t
    s0 += g[0] * line[0]
    s1 += g[0] * line[0]
    s2 += g[0] * line[min(1, last)]
    if last > 0:
        s0 += g[last] * line[last - 1]
        s1 += g[last] * line[last]
        s2 += g[last] * line[last]
    return s0, s1, s2


@jit
def head_backward(x, y, g_y, g_x, w, g_w, g_b, rectify, top, bottom):
    """Adds to g_w, g_b and to rows top - 1 to bottom of g_x. g_y is masked in place where y was rectified."""
    channels, height, width = x.shape
    for row in range(top, bottom):
        up = max(row - 1, 0)
        down = min(row + 1, height - 1)
        for o in range(channels):
            g = g_y[o, row]
            if rectify:
                out = y[o, row]
                for j in range(width):
                    g[j] = g[j] if out[j] > F(0) else F(0)
            s = F(0)
            for j in range(width):
                s += g[j]
            g_b[o] += s
            target = g_x[o, row]
            for j in range(width):
                target[j] += g[j]
            for i in range(channels):
                for k in range(3):
                    r = up if k == 0 else (row if k == 1 else down)
                    a0, a1, a2 = w[o, i, k, 0], w[o, i, k, 1], w[o, i, k, 2]
                    s0, s1, s2 = _tap_back(g, x[i, r], g_x[i, r], a0, a1, a2)
                    g_w[o, i, k, 0] += s0
                    g_w[o, i, k, 1] += s1
                    g_w[o, i, k, 2] += s2

"""Planes of family `cnn`, filtered and doubled in size, and the gradients of both."""

from inr.cnn.fit.compiled.kernels.elementary import F, jit

MARGIN = 3  # taps of a filter on each side


@jit
def _filtered_line(source, row, t, line):
    """A row of the plane that is filtered in height alone, into line[3:], its ends repeated."""
    h, w = source.shape
    a3, a2, a1 = source[max(row - 3, 0)], source[max(row - 2, 0)], source[max(row - 1, 0)]
    b1, b2, b3 = source[min(row + 1, h - 1)], source[min(row + 2, h - 1)], source[min(row + 3, h - 1)]
    here = source[row]
    t0, t1, t2, t3 = t[0], t[1], t[2], t[3]
    for j in range(w):
        line[j + 3] = t0 * here[j] + t1 * (a1[j] + b1[j]) + t2 * (a2[j] + b2[j]) + t3 * (a3[j] + b3[j])
    line[0] = line[1] = line[2] = line[3]
    line[w + 3] = line[w + 4] = line[w + 5] = line[w + 2]


@jit
def filter_rows(source, target, t, top, bottom, line):
    """Rows of target = source filtered by seven symmetric taps each way, edges repeated.

    line: scratch [w + 6].
    """
    w = source.shape[1]
    t0, t1, t2, t3 = t[0], t[1], t[2], t[3]
    for row in range(top, bottom):
        _filtered_line(source, row, t, line)
        out = target[row]
        for j in range(w):
            out[j] = (
                t0 * line[j + 3]
                + t1 * (line[j + 2] + line[j + 4])
                + t2 * (line[j + 1] + line[j + 5])
                + t3 * (line[j] + line[j + 6])
            )


@jit
def _line_back(g, line, g_line, t, g_t, padded):
    """Gradients of filtering a line in width: g_line [w] is set, g_t added to.

    padded: scratch [w + 12], zeros at its ends.
    """
    w = len(g)
    t0, t1, t2, t3 = t[0], t[1], t[2], t[3]
    q0 = q1 = q2 = q3 = F(0)
    for j in range(w):
        padded[j + 6] = g[j]
    for j in range(w):
        q0 += g[j] * line[j + 3]
        q1 += g[j] * (line[j + 2] + line[j + 4])
        q2 += g[j] * (line[j + 1] + line[j + 5])
        q3 += g[j] * (line[j] + line[j + 6])
    g_t[0] += q0
    g_t[1] += q1
    g_t[2] += q2
    g_t[3] += q3
    for j in range(w):
        g_line[j] = (
            t0 * padded[j + 6]
            + t1 * (padded[j + 5] + padded[j + 7])
            + t2 * (padded[j + 4] + padded[j + 8])
            + t3 * (padded[j + 3] + padded[j + 9])
        )
    for k in range(3):  # what the repeated ends took
        left = t3 * padded[8 - k]
        right = t3 * padded[w + 3 + k]
        if k < 2:
            left += t2 * padded[7 - k]
            right += t2 * padded[w + 4 + k]
        if k < 1:
            left += t1 * padded[6]
            right += t1 * padded[w + 5]
        g_line[0] += left
        g_line[w - 1] += right


@jit
def filter_lines_back(source, g, t, g_t, top, bottom, scratch):
    """First half of the gradients of `filter_rows`: rows of g become those of the plane filtered in height.

    Adds to g_t all of the taps' gradient. scratch: [3, w + 12], zeros.
    """
    h, w = source.shape
    line, g_line, padded = scratch[0], scratch[1], scratch[2]
    for row in range(top, bottom):
        _filtered_line(source, row, t, line)
        _line_back(g[row], line, g_line, t, g_t, padded)
        q0 = q1 = q2 = q3 = F(0)
        a3, a2, a1 = source[max(row - 3, 0)], source[max(row - 2, 0)], source[max(row - 1, 0)]
        b1, b2, b3 = source[min(row + 1, h - 1)], source[min(row + 2, h - 1)], source[min(row + 3, h - 1)]
        here, target = source[row], g[row]
        for j in range(w):
            v = g_line[j]
            q0 += v * here[j]
            q1 += v * (a1[j] + b1[j])
            q2 += v * (a2[j] + b2[j])
            q3 += v * (a3[j] + b3[j])
            target[j] = v
        g_t[0] += q0
        g_t[1] += q1
        g_t[2] += q2
        g_t[3] += q3


@jit
def filter_columns_back(g, g_source, t, top, bottom):
    """Second half of the gradients of `filter_rows`: sets rows of g_source, from what the first half left."""
    h, w = g.shape
    for row in range(top, bottom):
        target = g_source[row]
        for j in range(w):
            target[j] = t[0] * g[row, j]
        for k in range(1, 4):
            if row - k >= 0:
                _add_scaled(target, t[k], g[row - k], w, 0)
            if row + k < h:
                _add_scaled(target, t[k], g[row + k], w, 0)
            for beyond in range(k):  # what the repeated ends took
                if row == 0 and k - 1 - beyond < h:
                    _add_scaled(target, t[k], g[k - 1 - beyond], w, 0)
                if row == h - 1 and h - k + beyond >= 0:
                    _add_scaled(target, t[k], g[h - k + beyond], w, 0)


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
    _add_scaled(g_source[r0], a0, g_line, w, 2)
    _add_scaled(g_source[r1], a1, g_line, w, 2)
    _add_scaled(g_source[r2], a2, g_line, w, 2)
    _add_scaled(g_source[r3], a3, g_line, w, 2)
    first, step = (0, 1) if row & 1 == 0 else (3, -1)
    g_f[first] += v0
    g_f[first + step] += v1
    g_f[first + 2 * step] += v2
    g_f[first + 3 * step] += v3


@jit
def _add_scaled(target, factor, line, w, first):
    for j in range(w):
        target[j] += factor * line[j + first]


@jit
def upsample_back(source, g_target, g_source, f, g_f, line, g_line):
    """The gradients of `upsample`: adds to g_source and g_f. Scratch: line [w + 5], g_line [w + 6]."""
    for k in range(source.shape[0]):
        for row in range(g_target.shape[1]):
            _tall_line(source[k], row, f, line)
            _wide_back(g_target[k, row], line, g_line, f, g_f, source.shape[2])
            _tall_back(source[k], row, g_line, g_source[k], f, g_f)

"""The networks that turn a stack of planes of family `cnn` into an image, and their gradients."""

from inr.cnn.fit.compiled.elementary_kernels import LANES, F, dense, jit, mask, outer, relu, sums


@jit
def synthesis_rows(x, y, start, stop, w1, b1, w2, b2, scratch):
    """y[:, start:stop] = w2 · relu(first rows of h) + b2 + the other rows of h, where h = w1 · x + b1.

    x: [inputs, pixels]; w2 has a column for each of the first rows.
    """
    xs, h, o = scratch[0], scratch[1], scratch[2]
    hidden = w2.shape[1]
    for left in range(start, stop, LANES):
        n = min(LANES, stop - left)
        for c in range(x.shape[0]):
            source = x[c, left:]
            for j in range(n):
                xs[c, j] = source[j]
        dense(h, w1, b1, xs, n)
        relu(h[:hidden], n)
        dense(o, w2, b2, h[:hidden], n)
        for c in range(y.shape[0]):
            target = y[c, left:]
            for j in range(n):
                target[j] = o[c, j] + h[hidden + c, j]


@jit
def synthesis_rows_back(x, g_y, g_x, start, stop, w1, t1, b1, t2, zeros, g_w1, g_b1, g_w2, g_b2, scratch):
    """The gradients of `synthesis_rows`: g_x is set, those of weights and biases are added to."""
    xs, h, o, d, dx_ = scratch
    hidden = t2.shape[0]
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
                d[hidden + c, j] = source[j]
        dense(h, w1, b1, xs, n)
        relu(h[:hidden], n)
        outer(g_w2, o, h[:hidden], n)
        sums(g_b2, o, n)
        dense(d[:hidden], t2, zeros, o, n)
        mask(d[:hidden], h[:hidden], n)
        outer(g_w1, d, xs, n)
        sums(g_b1, d, n)
        dense(dx_, t1, zeros, d, n)
        for c in range(g_x.shape[0]):
            target = g_x[c, left:]
            for j in range(n):
                target[j] = dx_[c, j]


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

"""The networks that turn a stack of planes of family `cnn` into an image, and their gradients."""

from inr.cnn.fit.compiled.kernels.elementary import LANES, F, dense, jit, mask, outer, relu, sums


@jit
def synthesis_rows(x, y, start, stop, w1, b1, w2, b2, scratch):
    """y[:, start:stop] = w2 · relu(first rows of h) + b2 + the other rows of h, where h = w1 · x + b1.

    x: [inputs, pixels]; w1 may have further columns, and w2 has a column for each of the first rows. scratch:
    as many lines as w1 has columns, zeros below those of x, and as w1 and w2 have rows.
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
    """Rows of y = x + 3x3 convolution of x, rectified if asked.

    x: [C, H + 2, W + 2], its edges repeated; y: [C, H, W].
    """
    channels, _, width = y.shape
    for row in range(top, bottom):
        for o in range(channels):
            out, centre = y[o, row], x[o, row + 1, 1:]
            for j in range(width):
                out[j] = centre[j] + b[o]
            for i in range(channels):
                _add_convolved(out, x[i, row], x[i, row + 1], x[i, row + 2], w[o, i], width)
            if rectify:
                for j in range(width):
                    out[j] = max(out[j], F(0))


@jit
def _add_convolved(out, up, here, down, w, width):
    """Adds what nine taps make of three lines, each of which has a value more at both ends."""
    a0, a1, a2 = w[0, 0], w[0, 1], w[0, 2]
    b0, b1, b2 = w[1, 0], w[1, 1], w[1, 2]
    c0, c1, c2 = w[2, 0], w[2, 1], w[2, 2]
    for j in range(width):
        out[j] += (
            (a0 * up[j] + a1 * up[j + 1] + a2 * up[j + 2])
            + (b0 * here[j] + b1 * here[j + 1] + b2 * here[j + 2])
            + (c0 * down[j] + c1 * down[j + 1] + c2 * down[j + 2])
        )


@jit
def head_taps_back(x, g_y, g_w, g_b, top, bottom):
    """Adds the gradients of the taps that rows of g_y, [C, H + 4, W + 4] with zeros around, give."""
    channels = g_y.shape[0]
    width = g_y.shape[2] - 4
    for row in range(top, bottom):
        for o in range(channels):
            g = g_y[o, row + 2, 2:]
            s = F(0)
            for j in range(width):
                s += g[j]
            g_b[o] += s
            for i in range(channels):
                for k in range(3):
                    line = x[i, row + k]
                    s0 = s1 = s2 = F(0)
                    for j in range(width):
                        s0 += g[j] * line[j]
                        s1 += g[j] * line[j + 1]
                        s2 += g[j] * line[j + 2]
                    g_w[o, i, k, 0] += s0
                    g_w[o, i, k, 1] += s1
                    g_w[o, i, k, 2] += s2


@jit
def head_samples_back(g_y, g_x, w, top, bottom):
    """Sets rows top..bottom of g_x, [C, H + 2, W + 2], as if x were what it is with its edges repeated.

    g_y: [C, H + 4, W + 4], zeros around; w: the taps turned by half a circle, [in, out, 3, 3].
    """
    channels = g_x.shape[0]
    width = g_x.shape[2]
    for row in range(top, bottom):
        for i in range(channels):
            target, centre = g_x[i, row], g_y[i, row + 1, 1:]
            for j in range(width):
                target[j] = centre[j]
            for o in range(channels):
                _add_convolved(target, g_y[o, row], g_y[o, row + 1], g_y[o, row + 2], w[i, o], width)

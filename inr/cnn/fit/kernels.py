"""Fused loops for fitting family `cnn` on a CPU: bits, upsampling, synthesis, and all their gradients.

Twins of the plain operations in cnn_gradient.py, to float32 precision; tests hold them together. Work
goes in runs of LANES positions that stay in the fastest cache, so a pass is bounded by arithmetic and
not by memory. All are free of the interpreter's lock; gradients are added to what is there.
"""

import numpy as np
from numpy.polynomial.chebyshev import Chebyshev
from numpy.polynomial.polynomial import Polynomial

from inr.compiling import compiled

LANES = 128
F = np.float32
_jit = compiled(fastmath=True)


def _polynomial(function, low, high, degree):
    nearly_minimax = Chebyshev.interpolate(function, degree, domain=[low, high])
    return tuple(F(c) for c in nearly_minimax.convert(kind=Polynomial).coef)


E0, E1, E2, E3, E4, E5 = _polynomial(lambda t: 2.0**t, 0, 1, 5)
L0, L1, L2, L3, L4, L5, L6 = _polynomial(lambda t: np.log(t), 1, 2, 6)
LOG2E = F(np.log2(np.e))
LN2 = F(np.log(2))


@_jit
def dense(out, weight, bias, x, n):
    """out[:, :n] = weight · x + bias. Rows come in twos, inputs in fours: half the loads per product."""
    for h in range(0, weight.shape[0], 2):
        for j in range(n):
            out[h, j] = bias[h]
            out[h + 1, j] = bias[h + 1]
        for c in range(0, weight.shape[1], 4):
            a0 = weight[h, c]
            a1 = weight[h, c + 1]
            a2 = weight[h, c + 2]
            a3 = weight[h, c + 3]
            b0 = weight[h + 1, c]
            b1 = weight[h + 1, c + 1]
            b2 = weight[h + 1, c + 2]
            b3 = weight[h + 1, c + 3]
            for j in range(n):
                x0 = x[c, j]
                x1 = x[c + 1, j]
                x2 = x[c + 2, j]
                x3 = x[c + 3, j]
                out[h, j] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
                out[h + 1, j] += b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3


@_jit
def outer(gradient, y, x, n):
    """Adds y · xᵀ over n positions."""
    for h in range(0, y.shape[0], 2):
        for c in range(0, x.shape[0], 4):
            s0 = s1 = s2 = s3 = t0 = t1 = t2 = t3 = F(0)
            for j in range(n):
                v = y[h, j]
                u = y[h + 1, j]
                x0 = x[c, j]
                x1 = x[c + 1, j]
                x2 = x[c + 2, j]
                x3 = x[c + 3, j]
                s0 += v * x0
                s1 += v * x1
                s2 += v * x2
                s3 += v * x3
                t0 += u * x0
                t1 += u * x1
                t2 += u * x2
                t3 += u * x3
            gradient[h, c] += s0
            gradient[h, c + 1] += s1
            gradient[h, c + 2] += s2
            gradient[h, c + 3] += s3
            gradient[h + 1, c] += t0
            gradient[h + 1, c + 1] += t1
            gradient[h + 1, c + 2] += t2
            gradient[h + 1, c + 3] += t3


@_jit
def sums(gradient, y, n):
    """Adds the sums of rows over n positions."""
    for h in range(y.shape[0]):
        s = F(0)
        for j in range(n):
            s += y[h, j]
        gradient[h] += s


@_jit
def relu(x, n):
    """Rectify in place."""
    for h in range(x.shape[0]):
        for j in range(n):
            x[h, j] = max(x[h, j], F(0))


@_jit
def mask(d, h_, n):
    """The gradient of `relu`, in place, given its result."""
    for h in range(d.shape[0]):
        for j in range(n):
            d[h, j] = d[h, j] if h_[h, j] > F(0) else F(0)


@_jit
def exp_negative(x, out, bits, n):
    """Out = exp(-x), x >= 0."""
    for j in range(n):
        t = -min(x[j], F(80)) * LOG2E
        whole = np.floor(t)
        f = t - whole
        bits[j] = (np.int32(whole) + np.int32(127)) << np.int32(23)
        x[j] = ((((E5 * f + E4) * f + E3) * f + E2) * f + E1) * f + E0
    scale = bits.view(np.float32)
    for j in range(n):
        out[j] = x[j] * scale[j]


@_jit
def log_in_place(x, bits, n):
    """X = ln(x), x > 0 normal; in place."""
    source = x.view(np.int32)
    mantissa = bits.view(np.float32)
    for j in range(n):
        bits[j] = (source[j] & np.int32(0x7FFFFF)) | np.int32(0x3F800000)
    for j in range(n):
        m = mantissa[j]
        e = F((source[j] >> np.int32(23)) - np.int32(127))
        bits[j] = np.int32(0)
        x[j] = (((((L6 * m + L5) * m + L4) * m + L3) * m + L2) * m + L1) * m + L0 + e * LN2


@_jit
def laplace(x, o, d, r, bits, n):
    """Nats of x under Laplace laws of centre o[0] and spread 2**o[1]: the sum; d becomes the gradient for o.

    r: scratch [6, LANES].
    """
    s, es, ea, a, p = r[0], r[1], r[2], r[3], r[4]
    for j in range(n):
        a[j] = (min(max(o[1, j], F(-4)), F(6)) + F(4)) * LN2
    exp_negative(a, s, bits, n)
    for j in range(n):
        s[j] *= F(16)
        a[j] = s[j]
    exp_negative(a, es, bits, n)
    for j in range(n):
        a[j] = abs((F(0.5) - abs(x[j] - o[0, j])) * s[j])
    exp_negative(a, ea, bits, n)
    for j in range(n):
        near = abs(x[j] - o[0, j]) < F(0.5)
        q = F(1) - F(0.5) * (ea[j] + es[j] / ea[j])
        t = F(0.5) * (F(1) - es[j])
        p[j] = max(q if near else t, F(1e-9))
        a[j] = p[j]
    log_in_place(a, bits, n)
    total = F(0)
    for j in range(n):
        e = x[j] - o[0, j]
        dist = abs(e)
        near = dist < F(0.5)
        total += (F(0) if near else (dist - F(0.5)) * s[j]) - a[j]
        ec = es[j] / ea[j]
        inv = F(1) / p[j]
        dd = F(0.5) * s[j] * (ea[j] - ec) * inv if near else s[j]
        ds = (
            -F(0.5) * ((F(0.5) - dist) * ea[j] + (F(0.5) + dist) * ec) * inv
            if near
            else dist - F(0.5) - F(0.5) * es[j] * inv
        )
        d[0, j] = -dd if e > F(0) else dd
        inside = F(-4) < o[1, j] < F(6)
        d[1, j] = -ds * s[j] * LN2 if inside else F(0)
    return total


@_jit
def context_rows(
    plane,
    gradient,
    top,
    bottom,
    width,
    dy,
    dx,
    pad,
    weights,
    transposed,
    biases,
    g_weights,
    g_biases,
    scratch,
    bits,
):
    """Nats of rows top..bottom of one level, and all gradients, which are added to the buffers.

    plane, gradient: float32 [pad + height, width + 2 pad], values and where their gradients go.
    """
    x, h1, h2, o, d, d2, d1, dx_, r = scratch
    w1, w2, w3 = weights
    t1, t2, t3 = transposed
    b1, b2, b3, zeros = biases
    total = 0.0
    n_in = len(dy)
    for row in range(top, bottom):
        for left in range(0, width, LANES):
            n = min(LANES, width - left)
            for c in range(n_in):
                source = plane[pad + row + dy[c], pad + left + dx[c] :]
                for j in range(n):
                    x[c, j] = source[j]
            dense(h1, w1, b1, x, n)
            relu(h1, n)
            dense(h2, w2, b2, h1, n)
            relu(h2, n)
            dense(o, w3, b3, h2, n)
            here = plane[pad + row, pad + left :]
            total += laplace(here, o, d, r, bits, n)
            outer(g_weights[2], d, h2, n)
            sums(g_biases[2], d, n)
            dense_of_two(d2, t3, d, n)
            mask(d2, h2, n)
            outer(g_weights[1], d2, h1, n)
            sums(g_biases[1], d2, n)
            dense(d1, t2, zeros, d2, n)
            mask(d1, h1, n)
            outer(g_weights[0], d1, x, n)
            sums(g_biases[0], d1, n)
            dense(dx_, t1, zeros, d1, n)
            for c in range(n_in):
                target = gradient[pad + row + dy[c], pad + left + dx[c] :]
                for j in range(n):
                    target[j] += dx_[c, j]
            target = gradient[pad + row, pad + left :]
            for j in range(n):
                target[j] -= d[0, j]
    return total


@_jit
def dense_of_two(out, weight, x, n):
    """out[:, :n] = weight · x for two inputs."""
    for h in range(weight.shape[0]):
        a = weight[h, 0]
        b = weight[h, 1]
        for j in range(n):
            out[h, j] = a * x[0, j] + b * x[1, j]


@_jit
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


@_jit
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


@_jit
def upsample(source, target, f, line):
    """target[k, :H, :W] = source[k, :h, :w] twice as large; line: scratch [w + 4]."""
    planes, h, w = source.shape
    height, width = target.shape[1], target.shape[2]
    for k in range(planes):
        for row in range(height):
            y = row >> 1
            if row & 1 == 0:
                r0 = max(y - 2, 0)
                r1 = max(y - 1, 0)
                r2 = y
                r3 = min(y + 1, h - 1)
                a0, a1, a2, a3 = f[0], f[1], f[2], f[3]
            else:
                r0 = max(y - 1, 0)
                r1 = y
                r2 = min(y + 1, h - 1)
                r3 = min(y + 2, h - 1)
                a0, a1, a2, a3 = f[3], f[2], f[1], f[0]
            s0 = source[k, r0]
            s1 = source[k, r1]
            s2 = source[k, r2]
            s3 = source[k, r3]
            for j in range(w):
                line[j + 2] = a0 * s0[j] + a1 * s1[j] + a2 * s2[j] + a3 * s3[j]
            line[0] = line[1] = line[2]
            line[w + 2] = line[w + 3] = line[w + 1]
            out = target[k, row]
            half = width // 2
            for j in range(half):
                out[2 * j] = f[0] * line[j] + f[1] * line[j + 1] + f[2] * line[j + 2] + f[3] * line[j + 3]
                out[2 * j + 1] = (
                    f[3] * line[j + 1] + f[2] * line[j + 2] + f[1] * line[j + 3] + f[0] * line[j + 4]
                )
            if width % 2:
                j = half
                out[2 * j] = f[0] * line[j] + f[1] * line[j + 1] + f[2] * line[j + 2] + f[3] * line[j + 3]


@_jit
def upsample_back(source, g_target, g_source, f, g_f, line, g_line):
    """Adds to g_source and g_f."""
    planes, h, w = source.shape
    height, width = g_target.shape[1], g_target.shape[2]
    for k in range(planes):
        for row in range(height):
            y = row >> 1
            odd = row & 1
            if odd == 0:
                r0 = max(y - 2, 0)
                r1 = max(y - 1, 0)
                r2 = y
                r3 = min(y + 1, h - 1)
                a0, a1, a2, a3 = f[0], f[1], f[2], f[3]
            else:
                r0 = max(y - 1, 0)
                r1 = y
                r2 = min(y + 1, h - 1)
                r3 = min(y + 2, h - 1)
                a0, a1, a2, a3 = f[3], f[2], f[1], f[0]
            s0 = source[k, r0]
            s1 = source[k, r1]
            s2 = source[k, r2]
            s3 = source[k, r3]
            for j in range(w):
                line[j + 2] = a0 * s0[j] + a1 * s1[j] + a2 * s2[j] + a3 * s3[j]
            line[0] = line[1] = line[2]
            line[w + 2] = line[w + 3] = line[w + 1]
            g = g_target[k, row]
            for j in range(w + 5):
                g_line[j] = F(0)
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
                g_line[half] += f[0] * e
                g_line[half + 1] += f[1] * e
                g_line[half + 2] += f[2] * e
                g_line[half + 3] += f[3] * e
            g_line[2] += g_line[0] + g_line[1]
            g_line[w + 1] += g_line[w + 2] + g_line[w + 3]
            g0 = g_source[k, r0]
            g1 = g_source[k, r1]
            g2 = g_source[k, r2]
            g3 = g_source[k, r3]
            v0 = v1 = v2 = v3 = F(0)
            for j in range(w):
                t = g_line[j + 2]
                v0 += t * s0[j]
                v1 += t * s1[j]
                v2 += t * s2[j]
                v3 += t * s3[j]
            for j in range(w):
                g0[j] += a0 * g_line[j + 2]
            for j in range(w):
                g1[j] += a1 * g_line[j + 2]
            for j in range(w):
                g2[j] += a2 * g_line[j + 2]
            for j in range(w):
                g3[j] += a3 * g_line[j + 2]
            if odd == 0:
                q0 += v0
                q1 += v1
                q2 += v2
                q3 += v3
            else:
                q3 += v0
                q2 += v1
                q1 += v2
                q0 += v3
            g_f[0] += q0
            g_f[1] += q1
            g_f[2] += q2
            g_f[3] += q3


@_jit
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


@_jit
def head_backward(x, y, g_y, g_x, w, g_w, g_b, rectify, top, bottom):
    """Adds to g_w, g_b and to rows top - 1 to bottom of g_x. g_y is masked in place where y was rectified."""
    channels, height, width = x.shape
    last = width - 1
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
                    line = x[i, r]
                    target = g_x[i, r]
                    a0 = w[o, i, k, 0]
                    a1 = w[o, i, k, 1]
                    a2 = w[o, i, k, 2]
                    s0 = s1 = s2 = F(0)
                    for j in range(1, last):
                        s0 += g[j] * line[j - 1]
                        s1 += g[j] * line[j]
                        s2 += g[j] * line[j + 1]
                    for j in range(2, last - 1):
                        target[j] += a0 * g[j + 1] + a1 * g[j] + a2 * g[j - 1]
                    for part in range(2):  # the two columns at each end, by the definition
                        first = 0 if part == 0 else max(2, last - 1)
                        stop = min(2, width) if part == 0 else width
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
                    g_w[o, i, k, 0] += s0
                    g_w[o, i, k, 1] += s1
                    g_w[o, i, k, 2] += s2

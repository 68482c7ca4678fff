"""Bits of the latents of family `cnn` and their gradients, in one pass: the twin of `PlainLosses.bits`."""

from inr.cnn.fit.elementary_kernels import (
    LANES,
    LN2,
    F,
    dense,
    dense_of_two,
    exp_negative,
    jit,
    log_in_place,
    mask,
    outer,
    relu,
    sums,
)


@jit
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


@jit
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

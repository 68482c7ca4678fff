"""Bits of the latents of family `cnn` and their gradients, in one pass: the twin of `PlainLosses.bits`."""

from inr.cnn.fit.compiled.kernels.elementary import (
    LANES,
    LN2,
    F,
    dense,
    dense_of_two,
    dense_onto,
    exp_negative,
    jit,
    log_in_place,
    mask,
    outer,
    relu,
    sums,
)


@jit
def laplace(x, o, nats, d, r, bits, n):
    """nats[:n] = nats of x under Laplace laws of centre o[0] and spread 2**o[1].

    d becomes the gradient for o. r: scratch [6, LANES].
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
    for j in range(n):
        e = x[j] - o[0, j]
        dist = abs(e)
        near = dist < F(0.5)
        nats[j] = (F(0) if near else (dist - F(0.5)) * s[j]) - a[j]
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


@jit
def _gather(latents, starts, widths, shifts, row, left, out, n):
    """out[p, :n] = what each parent has at a row of half the grid's size and at n columns from `left` on."""
    for p in range(len(starts)):
        shift = shifts[p]
        source = latents[starts[p] + (row >> shift) * widths[p] :]
        for j in range(n):
            out[p, j] = source[(left + j) >> shift]


@jit
def _scatter(gradient, starts, widths, shifts, firsts, row, left, d, n):
    """Adds d[p, :n] to where `_gather` read, in a buffer that begins at row `firsts` of each parent."""
    for p in range(len(starts)):
        shift = shifts[p]
        target = gradient[starts[p] + ((row >> shift) - firsts[p]) * widths[p] :]
        for j in range(n):
            target[(left + j) >> shift] += d[p, j]


@jit
def _repeat(source, out, n):
    """out[h, j] = source[h, j // 2]."""
    for h in range(source.shape[0]):
        for j in range(n // 2):
            value = source[h, j]
            out[h, 2 * j] = value
            out[h, 2 * j + 1] = value
        if n % 2:
            out[h, n - 1] = source[h, n // 2]


@jit
def _add_pairs(d, out, n):
    """The gradient of `_repeat`: out[h, j // 2] += d[h, j]."""
    for h in range(d.shape[0]):
        for j in range(n // 2):
            out[h, j] += d[h, 2 * j] + d[h, 2 * j + 1]
        if n % 2:
            out[h, n // 2] += d[h, n - 1]


@jit
def _run(
    plane, gradient, nats, at, dy, dx, weights, transposed, biases, g_weights, g_biases, scratch, bits, n
):
    """nats[:n] = nats of a run of n latents in a row; features come, and their gradients go, by `scratch`.

    at: row and column of the first one in `plane`.
    """
    x, h1, h2, o, d, d2, d1, dx_, r = scratch
    row, left = at
    hidden = h2.shape[0]
    for c in range(len(dy)):
        source = plane[row + dy[c], left + dx[c] :]
        for j in range(n):
            x[c, j] = source[j]
    dense_onto(h1, weights[0], x, n)
    relu(h1[:hidden], n)
    dense(h2, weights[1], biases[0], h1[:hidden], n)
    relu(h2, n)
    dense(o, weights[2], biases[1], h2, n)
    for i in range(2):
        for j in range(n):
            o[i, j] += h1[hidden + i, j]
    here = plane[row, left:]
    laplace(here, o, nats, d, r, bits, n)
    outer(g_weights[2], d, h2, n)
    sums(g_biases[1], d, n)
    dense_of_two(d2, transposed[2], d, n)
    mask(d2, h2, n)
    outer(g_weights[1], d2, h1[:hidden], n)
    sums(g_biases[0], d2, n)
    dense(d1[:hidden], transposed[1], biases[2], d2, n)
    mask(d1[:hidden], h1[:hidden], n)
    for i in range(2):
        for j in range(n):
            d1[hidden + i, j] = d[i, j]
    outer(g_weights[0], d1, x, n)
    dense(dx_, transposed[0], biases[2], d1, n)
    for c in range(len(dy)):
        target = gradient[row + dy[c], left + dx[c] :]
        for j in range(n):
            target[j] += dx_[c, j]
    target = gradient[row, left:]
    for j in range(n):
        target[j] -= d[0, j]


@jit
def context_rows(
    plane,
    gradient,
    nats,
    rows,
    pad,
    latents,
    parents,
    by_parent,
    offsets,
    weights,
    transposed,
    biases,
    g_weights,
    g_biases,
    scratch,
    half,
    bits,
):
    """Nats of some rows of a grid, float32 [rows, width], and all gradients, which are added to the buffers.

    plane, gradient: float32 [pad + rows, width + 2 pad], values and where their gradients go, from row
    `rows[0] - above` of the grid on; rows: (first, end, above), the first one even.
    latents: float32, all grids. parents: for each parent its start in `latents`, its width, by how many bits
    to shift a place of half the size, and its start and first row in `by_parent`, where its gradient goes.
    weights: context0, context1, context2 and the grid's part of `parents` without its constants' column.
    """
    first, end, above = rows
    starts, widths, shifts, buffer_starts, buffer_rows = parents
    seen, features, g_features, g_seen = half
    h1, d1 = scratch[1], scratch[6]
    width = plane.shape[1] - 2 * pad
    for pair in range(first // 2, (end + 1) // 2):
        for left in range(0, width, LANES):
            n = min(LANES, width - left)
            n_half = (n + 1) // 2
            _gather(latents, starts, widths, shifts, pair, left // 2, seen, n_half)
            dense(features, weights[3], biases[3], seen, n_half)
            for h in range(g_features.shape[0]):
                for j in range(n_half):
                    g_features[h, j] = F(0)
            for row in range(2 * pair, min(2 * pair + 2, end)):
                _repeat(features, h1, n)
                at = (pad + row - first + above, pad + left)
                _run(
                    plane, gradient, nats[row - first, left:], at, offsets[0], offsets[1], weights,
                    transposed, biases, g_weights, g_biases, scratch, bits, n,
                )  # fmt: skip
                _add_pairs(d1, g_features, n)
            outer(g_weights[3], g_features, seen, n_half)
            sums(g_biases[2], g_features, n_half)
            dense(g_seen, transposed[3], biases[2], g_features, n_half)
            _scatter(by_parent, buffer_starts, widths, shifts, buffer_rows, pair, left // 2, g_seen, n_half)

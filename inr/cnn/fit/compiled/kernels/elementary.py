"""Elementary loops of a fit of family `cnn`: products, sums, rectification, exponentials and logarithms.

Work goes in runs of at most LANES positions that stay in a fast cache. All loops run free of the
interpreter's lock; gradients are added to what is there.
"""

import numpy as np
from numpy.polynomial.chebyshev import Chebyshev
from numpy.polynomial.polynomial import Polynomial

from inr.compiling import compiled

LANES = 256
F = np.float32
jit = compiled(fastmath=True)


def _polynomial(function, low, high, degree):
    nearly_minimax = Chebyshev.interpolate(function, degree, domain=[low, high])
    return tuple(F(c) for c in nearly_minimax.convert(kind=Polynomial).coef)


E0, E1, E2, E3, E4, E5 = _polynomial(lambda t: 2.0**t, 0, 1, 5)
L0, L1, L2, L3, L4, L5, L6 = _polynomial(lambda t: np.log(t), 1, 2, 6)
LOG2E = F(np.log2(np.e))
LN2 = F(np.log(2))


@jit
def dense_onto(out, weight, x, n):
    """Adds weight · x to out[:, :n]. Rows come in twos, inputs in fours: half the loads per product."""
    for h in range(0, weight.shape[0], 2):
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


@jit
def dense(out, weight, bias, x, n):
    """out[:, :n] = weight · x + bias."""
    for h in range(weight.shape[0]):
        for j in range(n):
            out[h, j] = bias[h]
    dense_onto(out, weight, x, n)


@jit
def dense_of_two(out, weight, x, n):
    """out[:, :n] = weight · x for two inputs."""
    for h in range(weight.shape[0]):
        a = weight[h, 0]
        b = weight[h, 1]
        for j in range(n):
            out[h, j] = a * x[0, j] + b * x[1, j]


@jit
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


@jit
def sums(gradient, y, n):
    """Adds the sums of rows over n positions."""
    for h in range(y.shape[0]):
        s = F(0)
        for j in range(n):
            s += y[h, j]
        gradient[h] += s


@jit
def relu(x, n):
    """Rectify in place."""
    for h in range(x.shape[0]):
        for j in range(n):
            x[h, j] = max(x[h, j], F(0))


@jit
def mask(d, h_, n):
    """The gradient of `relu`, in place, given its result."""
    for h in range(d.shape[0]):
        for j in range(n):
            d[h, j] = d[h, j] if h_[h, j] > F(0) else F(0)


@jit
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


@jit
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

"""Kernels of soap.py: a step of SOAP for one matrix of one image.

Bases are turned by one step of orthogonal iteration (arXiv 2409.11321, algorithm 4). Columns keep their
places: the largest is made orthogonal first wherever it stands, so that nothing has to be sorted. Products
are sums of outer products of vectors read from memory, which the program's threads hand each other there:
`tl.dot` in full precision is unrolled to more code and registers than there is room for.
"""

import triton
import triton.language as tl

# Added to a preconditioner for its step of iteration, as a share of its trace: directions without any
# gradient stay as they were, and no column vanishes in float32.
SHIFT = tl.constexpr(1e-6)
# Added to the roots of second moments: squares of less than this vanish in float32.
LEAST = tl.constexpr(1e-18)


@triton.jit
def product(
    left, left_row, left_k, right, right_k, right_column, n_rows, n_k, n_columns,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The product of two matrices in memory, given by strides: float32 [ROWS, COLUMNS], padded by zeros."""
    r, c = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    result = tl.zeros([ROWS, COLUMNS], tl.float32)
    for k in range(n_k):
        column = tl.load(left + r * left_row + k * left_k, mask=r < n_rows, other=0.0)
        row = tl.load(right + c * right_column + k * right_k, mask=c < n_columns, other=0.0)
        result += column[:, None] * row[None, :]
    return result


@triton.jit
def orthonormal(x, n, SIZE: tl.constexpr):
    """The first n columns of float32 [SIZE, SIZE] made orthonormal, the largest first, each in its place."""
    columns = tl.arange(0, SIZE)
    keys = tl.sum(x * x, axis=0)
    order = tl.zeros([SIZE], tl.float32)
    for sweep in range(2):  # the second, in the same order, takes away what rounding left
        todo = tl.where(columns < n, 1.0, 0.0)
        for k in range(n):
            pick = tl.argmax(tl.where(todo > 0.0, keys, -1.0), axis=0)
            here = columns[None, :] == pick
            vector = tl.sum(tl.where(here, x, 0.0), axis=1)
            vector = vector / tl.maximum(tl.sqrt(tl.sum(vector * vector, axis=0)), 1e-30)
            todo = tl.where(columns == pick, 0.0, todo)
            shares = todo * tl.sum(x * vector[:, None], axis=0)
            x = tl.where(here, vector[:, None], x - vector[:, None] * shares[None, :])
            keys -= tl.where(sweep == 0, shares * shares, 0.0)
            order = tl.where(columns == pick, n - k, order)
        keys = order.to(tl.float32)
    return x


@triton.jit
def followed(gradient, stride, k_stride, n, n_k, moments, share, SIZE: tl.constexpr):
    """Add a share of a gradient's products along one side to that side's second moments in memory."""
    places = tl.arange(0, SIZE)
    offsets = places[:, None] * n + places[None, :]
    inside = (places[:, None] < n) & (places[None, :] < n)
    gram = product(gradient, stride, k_stride, gradient, k_stride, stride, n, n_k, n, SIZE, SIZE)
    moment = tl.load(moments + offsets, mask=inside, other=0.0)
    tl.store(moments + offsets, moment + share * (gram - moment), mask=inside)


@triton.jit
def renewed(moments, bases, turns, n, SIZE: tl.constexpr):
    """Turn a basis in memory towards the eigenvectors of second moments.

    Squares of the products of old and new vectors are written to `turns`: [old, new].
    """
    places = tl.arange(0, SIZE)
    offsets = places[:, None] * n + places[None, :]
    inside = (places[:, None] < n) & (places[None, :] < n)
    trace = tl.sum(tl.load(moments + places * (n + 1), mask=places < n, other=0.0), axis=0)
    old = tl.load(bases + offsets, mask=inside, other=0.0)
    x = product(moments, n, 1, bases, n, 1, n, n, n, SIZE, SIZE)
    new = orthonormal(x / tl.maximum(trace, 1e-37) + SHIFT * old, n, SIZE)
    tl.store(turns + offsets, new, mask=inside)
    tl.debug_barrier()
    both = product(bases, 1, n, turns, n, 1, n, n, n, SIZE, SIZE)
    tl.debug_barrier()
    tl.store(turns + offsets, both * both, mask=inside)
    tl.store(bases + offsets, new, mask=inside)


@triton.jit
def scaled(momentum, second, step, n_weights, momentum_decay, decay, damping):
    """Momentum over the root of second moments, without the bias of the first steps: Adam in the bases."""
    second = second / (1 - tl.exp2(step * tl.log2(decay)))
    mean = tl.sum(tl.sum(second, axis=1), axis=0) / n_weights
    scale = tl.sqrt(second) + damping * tl.sqrt(mean) + LEAST
    return momentum / ((1 - tl.exp2(step * tl.log2(momentum_decay))) * scale)


@triton.jit
def times(
    matrix, row_stride, column_stride, work, left, left_k, left_row, right, right_k, right_column,
    n_rows, n_columns, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """A matrix in memory times one from the left, then times one from the right; `work` is as the matrix."""
    r, c = tl.arange(0, ROWS)[:, None], tl.arange(0, COLUMNS)[None, :]
    inside = (r < n_rows) & (c < n_columns)
    half = product(
        left, left_row, left_k, matrix, row_stride, column_stride, n_rows, n_rows, n_columns, ROWS, COLUMNS
    )
    tl.store(work + r * row_stride + c * column_stride, half, mask=inside)
    tl.debug_barrier()
    whole = product(
        work, row_stride, column_stride, right, right_k, right_column, n_rows, n_columns, n_columns,
        ROWS, COLUMNS,
    )  # fmt: skip
    tl.debug_barrier()
    return whole


@triton.jit
def preconditioned(
    gradients, momenta, seconds, work, row, column, left_moments, right_moments, left, right, left_turns,
    right_turns, share, momentum_decay, n_rows, n_columns, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    REFRESH: tl.constexpr,
):  # fmt: skip
    """Take a gradient into the preconditioners and the momentum in memory, and renew bases if it is time.

    Returns:
        The second moments in the bases, float32 [ROWS, COLUMNS].
    """
    r, c = tl.arange(0, ROWS)[:, None], tl.arange(0, COLUMNS)[None, :]
    offsets, inside = r * row + c * column, (r < n_rows) & (c < n_columns)
    followed(gradients, row, column, n_rows, n_columns, left_moments, share, ROWS)
    followed(gradients, column, row, n_columns, n_rows, right_moments, share, COLUMNS)
    momentum = tl.load(momenta + offsets, mask=inside, other=0.0)
    gradient = tl.load(gradients + offsets, mask=inside, other=0.0)
    tl.store(momenta + offsets, momentum + (1 - momentum_decay) * (gradient - momentum), mask=inside)
    second = tl.load(seconds + offsets, mask=inside, other=0.0)
    tl.debug_barrier()  # threads see what others stored
    if REFRESH:
        renewed(left_moments, left, left_turns, n_rows, ROWS)
        renewed(right_moments, right, right_turns, n_columns, COLUMNS)
        tl.debug_barrier()
        second = times(
            seconds, row, column, work, left_turns, n_rows, 1, right_turns, n_columns, 1, n_rows, n_columns,
            ROWS, COLUMNS,
        )  # fmt: skip
    return second


@triton.jit
def moved(
    gradients, momenta, seconds, second, work, updates, row, column, left, right, step, momentum_decay,
    decay, damping, n_rows, n_columns, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The step of a matrix at rate 1: float32 [ROWS, COLUMNS]. Second moments are brought up to date."""
    r, c = tl.arange(0, ROWS)[:, None], tl.arange(0, COLUMNS)[None, :]
    offsets, inside = r * row + c * column, (r < n_rows) & (c < n_columns)
    turned = times(
        gradients, row, column, work, left, n_rows, 1, right, n_columns, 1, n_rows, n_columns, ROWS, COLUMNS
    )
    second += (1 - decay) * (turned * turned - second)
    tl.store(seconds + offsets, second, mask=inside)
    turned = times(
        momenta, row, column, work, left, n_rows, 1, right, n_columns, 1, n_rows, n_columns, ROWS, COLUMNS
    )
    turned = scaled(turned, second, step, n_rows * n_columns, momentum_decay, decay, damping)
    tl.store(updates + offsets, turned, mask=inside)
    tl.debug_barrier()
    return times(
        updates, row, column, work, left, 1, n_rows, right, 1, n_columns, n_rows, n_columns, ROWS, COLUMNS
    )


@triton.jit(do_not_specialize=["total", "left_total", "right_total", "n_parts"])
def soap_kernel(
    weights, gradients, momenta, seconds, work, updates, left_moments, right_moments, left_bases,
    right_bases, left_turns, right_turns, steps, rate, shares, table, total, left_total, right_total,
    n_parts, momentum_decay, decay, damping, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    REFRESH: tl.constexpr,
):  # fmt: skip
    """One step for the matrix that a row of the table describes: program (row, image).

    A row of the table, int32 [8]: number of the matrix; its place among flat weights; rows, columns and the
    strides of both; places of the sides' preconditioners. Second moments are in the bases.
    """
    entry, image = table + 8 * tl.program_id(0), tl.program_id(1).to(tl.int64)
    part, first = tl.load(entry), image * total + tl.load(entry + 1)
    n_rows, n_columns, row = tl.load(entry + 2), tl.load(entry + 3), tl.load(entry + 4)
    column, lefts = tl.load(entry + 5), image * left_total + tl.load(entry + 6)
    rights = image * right_total + tl.load(entry + 7)
    counter = steps + image * n_parts + part
    step = tl.load(counter)
    second = preconditioned(
        gradients + first, momenta + first, seconds + first, work + first, row, column,
        left_moments + lefts, right_moments + rights, left_bases + lefts, right_bases + rights,
        left_turns + lefts, right_turns + rights, tl.where(step == 0, 1.0, 1 - decay), momentum_decay,
        n_rows, n_columns, ROWS, COLUMNS, REFRESH,
    )  # fmt: skip
    update = moved(
        gradients + first, momenta + first, seconds + first, second, work + first, updates + first, row,
        column, left_bases + lefts, right_bases + rights, step + 1, momentum_decay, decay, damping,
        n_rows, n_columns, ROWS, COLUMNS,
    )  # fmt: skip
    r, c = tl.arange(0, ROWS)[:, None], tl.arange(0, COLUMNS)[None, :]
    places, inside = weights + first + r * row + c * column, (r < n_rows) & (c < n_columns)
    change = tl.load(rate) * tl.load(shares + part) * update
    tl.store(places, tl.load(places, mask=inside, other=0.0) - change, mask=inside)
    tl.store(counter, step + 1)  # long after the last thread read it

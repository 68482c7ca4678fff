"""The kernel of weight_bits.py: bits of one matrix of one image, and their gradient (inr/fit/entropy.py)."""

import triton
import triton.language as tl

BLOCK = tl.constexpr(16)  # pmf.BLOCK
COLUMN_PRIOR = tl.constexpr(1.0)  # pmf.COLUMN_PRIOR
ROW_PRIOR = tl.constexpr(4.0)  # pmf.ROW_PRIOR
SMALLEST_SCALE = tl.constexpr(1 / 16)  # of pmf.SCALES


@triton.jit
def nearest(x):
    """Integers nearest to float32 numbers, halves to even ones."""
    # What is beyond has no fraction that matters; the sum has none at all.
    return tl.where(tl.abs(x) < 4194304.0, (x + 12582912.0) - 12582912.0, x)


@triton.jit
def before_block(x, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Sums of a row's values, float32 [ROWS, COLUMNS], before the block of columns that each is in."""
    blocks = tl.sum(tl.reshape(x, [ROWS, COLUMNS // BLOCK, BLOCK]), axis=2)
    sums = tl.cumsum(blocks, axis=1) - blocks
    spread = tl.broadcast_to(sums[:, :, None], [ROWS, COLUMNS // BLOCK, BLOCK])
    return tl.reshape(spread, [ROWS, COLUMNS])


@triton.jit
def expected_magnitudes(magnitudes, n_weights, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Scales of the laws that magnitudes, float32 [ROWS, COLUMNS] padded by zeros, lead to."""
    mean = tl.maximum(tl.sum(tl.sum(magnitudes, axis=1), axis=0) / n_weights, SMALLEST_SCALE)
    rows = tl.arange(0, ROWS)[:, None].to(tl.float32)
    above = tl.cumsum(magnitudes, axis=0) - magnitudes
    by_column = (above + COLUMN_PRIOR * mean) / (rows + COLUMN_PRIOR)
    seen = before_block(magnitudes, ROWS, COLUMNS) + ROW_PRIOR * mean
    scales = by_column * seen / (before_block(by_column, ROWS, COLUMNS) + ROW_PRIOR * mean)
    return tl.maximum(scales, SMALLEST_SCALE)


@triton.jit(do_not_specialize=["total", "n_matrices", "unit_stride"])
def weight_bits_kernel(
    weights, prior, units, table, bits, gradients, rounded, total, n_matrices, unit_stride,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, ROUNDED: tl.constexpr,
):  # fmt: skip
    """Bits of a matrix, their gradient and, if rounded, its weights: program (matrix, image).

    A row of the table, int32 [3]: place of the matrix among flat weights, rows, columns.
    """
    number, image = tl.program_id(0), tl.program_id(1).to(tl.int64)
    place, n_rows = tl.load(table + 3 * number), tl.load(table + 3 * number + 1)
    n_columns = tl.load(table + 3 * number + 2)
    r, c = tl.arange(0, ROWS)[:, None], tl.arange(0, COLUMNS)[None, :]
    offsets, inside = place + r * n_columns + c, (r < n_rows) & (c < n_columns)
    known = tl.load(prior + offsets, mask=inside, other=0.0)
    weight = tl.load(weights + image * total + offsets, mask=inside, other=0.0)
    unit = tl.load(units + image * unit_stride + number)  # symbols to one
    symbols = (weight - known) * unit
    integers = nearest(symbols)
    if ROUNDED:
        symbols = integers
        coded = known + tl.where(unit > 0.0, integers / tl.maximum(unit, 1e-30), 0.0)
        tl.store(rounded + image * total + offsets, coded, mask=inside)
    scales = expected_magnitudes(tl.abs(integers), n_rows * n_columns, ROWS, COLUMNS)
    decay = scales / (1 + tl.sqrt(1 + scales * scales))
    slope = -tl.log2(decay)
    each = tl.log2((1 + decay) / (1 - decay)) + slope * tl.abs(symbols)
    each = tl.where(inside, each, 0.0) * tl.where(unit > 0.0, 1.0, 0.0)
    tl.store(bits + image * n_matrices + number, tl.sum(tl.sum(each, axis=1), axis=0))
    sign = tl.where(symbols > 0.0, 1.0, tl.where(symbols < 0.0, -1.0, 0.0))
    tl.store(gradients + image * total + offsets, sign * slope * unit, mask=inside)

"""What the kernels of the context model are made of, and how their memory is laid out."""

import triton
import triton.language as tl

from inr.cnn.fit.common.plain_losses import MAX_LOG_SPREAD, MIN_LOG_SPREAD

TILE_ROWS, TILE_COLUMNS = 8, 8
SIDE = 16  # of every matrix in a kernel: neighbours, parents with the constant, hidden neurons
WARPS = 2  # of a program
PARTS = WARPS  # of a tile, whose products are added up beside each other
FINE, COARSE = 2, 8  # sides of the cells over which gradients of parents are summed, in latents
FINE_HALVINGS = 2  # parents so many times smaller by half, or fewer, have cells of the first kind
N_PARTIAL = 1856  # numbers that a program leaves behind, the last places unused
# Places of a program's partial sums, seven matrices [SIDE, SIDE] and the bits. Of the four latter matrices,
# rows 0 and 1 are the gradients with respect to centre and spread, and row 2 the sum, over positions.
OWN, PARENTS, HIDDEN, OWN_PAST, PARENTS_PAST, LAST, CONSTANTS, BITS = range(0, 8 * SIDE * SIDE, SIDE * SIDE)
GRID_FIELDS = 8  # offset, height, width, parents, first column, tiles in a row, tiles, not used
PARENT_FIELDS = 4  # offset, width, halvings, where the cells of its gradient begin
CHILD_FIELDS = 4  # halvings from cell to latent, rows and columns of cells, where they begin

_ROWS, _COLUMNS, _SIDE = tl.constexpr(TILE_ROWS), tl.constexpr(TILE_COLUMNS), tl.constexpr(SIDE)
_TILE = tl.constexpr(TILE_ROWS * TILE_COLUMNS)
_PARTS = tl.constexpr(PARTS)
_FINE_HALVINGS = tl.constexpr(FINE_HALVINGS)
_PARENT_FIELDS = tl.constexpr(PARENT_FIELDS)
_LEAST, _MOST = tl.constexpr(MIN_LOG_SPREAD), tl.constexpr(MAX_LOG_SPREAD)
_LN2 = tl.constexpr(0.6931471805599453)


@triton.jit
def laplace(value, centre, log_spread):
    """Bits of values, and their derivatives with respect to value, and to the binary log of the spread."""
    rate = tl.exp2(-tl.minimum(tl.maximum(log_spread, _LEAST), _MOST))
    difference = value - centre
    distance = tl.abs(difference)
    near = distance < 0.5
    outer = tl.exp(-(0.5 + distance) * rate)
    inner = tl.exp(-tl.maximum(0.5 - distance, 0.0) * rate)
    around = tl.maximum(tl.where(near, 1 - 0.5 * (outer + inner), 1.0), 1e-9)
    decay = tl.exp(-rate)
    beyond = (distance - 0.5) * rate - tl.log(0.5 * (1 - decay))
    nats = tl.where(near, -tl.log(around), beyond)
    by_distance = tl.where(near, 0.5 * rate * (inner - outer) / around, rate)
    by_rate_near = -0.5 * ((0.5 + distance) * outer + (0.5 - distance) * inner) / around
    by_rate = tl.where(near, by_rate_near, distance - 0.5 - decay / (1 - decay))
    sign = tl.where(difference > 0, 1.0, tl.where(difference < 0, -1.0, 0.0))
    inside = (log_spread >= _LEAST) & (log_spread <= _MOST)
    by_log_spread = tl.where(inside, -rate * by_rate, 0.0)  # the factor ln 2 and the division by it cancel
    return nats / _LN2, sign * by_distance / _LN2, by_log_spread


@triton.jit
def store_cells(cells, by_parents, parents, n_parents, y0, x0, h, w):
    """Write gradients of a tile's parents [SIDE, TILE], summed over cells of 2x2 or 8x8 latents.

    A parent's cells are as fine as its distance from the grid needs.
    """
    row = tl.arange(0, _SIDE)
    halvings = tl.load(parents + row * _PARENT_FIELDS + 2)
    start = tl.load(parents + row * _PARENT_FIELDS + 3)
    split = tl.reshape(by_parents, (_SIDE, _ROWS // 2, 2, _COLUMNS // 2, 2))
    fine = tl.sum(tl.sum(split, 4), 2)  # [SIDE, rows / 2, columns / 2]
    flat = tl.reshape(fine, (_SIDE, _ROWS * _COLUMNS // 4))
    place = tl.arange(0, _ROWS * _COLUMNS // 4)
    y, x = y0 // 2 + place // (_COLUMNS // 2), x0 // 2 + place % (_COLUMNS // 2)
    inside = (y < (h + 1) // 2) & (x < (w + 1) // 2)
    near = (row < n_parents) & (halvings <= _FINE_HALVINGS)
    to = start[:, None] + (y * ((w + 1) // 2) + x)[None, :]
    tl.store(cells + to, flat, mask=near[:, None] & inside[None, :])
    coarse = tl.sum(
        tl.sum(tl.reshape(fine, (_SIDE, _ROWS // 2, _COLUMNS // 8, 4)), 3), 1
    )  # [SIDE, columns / 8]
    column = x0 // 8 + tl.arange(0, _COLUMNS // 8)
    far = (row < n_parents) & (halvings > _FINE_HALVINGS)
    to = start[:, None] + (y0 // 8 * ((w + 7) // 8) + column)[None, :]
    tl.store(cells + to, coarse, mask=far[:, None] & (column < (w + 7) // 8)[None, :])


@triton.jit
def square(base, stride, n_rows, n_columns):
    """A matrix [SIDE, SIDE], zero beyond its rows and columns."""
    row, column = tl.arange(0, _SIDE)[:, None], tl.arange(0, _SIDE)[None, :]
    return tl.load(base + row * stride + column, mask=(row < n_rows) & (column < n_columns), other=0.0)


@triton.jit
def transposed(base, stride, n_rows, n_columns):
    """The same matrix with rows and columns exchanged."""
    row, column = tl.arange(0, _SIDE)[:, None], tl.arange(0, _SIDE)[None, :]
    return tl.load(base + column * stride + row, mask=(column < n_rows) & (row < n_columns), other=0.0)


@triton.jit
def row(base, n):
    """A row [SIDE, 1] of a matrix, as a column, zero beyond its end."""
    place = tl.arange(0, _SIDE)
    return tl.load(base + place, mask=place < n, other=0.0)[:, None]


@triton.jit
def outer(sums, left, right, precision: tl.constexpr):
    """Add the products left · right^T of tiles [SIDE, TILE], each of PARTS parts of the tile on its own."""
    left = tl.permute(tl.reshape(left, (_SIDE, _PARTS, _TILE // _PARTS)), (1, 0, 2))
    right = tl.permute(tl.reshape(right, (_SIDE, _PARTS, _TILE // _PARTS)), (1, 2, 0))
    return tl.dot(left, right, sums, input_precision=precision)


@triton.jit
def store_square(base, matrix):
    """Write a matrix [SIDE, SIDE], the sum of its parts."""
    place = tl.arange(0, _SIDE)
    tl.store(base + place[:, None] * _SIDE + place[None, :], tl.sum(matrix, 0))

"""Kernels of the context model: the bits of latents, and all of their gradients in one pass.

A program takes tiles of TILE_ROWS x TILE_COLUMNS latents of one grid of one image, one after another. What the
networks make of a tile stays in registers: no activation is written to memory. Since bits are a sum, their
gradients need nothing from outside, so the pass that counts them works them out too.
"""

import triton
import triton.language as tl

from inr.cnn.fit.plain_losses import MAX_LOG_SPREAD, MIN_LOG_SPREAD

TILE_ROWS, TILE_COLUMNS = 8, 8
SIDE = 16  # of every matrix in a kernel: neighbours, parents with the constant, hidden neurons
PARTS = 4  # of a tile, whose products are added up beside each other
FINE, COARSE = 2, 8  # sides of the cells over which gradients of parents are summed, in latents
FINE_HALVINGS = 2  # parents so many times smaller by half, or fewer, have cells of the first kind
N_PARTIAL = 1856  # numbers that a program leaves behind, the last places unused
# Places of a program's partial sums, seven matrices [SIDE, SIDE] and the bits. Of the four latter matrices, rows
# 0 and 1 are the gradients with respect to centre and spread, and row 2 the sum, over positions.
OWN, PARENTS, HIDDEN, OWN_PAST, PARENTS_PAST, LAST, CONSTANTS, BITS = range(0, 8 * SIDE * SIDE, SIDE * SIDE)
GRID_FIELDS = 8  # offset, height, width, parents, first column, tiles in a row, tiles, not used
PARENT_FIELDS = 4  # offset, width, halvings, where the cells of its gradient begin
CHILD_FIELDS = 4  # halvings from cell to latent, rows and columns of cells, where they begin

_OWN, _PARENTS, _HIDDEN = tl.constexpr(OWN), tl.constexpr(PARENTS), tl.constexpr(HIDDEN)
_OWN_PAST, _PARENTS_PAST = tl.constexpr(OWN_PAST), tl.constexpr(PARENTS_PAST)
_LAST, _CONSTANTS, _BITS = tl.constexpr(LAST), tl.constexpr(CONSTANTS), tl.constexpr(BITS)
_ROWS, _COLUMNS, _SIDE = tl.constexpr(TILE_ROWS), tl.constexpr(TILE_COLUMNS), tl.constexpr(SIDE)
_TILE = tl.constexpr(TILE_ROWS * TILE_COLUMNS)
_PARTS = tl.constexpr(PARTS)
_FINE_HALVINGS = tl.constexpr(FINE_HALVINGS)
_N_PARTIAL, _GRID_FIELDS = tl.constexpr(N_PARTIAL), tl.constexpr(GRID_FIELDS)
_PARENT_FIELDS, _CHILD_FIELDS = tl.constexpr(PARENT_FIELDS), tl.constexpr(CHILD_FIELDS)
_LEAST, _MOST = tl.constexpr(MIN_LOG_SPREAD), tl.constexpr(MAX_LOG_SPREAD)
_LN2 = tl.constexpr(0.6931471805599453)


@triton.jit
def _laplace(value, centre, log_spread):
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
def _store_cells(cells, by_parents, parents, n_parents, y0, x0, h, w):
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
def _square(base, stride, n_rows, n_columns):
    """A matrix [SIDE, SIDE], zero beyond its rows and columns."""
    row, column = tl.arange(0, _SIDE)[:, None], tl.arange(0, _SIDE)[None, :]
    return tl.load(base + row * stride + column, mask=(row < n_rows) & (column < n_columns), other=0.0)


@triton.jit
def _transposed(base, stride, n_rows, n_columns):
    """The same matrix with rows and columns exchanged."""
    row, column = tl.arange(0, _SIDE)[:, None], tl.arange(0, _SIDE)[None, :]
    return tl.load(base + column * stride + row, mask=(column < n_rows) & (row < n_columns), other=0.0)


@triton.jit
def _row(base, n):
    """A row [SIDE, 1] of a matrix, as a column, zero beyond its end."""
    place = tl.arange(0, _SIDE)
    return tl.load(base + place, mask=place < n, other=0.0)[:, None]


@triton.jit
def _outer(sums, left, right, precision: tl.constexpr):
    """Add the products left · right^T of tiles [SIDE, TILE], each of PARTS parts of the tile on its own."""
    left = tl.permute(tl.reshape(left, (_SIDE, _PARTS, _TILE // _PARTS)), (1, 0, 2))
    right = tl.permute(tl.reshape(right, (_SIDE, _PARTS, _TILE // _PARTS)), (1, 2, 0))
    return tl.dot(left, right, sums, input_precision=precision)


@triton.jit
def _store_square(base, matrix):
    place = tl.arange(0, _SIDE)
    tl.store(base + place[:, None] * _SIDE + place[None, :], tl.sum(matrix, 0))


@triton.jit(
    do_not_specialize=[
        *("own_stride", "parent_stride", "hidden_stride", "last_stride"),
        *("n_latents", "n_cells", "n_programs", "n_columns", "n_tiles_each"),
    ]
)
def context_pass(
    latents,
    own_matrices,
    parent_matrices,
    hidden_matrices,
    last_matrices,
    own_stride,
    parent_stride,
    hidden_stride,
    last_stride,
    programs,
    grids,
    parent_table,
    neighbour_table,
    direct,
    by_neighbour,
    cells,
    partial,
    n_latents,
    n_cells,
    n_programs,
    n_columns,
    n_tiles_each,
    n_hidden: tl.constexpr,
    n_neighbours: tl.constexpr,
    precision: tl.constexpr,
    precision_of_sums: tl.constexpr,
):
    """Bits of some tiles, and the gradients of their sum.

    Axis 0 of the launch is the program, axis 1 the image. A stride is that between two images'
    matrices. Written are: `direct` [B, latents], the gradient of
    each latent's own bits; `by_neighbour` [B, neighbours, latents], what a latent's bits say of each
    neighbour; `cells`, what they say of each parent, in sums over cells; `partial` [B, programs, N_PARTIAL].
    """
    image = tl.program_id(1).to(tl.int64)
    program = tl.program_id(0)
    latents += image * n_latents
    direct += image * n_latents
    by_neighbour += image * n_neighbours * n_latents
    cells += image * n_cells
    partial += (image * n_programs + program) * _N_PARTIAL
    own_matrices += image * own_stride
    parent_matrices += image * parent_stride
    hidden_matrices += image * hidden_stride
    last_matrices += image * last_stride
    grid = tl.load(programs + 2 * program)
    first_tile = tl.load(programs + 2 * program + 1)
    fields = grids + grid * _GRID_FIELDS
    offset, height, width = tl.load(fields), tl.load(fields + 1), tl.load(fields + 2)
    n_parents, first_column = tl.load(fields + 3), tl.load(fields + 4)
    tiles_in_row, n_tiles = tl.load(fields + 5), tl.load(fields + 6)
    parents = parent_table + grid * _SIDE * _PARENT_FIELDS
    parent_matrices += first_column

    side = tl.arange(0, _SIDE)
    own = _square(own_matrices, n_neighbours, n_hidden, n_neighbours)
    own_turned = _transposed(own_matrices, n_neighbours, n_hidden, n_neighbours)
    par = _square(parent_matrices, n_columns, n_hidden, n_parents + 1)
    par_turned = _transposed(parent_matrices, n_columns, n_hidden, n_parents + 1)
    hidden = _square(hidden_matrices, n_hidden + 1, n_hidden, n_hidden)
    hidden_turned = _transposed(hidden_matrices, n_hidden + 1, n_hidden, n_hidden)
    hidden_constants = tl.load(
        hidden_matrices + side * (n_hidden + 1) + n_hidden, mask=side < n_hidden, other=0.0
    )[:, None]
    centre_of_own = _row(own_matrices + n_hidden * n_neighbours, n_neighbours)
    spread_of_own = _row(own_matrices + (n_hidden + 1) * n_neighbours, n_neighbours)
    centre_of_parents = _row(parent_matrices + n_hidden * n_columns, n_parents + 1)
    spread_of_parents = _row(parent_matrices + (n_hidden + 1) * n_columns, n_parents + 1)
    centre_of_hidden = _row(last_matrices, n_hidden)
    spread_of_hidden = _row(last_matrices + n_hidden + 1, n_hidden)
    centre_constant = tl.load(last_matrices + n_hidden)
    spread_constant = tl.load(last_matrices + 2 * n_hidden + 1)

    sum_own = tl.zeros((_PARTS, _SIDE, _SIDE), tl.float32)
    sum_par = tl.zeros((_PARTS, _SIDE, _SIDE), tl.float32)
    sum_hidden = tl.zeros((_PARTS, _SIDE, _SIDE), tl.float32)
    past_own = tl.zeros((_PARTS, _SIDE, _SIDE), tl.float32)
    past_par = tl.zeros((_PARTS, _SIDE, _SIDE), tl.float32)
    past_hidden = tl.zeros((_PARTS, _SIDE, _SIDE), tl.float32)
    past_second = tl.zeros((_PARTS, _SIDE, _SIDE), tl.float32)
    sum_bits = tl.zeros((_TILE,), tl.float32)
    position = tl.arange(0, _TILE)
    for tile in range(first_tile, tl.minimum(first_tile + n_tiles_each, n_tiles)):
        y0, x0 = tile // tiles_in_row * _ROWS, tile % tiles_in_row * _COLUMNS
        y, x = y0 + position // _COLUMNS, x0 + position % _COLUMNS
        inside = (y < height) & (x < width)
        place = offset + y * width + x
        value = tl.load(latents + place, mask=inside, other=0.0)
        # What follows is loaded for each tile anew: registers are scarce, and it lies in a near cache.
        dy = tl.load(neighbour_table + 2 * side, mask=side < n_neighbours, other=0)[:, None]
        dx = tl.load(neighbour_table + 2 * side + 1, mask=side < n_neighbours, other=0)[:, None]
        near_y, near_x = y[None, :] + dy, x[None, :] + dx
        seen = (
            (near_y >= 0)
            & (near_x >= 0)
            & (near_x < width)
            & inside[None, :]
            & (side[:, None] < n_neighbours)
        )
        neighbours = tl.load(latents + offset + near_y * width + near_x, mask=seen, other=0.0)
        parent_offset = tl.load(parents + side * _PARENT_FIELDS)[:, None]
        parent_width = tl.load(parents + side * _PARENT_FIELDS + 1)[:, None]
        halvings = tl.load(parents + side * _PARENT_FIELDS + 2)[:, None]
        is_parent, is_constant = side[:, None] < n_parents, side[:, None] == n_parents
        from_parent = parent_offset + (y[None, :] >> halvings) * parent_width + (x[None, :] >> halvings)
        above = tl.load(latents + from_parent, mask=is_parent & inside[None, :], other=0.0)
        above = tl.where(is_constant & inside[None, :], 1.0, above)

        first = tl.dot(own, neighbours, input_precision=precision)
        first = tl.maximum(tl.dot(par, above, first, input_precision=precision), 0.0)
        second = tl.dot(hidden, first, input_precision=precision) + hidden_constants
        second = tl.maximum(second, 0.0)
        centre = tl.sum(centre_of_own * neighbours + centre_of_parents * above + centre_of_hidden * second, 0)
        spread = tl.sum(spread_of_own * neighbours + spread_of_parents * above + spread_of_hidden * second, 0)
        bits, by_value, by_spread = _laplace(value, centre + centre_constant, spread + spread_constant)
        by_value, by_spread = tl.where(inside, by_value, 0.0), tl.where(inside, by_spread, 0.0)
        by_centre = -by_value
        tl.store(direct + place, by_value, mask=inside)
        sum_bits += tl.where(inside, bits, 0.0)

        by_second = centre_of_hidden * by_centre[None, :] + spread_of_hidden * by_spread[None, :]
        by_second = tl.where(second > 0, by_second, 0.0)
        by_first = tl.dot(hidden_turned, by_second, input_precision=precision)
        by_first = tl.where(first > 0, by_first, 0.0)
        by_own = centre_of_own * by_centre[None, :] + spread_of_own * by_spread[None, :]
        by_own = tl.dot(own_turned, by_first, by_own, input_precision=precision)
        to = side[:, None] * n_latents + place[None, :]
        tl.store(by_neighbour + to, by_own, mask=inside[None, :] & (side[:, None] < n_neighbours))
        by_above = centre_of_parents * by_centre[None, :] + spread_of_parents * by_spread[None, :]
        by_above = tl.dot(par_turned, by_first, by_above, input_precision=precision)
        _store_cells(cells, by_above, parents, n_parents, y0, x0, height, width)

        sum_own = _outer(sum_own, by_first, neighbours, precision_of_sums)
        sum_par = _outer(sum_par, by_first, above, precision_of_sums)
        sum_hidden = _outer(sum_hidden, by_second, first, precision_of_sums)
        past = tl.where(side[:, None] == 0, by_centre[None, :], 0.0)
        past = tl.where(side[:, None] == 1, by_spread[None, :], past)
        past = tl.where(side[:, None] == 2, 1.0, past)  # rows: by centre, by spread, ones
        past_own = _outer(past_own, past, neighbours, precision_of_sums)
        past_par = _outer(past_par, past, above, precision_of_sums)
        past_hidden = _outer(past_hidden, past, second, precision_of_sums)
        past_second = _outer(past_second, past, by_second, precision_of_sums)
    _store_square(partial + _OWN, sum_own)
    _store_square(partial + _PARENTS, sum_par)
    _store_square(partial + _HIDDEN, sum_hidden)
    _store_square(partial + _OWN_PAST, past_own)
    _store_square(partial + _PARENTS_PAST, past_par)
    _store_square(partial + _LAST, past_hidden)
    _store_square(partial + _CONSTANTS, past_second)
    tl.store(partial + _BITS, tl.sum(sum_bits))


@triton.jit(do_not_specialize=["n_programs", "n_grids"])
def sum_partial(partial, ends, sums, n_programs, n_grids, block: tl.constexpr, rows: tl.constexpr):
    """Add the partial sums of each grid's programs: [B, grids, N_PARTIAL] from [B, programs, N_PARTIAL].

    Axes of the launch are blocks of the numbers, grids and images; `ends` has the first program of each grid
    and of none.
    """
    image = tl.program_id(2).to(tl.int64)
    grid = tl.program_id(1)
    number = tl.program_id(0) * block + tl.arange(0, block)
    first, end = tl.load(ends + grid), tl.load(ends + grid + 1)
    total = tl.zeros((rows, block), tl.float32)
    for start in range(first, end, rows):
        program = start + tl.arange(0, rows)
        at = (image * n_programs + program)[:, None] * _N_PARTIAL + number[None, :]
        total += tl.load(partial + at, mask=(program < end)[:, None], other=0.0)
    tl.store(sums + (image * n_grids + grid) * _N_PARTIAL + number, tl.sum(total, 0))


@triton.jit(do_not_specialize=["n_latents", "n_cells"])
def gather_gradients(
    direct,
    by_neighbour,
    cells,
    blocks,
    grids,
    children,
    n_children,
    neighbour_table,
    gradients,
    n_latents,
    n_cells,
    n_neighbours: tl.constexpr,
    block: tl.constexpr,
):
    """Gradients of latents [B, latents]: of their own bits, and of all bits that look at them.

    Axes of the launch are blocks of latents, of one grid each, and images.
    """
    image = tl.program_id(1).to(tl.int64)
    direct += image * n_latents
    by_neighbour += image * n_neighbours * n_latents
    cells += image * n_cells
    grid = tl.load(blocks + 2 * tl.program_id(0))
    start = tl.load(blocks + 2 * tl.program_id(0) + 1)
    fields = grids + grid * _GRID_FIELDS
    offset, height, width = tl.load(fields), tl.load(fields + 1), tl.load(fields + 2)
    place = start + tl.arange(0, block)
    inside = place < height * width
    y, x = place // width, place % width
    total = tl.load(direct + offset + place, mask=inside, other=0.0)
    for n in tl.static_range(n_neighbours):
        at_y = y - tl.load(neighbour_table + 2 * n)
        at_x = x - tl.load(neighbour_table + 2 * n + 1)
        looks = inside & (at_y < height) & (at_x >= 0) & (at_x < width)
        at = by_neighbour + n * n_latents + offset + at_y * width + at_x
        total += tl.load(at, mask=looks, other=0.0)
    for n in range(tl.load(n_children + grid)):
        child = children + (grid * _SIDE + n) * _CHILD_FIELDS
        halvings, rows = tl.load(child), tl.load(child + 1)
        columns, first = tl.load(child + 2), tl.load(child + 3)
        for cell in range(1 << (2 * halvings)):
            at_y = (y << halvings) + (cell >> halvings)
            at_x = (x << halvings) + (cell & ((1 << halvings) - 1))
            looks = inside & (at_y < rows) & (at_x < columns)
            total += tl.load(cells + first + at_y * columns + at_x, mask=looks, other=0.0)
    tl.store(gradients + image * n_latents + offset + place, total, mask=inside)

"""The kernel of the context model: the bits of latents, and all of their gradients in one pass.

A program takes tiles of TILE_ROWS x TILE_COLUMNS latents of one grid of one image, one after another. What
the networks make of a tile stays in registers: no activation is written to memory. Since bits are a sum,
their gradients need nothing from outside, so the pass that counts them works them out too.
"""

import triton
import triton.language as tl

from inr.cnn.fit.fused.context.tile_kernels import (
    BITS,
    CONSTANTS,
    GRID_FIELDS,
    HIDDEN,
    LAST,
    N_PARTIAL,
    OWN,
    OWN_PAST,
    PARENT_FIELDS,
    PARENTS,
    PARENTS_PAST,
    PARTS,
    SIDE,
    TILE_COLUMNS,
    TILE_ROWS,
    laplace,
    outer,
    row,
    square,
    store_cells,
    store_square,
    transposed,
)

_OWN, _PARENTS, _HIDDEN = tl.constexpr(OWN), tl.constexpr(PARENTS), tl.constexpr(HIDDEN)
_OWN_PAST, _PARENTS_PAST = tl.constexpr(OWN_PAST), tl.constexpr(PARENTS_PAST)
_LAST, _CONSTANTS, _BITS = tl.constexpr(LAST), tl.constexpr(CONSTANTS), tl.constexpr(BITS)
_ROWS, _COLUMNS, _SIDE = tl.constexpr(TILE_ROWS), tl.constexpr(TILE_COLUMNS), tl.constexpr(SIDE)
_TILE, _PARTS = tl.constexpr(TILE_ROWS * TILE_COLUMNS), tl.constexpr(PARTS)
_N_PARTIAL = tl.constexpr(N_PARTIAL)
_GRID_FIELDS, _PARENT_FIELDS = tl.constexpr(GRID_FIELDS), tl.constexpr(PARENT_FIELDS)


@triton.jit
def _layers(own, parents, hidden, n_columns, n_parents, n_hidden: tl.constexpr, n_neighbours: tl.constexpr):
    """The hidden layers' matrices, each beside its transpose, and the constants of the second one."""
    side = tl.arange(0, _SIDE)
    constants = tl.load(hidden + side * (n_hidden + 1) + n_hidden, mask=side < n_hidden, other=0.0)
    return (
        square(own, n_neighbours, n_hidden, n_neighbours),
        transposed(own, n_neighbours, n_hidden, n_neighbours),
        square(parents, n_columns, n_hidden, n_parents + 1),
        transposed(parents, n_columns, n_hidden, n_parents + 1),
        square(hidden, n_hidden + 1, n_hidden, n_hidden),
        transposed(hidden, n_hidden + 1, n_hidden, n_hidden),
        constants[:, None],
    )


@triton.jit
def _laws(
    own, parents, last, n_columns, n_parents, line: tl.constexpr, n_hidden: tl.constexpr,
    n_neighbours: tl.constexpr
):  # fmt: skip
    """What makes centres of laws, line 0, or spreads, line 1: three kinds of factors, and a constant."""
    return (
        row(own + (n_hidden + line) * n_neighbours, n_neighbours),
        row(parents + (n_hidden + line) * n_columns, n_parents + 1),
        row(last + line * (n_hidden + 1), n_hidden),
        tl.load(last + line * (n_hidden + 1) + n_hidden),
    )


@triton.jit
def _seen(
    latents, offset, parents, neighbour_table, n_parents, y, x, inside, width, n_neighbours: tl.constexpr
):  # fmt: skip
    """Neighbours of a tile's latents, and its parents with a one below them: [SIDE, TILE] each.

    The tables are loaded for each tile anew: registers are scarce, and they lie in a near cache.
    """
    side = tl.arange(0, _SIDE)
    dy = tl.load(neighbour_table + 2 * side, mask=side < n_neighbours, other=0)[:, None]
    dx = tl.load(neighbour_table + 2 * side + 1, mask=side < n_neighbours, other=0)[:, None]
    near_y, near_x = y[None, :] + dy, x[None, :] + dx
    seen = (near_y >= 0) & (near_x >= 0) & (near_x < width) & inside[None, :] & (side[:, None] < n_neighbours)
    neighbours = tl.load(latents + offset + near_y * width + near_x, mask=seen, other=0.0)
    parent_offset = tl.load(parents + side * _PARENT_FIELDS)[:, None]
    parent_width = tl.load(parents + side * _PARENT_FIELDS + 1)[:, None]
    halvings = tl.load(parents + side * _PARENT_FIELDS + 2)[:, None]
    is_parent, is_constant = side[:, None] < n_parents, side[:, None] == n_parents
    from_parent = parent_offset + (y[None, :] >> halvings) * parent_width + (x[None, :] >> halvings)
    above = tl.load(latents + from_parent, mask=is_parent & inside[None, :], other=0.0)
    return neighbours, tl.where(is_constant & inside[None, :], 1.0, above)


@triton.jit
def _neurons(layers, neighbours, above, precision: tl.constexpr):
    """Both hidden layers of a tile, rectified."""
    first = tl.dot(layers[0], neighbours, input_precision=precision)
    first = tl.maximum(tl.dot(layers[2], above, first, input_precision=precision), 0.0)
    second = tl.dot(layers[4], first, input_precision=precision) + layers[6]
    return first, tl.maximum(second, 0.0)


@triton.jit
def _law(factors, neighbours, above, second):
    """The centres of a tile's laws, or the logarithms of their spreads."""
    return tl.sum(factors[0] * neighbours + factors[1] * above + factors[2] * second, 0) + factors[3]


@triton.jit
def _back(layers, centres, spreads, first, second, by_centre, by_spread, precision: tl.constexpr):
    """Gradients of the hidden layers before they were rectified, of the neighbours and of the parents."""
    by_second = centres[2] * by_centre[None, :] + spreads[2] * by_spread[None, :]
    by_second = tl.where(second > 0, by_second, 0.0)
    by_first = tl.dot(layers[5], by_second, input_precision=precision)
    by_first = tl.where(first > 0, by_first, 0.0)
    by_own = centres[0] * by_centre[None, :] + spreads[0] * by_spread[None, :]
    by_own = tl.dot(layers[1], by_first, by_own, input_precision=precision)
    by_above = centres[1] * by_centre[None, :] + spreads[1] * by_spread[None, :]
    by_above = tl.dot(layers[3], by_first, by_above, input_precision=precision)
    return by_first, by_second, by_own, by_above


@triton.jit
def _added(
    sums, neighbours, above, first, second, by_first, by_second, by_centre, by_spread, precision: tl.constexpr
):  # fmt: skip
    """Sums for the matrices' gradients, a tile's part added, in the order in which they are left."""
    side = tl.arange(0, _SIDE)[:, None]
    past = tl.where(side == 0, by_centre[None, :], 0.0)
    past = tl.where(side == 1, by_spread[None, :], past)
    past = tl.where(side == 2, 1.0, past)  # rows: by centre, by spread, ones
    return (
        outer(sums[0], by_first, neighbours, precision),
        outer(sums[1], by_first, above, precision),
        outer(sums[2], by_second, first, precision),
        outer(sums[3], past, neighbours, precision),
        outer(sums[4], past, above, precision),
        outer(sums[5], past, second, precision),
        outer(sums[6], past, by_second, precision),
    )


@triton.jit
def _leave(partial, sums, bits):
    """Write a program's sums."""
    store_square(partial + _OWN, sums[0])
    store_square(partial + _PARENTS, sums[1])
    store_square(partial + _HIDDEN, sums[2])
    store_square(partial + _OWN_PAST, sums[3])
    store_square(partial + _PARENTS_PAST, sums[4])
    store_square(partial + _LAST, sums[5])
    store_square(partial + _CONSTANTS, sums[6])
    tl.store(partial + _BITS, tl.sum(bits))


@triton.jit
def _tiles(
    latents, parents, neighbour_table, direct, by_neighbour, cells, layers, centres, spreads, offset, height,
    width, n_parents, tiles_in_row, first_tile, end_tile, n_latents, n_neighbours: tl.constexpr,
    only_bits: tl.constexpr, precision: tl.constexpr, precision_of_sums: tl.constexpr
):  # fmt: skip
    """Go through tiles; return the sums for the matrices' gradients, and the bits of a tile's places.

    With `only_bits` they are not worked out, and `direct` takes the bits of each latent.
    """
    zero, position, side = (
        tl.zeros((_PARTS, _SIDE, _SIDE), tl.float32),
        tl.arange(0, _TILE),
        tl.arange(0, _SIDE),
    )
    sums, sum_bits = (zero, zero, zero, zero, zero, zero, zero), tl.zeros((_TILE,), tl.float32)
    for tile in range(first_tile, end_tile):
        y0, x0 = tile // tiles_in_row * _ROWS, tile % tiles_in_row * _COLUMNS
        y, x = y0 + position // _COLUMNS, x0 + position % _COLUMNS
        inside = (y < height) & (x < width)
        place = offset + y * width + x
        value = tl.load(latents + place, mask=inside, other=0.0)
        neighbours, above = _seen(
            latents, offset, parents, neighbour_table, n_parents, y, x, inside, width, n_neighbours
        )
        first, second = _neurons(layers, neighbours, above, precision)
        bits, by_value, by_spread = laplace(
            value, _law(centres, neighbours, above, second), _law(spreads, neighbours, above, second)
        )
        if only_bits:
            tl.store(direct + place, bits, mask=inside)
        else:
            by_value, by_spread = tl.where(inside, by_value, 0.0), tl.where(inside, by_spread, 0.0)
            by_centre = -by_value
            tl.store(direct + place, by_value, mask=inside)
            sum_bits += tl.where(inside, bits, 0.0)
            by_first, by_second, by_own, by_above = _back(
                layers, centres, spreads, first, second, by_centre, by_spread, precision
            )
            to = side[:, None] * n_latents + place[None, :]
            tl.store(by_neighbour + to, by_own, mask=inside[None, :] & (side[:, None] < n_neighbours))
            store_cells(cells, by_above, parents, n_parents, y0, x0, height, width)
            sums = _added(
                sums, neighbours, above, first, second, by_first, by_second, by_centre, by_spread,
                precision_of_sums,
            )  # fmt: skip
    return sums, sum_bits


@triton.jit(
    do_not_specialize=[
        *("own_stride", "parent_stride", "hidden_stride", "last_stride"),
        *("n_latents", "n_cells", "n_programs", "n_columns", "n_tiles_each"),
    ]
)
def context_pass(
    latents, own_matrices, parent_matrices, hidden_matrices, last_matrices, own_stride, parent_stride,
    hidden_stride, last_stride, programs, grids, parent_table, neighbour_table, direct, by_neighbour, cells,
    partial, n_latents, n_cells, n_programs, n_columns, n_tiles_each, n_hidden: tl.constexpr,
    n_neighbours: tl.constexpr, only_bits: tl.constexpr, precision: tl.constexpr,
    precision_of_sums: tl.constexpr
):  # fmt: skip
    """Bits of some tiles, and the gradients of their sum.

    Axis 0 of the launch is the program, axis 1 the image. A stride is that between two images' matrices.
    Written are: `direct` [B, latents], the gradient of each latent's own bits; `by_neighbour`
    [B, neighbours, latents], what a latent's bits say of each neighbour; `cells`, what they say of each
    parent, in sums over cells; `partial` [B, programs, N_PARTIAL]. With `only_bits`, `direct` takes the bits
    of each latent, and nothing else is written.
    """
    image, program = tl.program_id(1).to(tl.int64), tl.program_id(0)
    latents, direct = latents + image * n_latents, direct + image * n_latents
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
    layers = _layers(
        own_matrices, parent_matrices, hidden_matrices, n_columns, n_parents, n_hidden, n_neighbours
    )
    centres = _laws(
        own_matrices, parent_matrices, last_matrices, n_columns, n_parents, 0, n_hidden, n_neighbours
    )
    spreads = _laws(
        own_matrices, parent_matrices, last_matrices, n_columns, n_parents, 1, n_hidden, n_neighbours
    )
    sums, bits = _tiles(
        latents, parents, neighbour_table, direct, by_neighbour, cells, layers, centres, spreads, offset,
        height, width, n_parents, tiles_in_row, first_tile, tl.minimum(first_tile + n_tiles_each, n_tiles),
        n_latents, n_neighbours, only_bits, precision, precision_of_sums,
    )  # fmt: skip
    if not only_bits:
        _leave(partial, sums, bits)

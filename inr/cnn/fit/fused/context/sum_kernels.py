"""Kernels that add what programs of `context_pass` have left: gradients of matrices, and of latents."""

import triton
import triton.language as tl

from inr.cnn.fit.fused.context.tile_kernels import CHILD_FIELDS, GRID_FIELDS, N_PARTIAL, SIDE

_N_PARTIAL, _SIDE = tl.constexpr(N_PARTIAL), tl.constexpr(SIDE)
_GRID_FIELDS, _CHILD_FIELDS = tl.constexpr(GRID_FIELDS), tl.constexpr(CHILD_FIELDS)


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

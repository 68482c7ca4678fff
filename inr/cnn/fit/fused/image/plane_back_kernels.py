"""Kernels that take the gradient of a level's stack of planes back; plane_kernels.py has what they undo.

A gradient is gathered: a position adds what it gave to the values around it. What it gave beyond an edge,
where values are repeated, counts for the position at the edge. The same gathered sums, with the plane itself,
make the gradients of the taps, of which each program leaves its part.
"""

import triton
import triton.language as tl

from inr.cnn.fit.fused.image.plane_kernels import beside, clamped, halved, taps_of

N_TAPS = 4  # numbers that a program leaves of the gradient of its taps

_N_TAPS = tl.constexpr(N_TAPS)
_SIZES = ["height", "width", "n_planes", "n_together"]
_STARTS = ["own_start", "coarse_start", "by_coarse_start", "by_fine_start", "taps_start", "part_start"]
_STRIDES = [
    "latents_stride", "coarse_stride", "by_coarse_stride", "by_fine_stride", "filters_stride",
    "upsampling_stride", "part_stride",
]  # fmt: skip


@triton.jit
def _doubling_shares(x, size, fine_size, t):
    """What a position gives to the eight of the doubled line around it, and which of these there are."""
    first, last = tl.where(x == 0, 1.0, 0.0), tl.where(x == size - 1, 1.0, 0.0)
    both = t[0] + t[1]
    third, sixth = t[1] + last * t[0], t[1] + first * t[0]
    fourth, fifth = t[2] + first * both + last * t[3], t[2] + first * t[3] + last * both
    known = (t[0], t[3], third, fourth, fifth, sixth, t[3], t[0])
    shares, there = (), ()
    for k in tl.static_range(8):
        inside = (2 * x + (k - 3) >= 0) & (2 * x + (k - 3) < fine_size)
        shares, there = shares + (tl.where(inside, known[k], 0.0),), there + (inside,)
    return shares, there


@triton.jit
def _by_doubling_taps(sums, x, size):
    """The gradients of four taps from those of the shares: see `_doubling_shares`."""
    first, last = tl.where(x == 0, 1.0, 0.0), tl.where(x == size - 1, 1.0, 0.0)
    by_0 = sums[0] + sums[7] + first * (sums[3] + sums[5]) + last * (sums[2] + sums[4])
    by_1 = sums[2] + sums[5] + first * sums[3] + last * sums[4]
    by_3 = sums[1] + sums[6] + first * sums[4] + last * sums[3]
    return by_0, by_1, sums[3] + sums[4], by_3


@triton.jit
def _filter_shares(x, size, t):
    """What a position gives to the seven of the filtered line around it, and which of these there are."""
    first, last = tl.where(x == 0, 1.0, 0.0), tl.where(x == size - 1, 1.0, 0.0)
    two, three = t[2] + t[3], t[1] + t[2] + t[3]
    known = (
        t[3],
        t[2] + last * t[3],
        t[1] + last * two,
        t[0] + (first + last) * three,
        t[1] + first * two,
        t[2] + first * t[3],
        t[3],
    )
    shares, there = (), ()
    for k in tl.static_range(7):
        inside = (x + (k - 3) >= 0) & (x + (k - 3) < size)
        shares, there = shares + (tl.where(inside, known[k], 0.0),), there + (inside,)
    return shares, there


@triton.jit
def _by_filter_taps(sums, x, size):
    """The gradients of four taps from those of the shares: see `_filter_shares`."""
    first, last = tl.where(x == 0, 1.0, 0.0), tl.where(x == size - 1, 1.0, 0.0)
    by_1 = sums[2] + sums[4] + (first + last) * sums[3]
    by_2 = sums[1] + sums[5] + first * (sums[3] + sums[4]) + last * (sums[3] + sums[2])
    by_3 = sums[0] + sums[6] + first * (sums[3] + sums[4] + sums[5]) + last * (sums[3] + sums[2] + sums[1])
    return sums[3], by_1, by_2, by_3


@triton.jit
def _gathered(source, lines, columns, down, across, N: tl.constexpr):
    """Values of N x N places, weighted both ways and added; and the sums of each line and of each column.

    The sums of a line are weighted across and those of a column down.
    """
    total = tl.zeros_like(across[0])
    by_column, by_line = (), ()
    for k in tl.static_range(N):
        by_column = by_column + (tl.zeros_like(total),)
    for k in tl.static_range(N):
        row, added = tl.zeros_like(total), ()
        for c in tl.static_range(N):
            value = tl.load(source + lines[k] + columns[c])
            row += across[c] * value
            added = added + (by_column[c] + down[k] * value,)
        total += down[k] * row
        by_column, by_line = added, by_line + (row,)
    return total, by_line, by_column


@triton.jit
def _kept(sums, there, N: tl.constexpr):
    """Sums, and zero for lines that are not there."""
    found = ()
    for k in tl.static_range(N):
        found = found + (tl.where(there[k], sums[k], 0.0),)
    return found


@triton.jit
def _added(sums, value, down, across):
    found = ()
    for k in tl.static_range(_N_TAPS):
        found = found + (sums[k] + value * (down[k] + across[k]),)
    return found


@triton.jit
def _leave(part, products, BLOCK: tl.constexpr):
    """Write a program's sums of the gradients of four taps."""
    tl.store(part + tl.arange(0, _N_TAPS), tl.sum(beside(products, BLOCK, _N_TAPS), 0))


@triton.jit
def _places_over(y, x, height, width):
    """Lines and columns of the eight by eight values over a position in a halved plane, kept within it."""
    n_evens, lines, columns = (width + 1) >> 1, (), ()
    for k in tl.static_range(8):
        lines = lines + (clamped(2 * y + (k - 3), height) * width,)
        if k % 2 == 0:  # an odd column, of which there may be none
            columns = columns + (n_evens + clamped(x + (k // 2 - 2), width - n_evens),)
        else:
            columns = columns + (clamped(x + (k // 2 - 1), n_evens),)
    return lines, columns


@triton.jit
def _double_back(
    source, by_source, by_target, taps, part, block, first_plane, end_plane, height, width,
    BLOCK: tl.constexpr
):  # fmt: skip
    """A block of the gradients of some planes, from those of planes twice as large, which are halved."""
    coarse_height, coarse_width = (height + 1) >> 1, (width + 1) >> 1
    place = block * BLOCK + tl.arange(0, BLOCK)
    y = place // coarse_width
    x = place - y * coarse_width
    inside, spot, t = y < coarse_height, halved(y, x, coarse_width), taps_of(taps)
    down, is_row = _doubling_shares(y, coarse_height, height, t)
    across, is_column = _doubling_shares(x, coarse_width, width, t)
    lines, columns = _places_over(y, x, height, width)
    zero = tl.zeros([BLOCK], tl.float32)
    sums = (zero, zero, zero, zero)
    for plane in range(first_plane, end_plane):
        start = plane * (coarse_height * coarse_width)
        total, by_line, by_column = _gathered(
            by_target + (plane + 1) * (height * width), lines, columns, down, across, 8
        )
        tl.store(by_source + start + tl.where(plane == 0, place, spot), total, mask=inside)
        value = tl.load(source + start + place, mask=inside, other=0.0)
        by_down = _by_doubling_taps(_kept(by_line, is_row, 8), y, coarse_height)
        by_across = _by_doubling_taps(_kept(by_column, is_column, 8), x, coarse_width)
        sums = _added(sums, value, by_down, by_across)
    _leave(part, sums, BLOCK)


@triton.jit
def _filter_back(source, by_source, by_target, taps, part, block, height, width, BLOCK: tl.constexpr):
    """A block of the gradient of a plane from that of the filtered plane."""
    place = block * BLOCK + tl.arange(0, BLOCK)
    y = place // width
    x = place - y * width
    inside, t = y < height, taps_of(taps)
    down, is_row = _filter_shares(y, height, t)
    across, is_column = _filter_shares(x, width, t)
    lines, columns = (), ()
    for k in tl.static_range(7):
        lines = lines + (clamped(y + (k - 3), height) * width,)
        columns = columns + (clamped(x + (k - 3), width),)
    total, by_line, by_column = _gathered(by_target, lines, columns, down, across, 7)
    tl.store(by_source + place, total, mask=inside)
    value = tl.load(source + place, mask=inside, other=0.0)
    by_down = _by_filter_taps(_kept(by_line, is_row, 7), y, height)
    by_across = _by_filter_taps(_kept(by_column, is_column, 7), x, width)
    zero = tl.zeros([BLOCK], tl.float32)
    _leave(part, _added((zero, zero, zero, zero), value, by_down, by_across), BLOCK)


@triton.jit(do_not_specialize=_SIZES + _STARTS + _STRIDES)
def stack_level_back(
    latents, coarse, by_latents, by_coarse, by_fine, filters, upsampling, parts, height, width, n_planes,
    n_together, own_start, coarse_start, by_coarse_start, by_fine_start, taps_start, part_start,
    latents_stride, coarse_stride, by_coarse_stride, by_fine_stride, filters_stride, upsampling_stride,
    part_stride, BLOCK: tl.constexpr
):  # fmt: skip
    """Set the gradients of a level's latents and of the coarser stack, from that of the level's stack.

    A program takes a block of up to `n_together` of the coarser stack's planes, or one of the level's own. It
    leaves its part of the gradient of the four taps of either kind: float32 [programs, 4] of each image from
    `part_start` on, those for upsampling first. Latents have the same strides as their gradient.
    """
    program, image = tl.program_id(0), tl.program_id(1).to(tl.int64)
    n_blocks = tl.cdiv(((height + 1) >> 1) * ((width + 1) >> 1), BLOCK)
    n_doubling = tl.cdiv(n_planes, n_together) * n_blocks
    by_target = by_fine + image * by_fine_stride + by_fine_start
    part = parts + image * part_stride + part_start + program * _N_TAPS
    if program < n_doubling:
        group = program // n_blocks
        plane, block = group * n_together, program - group * n_blocks
        source = coarse + image * coarse_stride + coarse_start
        by_source = by_coarse + image * by_coarse_stride + by_coarse_start
        taps = upsampling + image * upsampling_stride + taps_start
        end = tl.minimum(plane + n_together, n_planes)
        _double_back(source, by_source, by_target, taps, part, block, plane, end, height, width, BLOCK)
    else:
        source, by_source = latents + own_start, by_latents + own_start
        source, by_source = source + image * latents_stride, by_source + image * latents_stride
        taps = filters + image * filters_stride + taps_start
        _filter_back(source, by_source, by_target, taps, part, program - n_doubling, height, width, BLOCK)

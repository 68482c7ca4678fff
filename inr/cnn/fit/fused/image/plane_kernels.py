"""Kernels that make a level's stack of planes from the coarser one; plane_back_kernels.py has the gradients.

A stack has a level's filtered latents as its first plane; the others are the coarser stack, twice as large.
Planes are in order or halved: then the even columns of a row come first and the odd ones after them. Halved
are the doubled planes of the finest stack, and those of every gradient of a stack, so that neighbouring
threads meet neighbouring values when they go by columns of the coarser plane.

A program does a block of positions of one plane of one image: programs for the coarser stack's planes come
first, then those for the level's own latents. All is linear, so that gradients need the planes alone. Starts
and strides are in elements.
"""

import triton
import triton.language as tl

BLOCK = 128  # positions of a plane that a program takes

_SIZES = ["height", "width", "n_planes"]
_STARTS = ["own_start", "coarse_start", "fine_start", "taps_start"]
_STRIDES = ["latents_stride", "coarse_stride", "fine_stride", "filters_stride", "upsampling_stride"]


@triton.jit
def taps_of(taps):
    """The four taps."""
    return tl.load(taps), tl.load(taps + 1), tl.load(taps + 2), tl.load(taps + 3)


@triton.jit
def clamped(position, size):
    """The nearest of the positions from zero to a size."""
    return tl.minimum(tl.maximum(position, 0), size - 1)


@triton.jit
def halved(y, x, width):
    """Where a value is in a plane whose rows have their even columns first."""
    return y * width + (x & 1) * ((width + 1) >> 1) + (x >> 1)


@triton.jit
def _pairs(values, HALF: tl.constexpr):
    found = ()
    for k in tl.static_range(HALF):
        found = found + (tl.join(values[k], values[k + HALF]),)
    return found


@triton.jit
def beside(values, SIZE: tl.constexpr, COLUMNS: tl.constexpr):
    """Vectors of SIZE, 4 to 64 of them, as the columns of a matrix: [SIZE, COLUMNS].

    Numbers stay in the registers where they are.
    """
    if COLUMNS >= 64:
        values = _pairs(values, 32)
    if COLUMNS >= 32:
        values = _pairs(values, 16)
    if COLUMNS >= 16:
        values = _pairs(values, 8)
    if COLUMNS >= 8:
        values = _pairs(values, 4)
    return tl.reshape(_pairs(_pairs(values, 2), 1)[0], [SIZE, COLUMNS])


@triton.jit
def _wide_line(line, columns, t):
    """What a row of a plane makes in width: the even and the odd columns beside a position."""
    v0, v1, v2 = tl.load(line + columns[0]), tl.load(line + columns[1]), tl.load(line + columns[2])
    v3, v4 = tl.load(line + columns[3]), tl.load(line + columns[4])
    even = t[0] * v0 + t[1] * v1 + t[2] * v2 + t[3] * v3
    odd = t[3] * v1 + t[2] * v2 + t[1] * v3 + t[0] * v4
    return even, odd


@triton.jit
def _double(source, target, taps, block, height, width, HALVED: tl.constexpr, BLOCK: tl.constexpr):
    """The four values that lie over each position of a block of a plane."""
    coarse_height, coarse_width = (height + 1) >> 1, (width + 1) >> 1
    place = block * BLOCK + tl.arange(0, BLOCK)
    y = place // coarse_width
    x = place - y * coarse_width
    t = taps_of(taps)
    columns, evens, odds = (), (), ()
    for k in tl.static_range(5):
        columns = columns + (clamped(x + (k - 2), coarse_width),)
    for k in tl.static_range(5):
        line = source + clamped(y + (k - 2), coarse_height) * coarse_width
        even, odd = _wide_line(line, columns, t)
        evens, odds = evens + (even,), odds + (odd,)
    inside = y < coarse_height
    below, right = inside & (2 * y + 1 < height), 2 * x + 1 < width
    if HALVED:
        first = target + 2 * y * width + x
        beside = (width + 1) >> 1
    else:
        first = target + 2 * y * width + 2 * x
        beside = 1
    upper = t[0] * evens[0] + t[1] * evens[1] + t[2] * evens[2] + t[3] * evens[3]
    lower = t[3] * evens[1] + t[2] * evens[2] + t[1] * evens[3] + t[0] * evens[4]
    tl.store(first, upper, mask=inside)
    tl.store(first + width, lower, mask=below)
    upper = t[0] * odds[0] + t[1] * odds[1] + t[2] * odds[2] + t[3] * odds[3]
    lower = t[3] * odds[1] + t[2] * odds[2] + t[1] * odds[3] + t[0] * odds[4]
    tl.store(first + beside, upper, mask=inside & right)
    tl.store(first + beside + width, lower, mask=below & right)


@triton.jit
def _filter(source, target, taps, block, height, width, BLOCK: tl.constexpr):
    """A block of a plane, filtered by seven symmetric taps each way."""
    place = block * BLOCK + tl.arange(0, BLOCK)
    y = place // width
    x = place - y * width
    t0, t1, t2, t3 = taps_of(taps)
    down, columns = (t3, t2, t1, t0, t1, t2, t3), ()
    for k in tl.static_range(7):
        columns = columns + (clamped(x + (k - 3), width),)
    total = tl.zeros([BLOCK], tl.float32)
    for k in tl.static_range(7):
        line = source + clamped(y + (k - 3), height) * width
        row = t0 * tl.load(line + columns[3])
        row += t1 * (tl.load(line + columns[2]) + tl.load(line + columns[4]))
        row += t2 * (tl.load(line + columns[1]) + tl.load(line + columns[5]))
        row += t3 * (tl.load(line + columns[0]) + tl.load(line + columns[6]))
        total += down[k] * row
    tl.store(target + place, total, mask=y < height)


@triton.jit(do_not_specialize=_SIZES + _STARTS + _STRIDES)
def stack_level(
    latents, coarse, fine, filters, upsampling, height, width, n_planes, own_start, coarse_start, fine_start,
    taps_start, latents_stride, coarse_stride, fine_stride, filters_stride, upsampling_stride,
    HALVED: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """Set a level's stack, float32 [n_planes + 1, height, width] of each image.

    Strides are those from image to image. HALVED is for doubled planes; those of `coarse` are in order.
    """
    program, image = tl.program_id(0), tl.program_id(1).to(tl.int64)
    coarse_height, coarse_width = (height + 1) >> 1, (width + 1) >> 1
    n_blocks = tl.cdiv(coarse_height * coarse_width, BLOCK)
    target = fine + image * fine_stride + fine_start
    if program < n_planes * n_blocks:
        plane = program // n_blocks
        source = coarse + image * coarse_stride + coarse_start + plane * (coarse_height * coarse_width)
        taps = upsampling + image * upsampling_stride + taps_start
        target += (plane + 1) * (height * width)
        block = program - plane * n_blocks
        _double(source, target, taps, block, height, width, HALVED=HALVED, BLOCK=BLOCK)
    else:
        source = latents + image * latents_stride + own_start
        taps = filters + image * filters_stride + taps_start
        _filter(source, target, taps, program - n_planes * n_blocks, height, width, BLOCK=BLOCK)

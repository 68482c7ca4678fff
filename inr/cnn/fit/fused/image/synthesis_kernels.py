"""Kernels of the two layers that make samples of a stack of planes, one pixel at a time, and their gradients.

The hidden layer is not kept: the way back makes it again. The first matrix's last rows, which go straight to
the samples, are treated there as neurons that are not rectified and have a weight of one.

Pixels are in order; planes but the first are halved, see plane_kernels.py.
"""

import triton
import triton.language as tl

from inr.cnn.fit.fused.image.plane_kernels import beside, halved

BLOCK = 512  # pixels of a program of `synthesise`
TILE = 256  # pixels that a program of `synthesise_back` takes at a time
CHUNK = 32  # neurons that go into a matrix product
SIDE = 16  # rows of the other matrix: planes, ones, gradients of samples

_CHUNK, _SIDE = tl.constexpr(CHUNK), tl.constexpr(SIDE)


@triton.jit
def _samples(planes, first, second, LEVELS: tl.constexpr, HIDDEN: tl.constexpr, CHANNELS: tl.constexpr):
    """Samples of a block of pixels, from its value in each plane."""
    columns: tl.constexpr = LEVELS + 1
    samples = ()
    for c in tl.static_range(CHANNELS):
        constant = tl.load(first + (HIDDEN + c) * columns + LEVELS) + tl.load(
            second + c * (HIDDEN + 1) + HIDDEN
        )
        total = tl.zeros_like(planes[0]) + constant
        for n in tl.static_range(LEVELS):
            total += planes[n] * tl.load(first + (HIDDEN + c) * columns + n)
        samples = samples + (total,)
    for row in range(HIDDEN):
        neuron = tl.zeros_like(planes[0]) + tl.load(first + row * columns + LEVELS)
        for n in tl.static_range(LEVELS):
            neuron += planes[n] * tl.load(first + row * columns + n)
        neuron = tl.maximum(neuron, 0.0)
        added = ()
        for c in tl.static_range(CHANNELS):
            added = added + (samples[c] + neuron * tl.load(second + c * (HIDDEN + 1) + row),)
        samples = added
    return samples


@triton.jit(do_not_specialize=["height", "width", "stack_stride", "first_stride", "second_stride"])
def synthesise(
    stack, first, second, samples, height, width, stack_stride, first_stride, second_stride,
    LEVELS: tl.constexpr, HIDDEN: tl.constexpr, CHANNELS: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """Set samples before the residual layers, float32 [channels, height, width] of each image.

    stack: float32 [levels, height, width] of each image, at its beginning. Strides are from image to image.
    """
    image, n_pixels = tl.program_id(1).to(tl.int64), height * width
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n_pixels
    y = place // width
    spot = halved(y, place - y * width, width)
    stack += image * stack_stride
    planes = (tl.load(stack + place, mask=inside, other=0.0),)
    for n in tl.static_range(1, LEVELS):
        planes = planes + (tl.load(stack + n * n_pixels + spot, mask=inside, other=0.0),)
    found = _samples(
        planes, first + image * first_stride, second + image * second_stride, LEVELS, HIDDEN, CHANNELS
    )
    samples += image * (CHANNELS * n_pixels)
    for c in tl.static_range(CHANNELS):
        tl.store(samples + c * n_pixels + place, found[c], mask=inside)


@triton.jit
def _neuron_back(
    planes, by_planes, by_samples, first, second, row: tl.constexpr, LEVELS: tl.constexpr,
    HIDDEN: tl.constexpr, CHANNELS: tl.constexpr
):  # fmt: skip
    """A neuron, its gradient before it was rectified, and the planes' gradients with its part added."""
    first += row * (LEVELS + 1)
    weights = ()
    for n in tl.static_range(LEVELS):
        weights = weights + (tl.load(first + n),)
    if row < HIDDEN:
        neuron, gradient = tl.zeros_like(planes[0]) + tl.load(first + LEVELS), tl.zeros_like(planes[0])
        for n in tl.static_range(LEVELS):
            neuron += planes[n] * weights[n]
        for c in tl.static_range(CHANNELS):
            gradient += by_samples[c] * tl.load(second + c * (HIDDEN + 1) + row)
        gradient = tl.where(neuron > 0, gradient, 0.0)
        neuron = tl.maximum(neuron, 0.0)
    else:  # it is a sample's part; the second matrix' constants count as the weights of the first of these
        neuron = tl.zeros_like(planes[0]) + (1.0 if row == HIDDEN else 0.0)
        gradient = by_samples[row - HIDDEN]
    added = ()
    for n in tl.static_range(LEVELS):
        added = added + (by_planes[n] + gradient * weights[n],)
    return neuron, gradient, added


@triton.jit
def _stack_back(
    planes, by_samples, first, second, sums, LEVELS: tl.constexpr, HIDDEN: tl.constexpr,
    CHANNELS: tl.constexpr, CHUNKS: tl.constexpr, TILE: tl.constexpr, WEIGHTS: tl.constexpr
):  # fmt: skip
    """The gradients of planes, and the sums of `synthesise_back` with a tile's part added."""
    zero = tl.zeros_like(planes[0])
    left, by_planes, found = planes + (zero + 1.0,) + by_samples, (), ()
    for n in tl.static_range(LEVELS):
        by_planes = by_planes + (zero,)
    for n in tl.static_range(_SIDE - LEVELS - 1 - CHANNELS):
        left = left + (zero,)
    left = tl.trans(beside(left, TILE, _SIDE))
    for chunk in tl.static_range(CHUNKS):
        neurons, gradients = (), ()
        for k in tl.static_range(_CHUNK):
            if _CHUNK * chunk + k < HIDDEN + CHANNELS:
                neuron, gradient, by_planes = _neuron_back(
                    planes, by_planes, by_samples, first, second, _CHUNK * chunk + k, LEVELS, HIDDEN, CHANNELS
                )
            else:
                neuron, gradient = zero, zero
            neurons, gradients = neurons + (neuron,), gradients + (gradient,)
        right = beside(gradients + neurons, TILE, 2 * _CHUNK)
        found = found + (tl.dot(left, right, sums[chunk], input_precision=WEIGHTS),)
    return by_planes, found


@triton.jit
def _leave(
    parts, first_part, second_part, sums, LEVELS: tl.constexpr, HIDDEN: tl.constexpr, CHANNELS: tl.constexpr,
    CHUNKS: tl.constexpr
):  # fmt: skip
    """Write the sums of `synthesise_back` as gradients of both matrices."""
    side, line = tl.arange(0, _SIDE)[:, None], tl.arange(0, 2 * _CHUNK)[None, :]
    channel = side - (LEVELS + 1)
    for chunk in tl.static_range(CHUNKS):
        row = _CHUNK * chunk + line
        known = (line < _CHUNK) & (row < HIDDEN + CHANNELS) & (side <= LEVELS)
        tl.store(parts + first_part + row * (LEVELS + 1) + side, sums[chunk], mask=known)
        row -= _CHUNK
        known = (line >= _CHUNK) & (row <= HIDDEN) & (channel >= 0) & (channel < CHANNELS)
        tl.store(parts + second_part + channel * (HIDDEN + 1) + row, sums[chunk], mask=known)


@triton.jit(
    do_not_specialize=[
        "height", "width", "stack_stride", "by_stack_stride", "first_stride", "second_stride", "parts_stride",
        "first_part", "second_part", "row_size",
    ]
)  # fmt: skip
def synthesise_back(
    stack, by_stack, by_samples, first, second, parts, height, width, stack_stride, by_stack_stride,
    first_stride, second_stride, parts_stride, first_part, second_part, row_size, LEVELS: tl.constexpr,
    HIDDEN: tl.constexpr, CHANNELS: tl.constexpr, CHUNKS: tl.constexpr, TILE: tl.constexpr,
    WEIGHTS: tl.constexpr
):  # fmt: skip
    """Set the gradient of a stack, whose planes but the first are halved, and leave parts of the matrices'.

    A program leaves a row, float32 [row_size], in `parts` of its image: what is for the first matrix begins
    at `first_part`, what is for the second at `second_part`. CHUNKS times CHUNK are not fewer than the first
    matrix' rows. Sums are products of planes, ones and gradients of samples, the rows of a matrix, with a
    chunk's gradients of neurons, and with its neurons; WEIGHTS is the precision of these products.
    """
    program, image, n_pixels = tl.program_id(0), tl.program_id(1).to(tl.int64), height * width
    stack, by_stack = stack + image * stack_stride, by_stack + image * by_stack_stride
    by_samples += image * (CHANNELS * n_pixels)
    first, second = first + image * first_stride, second + image * second_stride
    sums = ()
    for _ in tl.static_range(CHUNKS):
        sums = sums + (tl.zeros([_SIDE, 2 * _CHUNK], tl.float32),)
    for block in range(program, tl.cdiv(n_pixels, TILE), tl.num_programs(0)):
        place = block * TILE + tl.arange(0, TILE)
        inside = place < n_pixels
        y = place // width
        spot = halved(y, place - y * width, width)
        planes, by_channel = (tl.load(stack + place, mask=inside, other=0.0),), ()
        for n in tl.static_range(1, LEVELS):
            planes = planes + (tl.load(stack + n * n_pixels + spot, mask=inside, other=0.0),)
        for c in tl.static_range(CHANNELS):
            by_sample = tl.load(by_samples + c * n_pixels + place, mask=inside, other=0.0)
            by_channel = by_channel + (by_sample,)
        by_planes, sums = _stack_back(
            planes, by_channel, first, second, sums, LEVELS, HIDDEN, CHANNELS, CHUNKS, TILE, WEIGHTS
        )
        tl.store(by_stack + place, by_planes[0], mask=inside)
        for n in tl.static_range(1, LEVELS):
            tl.store(by_stack + n * n_pixels + spot, by_planes[n], mask=inside)
    parts += image * parts_stride + program * row_size
    _leave(parts, first_part, second_part, sums, LEVELS, HIDDEN, CHANNELS, CHUNKS)


@triton.jit(do_not_specialize=["parts_stride"])
def sum_parts(parts, sums, table, parts_stride, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Add rows of parts that programs left: a program takes one table's row, of one image.

    table: int32 [.., 6]: where the rows begin, their number, the stride between them, their columns, at most
    COLUMNS; then where the sum goes in `sums`, and the stride between images there.
    """
    table += tl.program_id(0) * 6
    start, n_rows, stride = tl.load(table), tl.load(table + 1), tl.load(table + 2)
    n_columns, target, target_stride = tl.load(table + 3), tl.load(table + 4), tl.load(table + 5)
    image = tl.program_id(1).to(tl.int64)
    parts += image * parts_stride + start
    row, column = tl.arange(0, ROWS)[:, None], tl.arange(0, COLUMNS)[None, :]
    total = tl.zeros([ROWS, COLUMNS], tl.float32)
    for above in range(0, n_rows, ROWS):
        known = (above + row < n_rows) & (column < n_columns)
        total += tl.load(parts + (above + row) * stride + column, mask=known, other=0.0)
    column = tl.arange(0, COLUMNS)
    tl.store(sums + image * target_stride + target + column, tl.sum(total, 0), mask=column < n_columns)

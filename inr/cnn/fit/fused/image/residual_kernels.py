"""Kernels of the residual 3x3 layers, whose edges are repeated, and their gradients.

A layer adds to samples, float32 [channels, height, width] of each image, their convolution by a matrix
[channels, 9 · channels + 1], whose last column is the constants, and may rectify what comes out.
"""

import triton
import triton.language as tl

from inr.cnn.fit.fused.image.plane_kernels import beside, clamped

BLOCK = 256  # pixels of a program of `residual`
TILE = 128  # pixels that a program of `residual_back` takes at a time
N_ROWS = 4  # of parts that a program of `residual_back` leaves, one for each warp


@triton.jit(do_not_specialize=["height", "width", "matrix_stride"])
def residual(
    before, after, matrix, height, width, matrix_stride, CHANNELS: tl.constexpr, RECTIFY: tl.constexpr,
    BLOCK: tl.constexpr
):  # fmt: skip
    """Set samples after a layer."""
    image, n_pixels = tl.program_id(1).to(tl.int64), height * width
    columns: tl.constexpr = 9 * CHANNELS + 1
    before, after = before + image * (CHANNELS * n_pixels), after + image * (CHANNELS * n_pixels)
    matrix += image * matrix_stride
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n_pixels
    y = place // width
    x = place - y * width
    samples = ()
    for c in tl.static_range(CHANNELS):
        own = tl.load(before + c * n_pixels + place, mask=inside, other=0.0)
        samples = samples + (own + tl.load(matrix + c * columns + 9 * CHANNELS),)
    for k in tl.static_range(9):
        spot = clamped(y + (k // 3 - 1), height) * width + clamped(x + (k % 3 - 1), width)
        for i in tl.static_range(CHANNELS):
            value = tl.load(before + i * n_pixels + spot)
            added = ()
            for c in tl.static_range(CHANNELS):
                added = added + (samples[c] + value * tl.load(matrix + c * columns + 9 * i + k),)
            samples = added
    for c in tl.static_range(CHANNELS):
        value = samples[c]
        if RECTIFY:
            value = tl.maximum(value, 0.0)
        tl.store(after + c * n_pixels + place, value, mask=inside)


@triton.jit
def _met(by_channel, y, x, height, width):
    """For each of the nine taps, the sum of the gradients of samples that met a position through it.

    Beyond an edge its samples are repeated, so that a position there is met by a sample through two taps.
    """
    above, below = tl.where(y == 0, 1.0, 0.0), tl.where(y == height - 1, 1.0, 0.0)
    left, right = tl.where(x == 0, 1.0, 0.0), tl.where(x == width - 1, 1.0, 0.0)
    upper, middle, lower = (), (), ()
    for k in tl.static_range(3):
        there = (x + (k - 1) >= 0) & (x + (k - 1) < width) & (y < height)
        column = by_channel + y * width + x + (k - 1)
        here = tl.load(column, mask=there, other=0.0)
        before = tl.load(column - width, mask=there & (y > 0), other=0.0)
        after = tl.load(column + width, mask=there & (y + 1 < height), other=0.0)
        upper, middle = upper + (after + above * here,), middle + (here,)
        lower = lower + (before + below * here,)
    found = ()
    for k in tl.static_range(3):
        line = upper if k == 0 else (middle if k == 1 else lower)
        found = found + (line[2] + left * line[1], line[1], line[0] + right * line[1])
    return found


@triton.jit
def _layer_back(
    before, by_after, matrix, sums, y, x, height, width, CHANNELS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    """Gradients of a tile of samples before a layer, and sums of the matrix's gradients with its part added.

    before: Values of the tile, a vector for each channel, zero where there is no pixel.
    """
    by_before = ()
    for _ in tl.static_range(CHANNELS):
        by_before = by_before + (tl.zeros_like(before[0]),)
    found = ()
    for c in tl.static_range(CHANNELS):
        met, added = _met(by_after + c * (height * width), y, x, height, width), ()
        for i in tl.static_range(CHANNELS):
            total = by_before[i]
            if i == c:
                total += met[4]
            for k in tl.static_range(9):
                total += met[k] * tl.load(matrix + c * COLUMNS + 9 * i + k)
                found = found + (sums[c * COLUMNS + 9 * i + k] + met[k] * before[i],)
            added = added + (total,)
        by_before, found = added, found + (sums[c * COLUMNS + 9 * CHANNELS] + met[4],)
    return by_before, found


@triton.jit
def _leave(
    parts, sums, program, CHANNELS: tl.constexpr, COLUMNS: tl.constexpr, TILE: tl.constexpr,
    N_ROWS: tl.constexpr
):  # fmt: skip
    """Write a program's sums of the matrix's gradients, each as N_ROWS numbers."""
    PADDED: tl.constexpr = 16 if COLUMNS <= 16 else (32 if COLUMNS <= 32 else 64)
    row, column = program * N_ROWS + tl.arange(0, N_ROWS)[:, None], tl.arange(0, PADDED)[None, :]
    places = row * (CHANNELS * COLUMNS) + column
    for c in tl.static_range(CHANNELS):
        line = ()
        for n in tl.static_range(PADDED):
            line = line + (sums[c * COLUMNS + n] if n < COLUMNS else tl.zeros_like(sums[0]),)
        matrix = tl.reshape(beside(line, TILE, PADDED), [N_ROWS, TILE // N_ROWS, PADDED])
        tl.store(parts + c * COLUMNS + places, tl.sum(matrix, 1), mask=column < COLUMNS)


@triton.jit(do_not_specialize=["height", "width", "matrix_stride", "parts_stride", "part_start"])
def residual_back(
    before, by_before, by_after, matrix, parts, height, width, matrix_stride, parts_stride, part_start,
    CHANNELS: tl.constexpr, RECTIFIED: tl.constexpr, TILE: tl.constexpr, N_ROWS: tl.constexpr
):  # fmt: skip
    """Set the gradient of samples before a layer, and leave parts of the matrix's.

    `by_after` is that before what comes out was rectified; so is `by_before`, where RECTIFIED says that what
    comes in was. A program leaves N_ROWS rows, each the size of the matrix, in `parts` of its image, those of
    all programs from `part_start` on. With a row for each warp no sum goes through shared memory.
    """
    program, image, n_pixels = tl.program_id(0), tl.program_id(1).to(tl.int64), height * width
    COLUMNS: tl.constexpr = 9 * CHANNELS + 1
    start = image * (CHANNELS * n_pixels)
    before, by_before, by_after = before + start, by_before + start, by_after + start
    matrix += image * matrix_stride
    sums = ()
    for _ in tl.static_range(CHANNELS * COLUMNS):
        sums = sums + (tl.zeros([TILE], tl.float32),)
    for block in range(program, tl.cdiv(n_pixels, TILE), tl.num_programs(0)):
        place = block * TILE + tl.arange(0, TILE)
        inside = place < n_pixels
        y = place // width
        values = ()
        for c in tl.static_range(CHANNELS):
            values = values + (tl.load(before + c * n_pixels + place, mask=inside, other=0.0),)
        found, sums = _layer_back(
            values, by_after, matrix, sums, y, place - y * width, height, width, CHANNELS, COLUMNS
        )
        for c in tl.static_range(CHANNELS):
            value = found[c]
            if RECTIFIED:
                value = tl.where(values[c] > 0, value, 0.0)
            tl.store(by_before + c * n_pixels + place, value, mask=inside)
    _leave(parts + image * parts_stride + part_start, sums, program, CHANNELS, COLUMNS, TILE, N_ROWS)

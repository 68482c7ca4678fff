"""Where everything is that the kernels of images read and write, and how many programs they have."""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.fused.image import plane_kernels, residual_kernels, synthesis_kernels
from inr.cnn.fit.fused.image.plane_back_kernels import N_TAPS

# Programs that go through pixels tile by tile, over all images: as many as an H100's 132 processors hold.
N_SYNTHESIS, N_RESIDUAL = 264, 396
N_DOUBLING = 768  # programs that are enough for a level: where there are more, they take planes together
MATRIX_COLUMNS = 16  # of a matrix's gradient, that a program adds


@dataclass(frozen=True)
class Level:
    """A level that has coarser ones, and where its numbers are, in elements.

    Attributes:
        height: Rows of the level.
        width: Its columns.
        n_planes: Planes of the coarser stack.
        n_together: Planes of it of which a program takes the gradients.
        latents_start: Where its latents are among those of an image.
        stack_start: Where its stack is among those of an image.
        part_start: Where its programs leave what they have of the taps' gradients.
        n_blocks: Blocks of positions of a plane of the coarser stack.
        n_own_blocks: Blocks of positions of the level's own plane.
    """

    height: int
    width: int
    n_planes: int
    n_together: int
    latents_start: int
    stack_start: int
    part_start: int
    n_blocks: int
    n_own_blocks: int

    @property
    def n_programs(self) -> int:
        """Programs that make an image's stack."""
        return self.n_planes * self.n_blocks + self.n_own_blocks

    @property
    def n_doubling_back(self) -> int:
        """Programs that take an image's gradient back to the coarser stack."""
        return -(-self.n_planes // self.n_together) * self.n_blocks


@dataclass(frozen=True)
class Sums:
    """How the parts that programs leave are added, for a number of images.

    Attributes:
        n_synthesis: Programs of an image for the pixelwise layers' gradients.
        n_residual: Programs of an image for a residual layer's gradients.
        starts: Where each matrix's parts begin among an image's, filters and upsampling aside, and their end.
        taps: Table for `sum_parts`, of the taps' gradients: int32 [2 · levels but one, 6].
        matrices: Table of the other matrices' gradients: int32 [.., 6].
    """

    n_synthesis: int
    n_residual: int
    starts: tuple[int, ...]
    taps: torch.Tensor
    matrices: torch.Tensor


class ImagePlan:
    """How images of one size are made of latents, and their gradients.

    Args:
        architecture: The networks' architecture.
        device: Where tables go.
        precision: Of the products for the gradients of the pixelwise layers' matrices, as `tl.dot` names it.

    Attributes:
        architecture: The networks' architecture.
        precision: See above.
        levels: The levels that have coarser ones, finest first.
        latents_starts: Where each level's latents begin among an image's, and their end.
        stacks_size: Numbers of an image's stacks.
        n_tap_parts: Numbers that an image's programs leave of the gradients of taps.
        networks: Constants of the kernels of the pixelwise layers.
        shapes: Shapes of the matrices but filters and upsampling, in wire order.
    """

    def __init__(self, architecture: LatentPyramid, device: torch.device, precision: str) -> None:
        self.architecture, self.precision, self._device = architecture, precision, device
        known = architecture.prior
        n_levels, channels, hidden = architecture.n_levels, architecture.channels, known.synthesis_neurons
        sizes = [height * width for height, width in architecture.grid_shapes[:n_levels]]
        self.latents_starts = [sum(sizes[:n]) for n in range(n_levels + 1)]
        self.levels: list[Level] = []
        self.stacks_size = self.n_tap_parts = 0
        for n, (height, width) in enumerate(architecture.grid_shapes[: n_levels - 1]):
            n_planes, start = n_levels - 1 - n, self.latents_starts[n]
            blocks = [-(-size // plane_kernels.BLOCK) for size in sizes[n : n + 2]]
            together = max(1, min(n_planes, n_planes * blocks[1] // N_DOUBLING))
            level = Level(
                height,
                width,
                n_planes,
                together,
                start,
                self.stacks_size,
                self.n_tap_parts,
                blocks[1],
                blocks[0],
            )
            self.levels.append(level)
            self.stacks_size += (n_planes + 1) * sizes[n]
            self.n_tap_parts += N_TAPS * (level.n_doubling_back + level.n_own_blocks)
        self.networks = {"LEVELS": n_levels, "HIDDEN": hidden, "CHANNELS": channels}
        names = ("synthesis0", "synthesis1", *architecture.residual_matrices)
        self.shapes = [architecture.matrices[name] for name in names]
        self._sums: dict[int, Sums] = {}

    def sums(self, n_images: int) -> Sums:
        """How parts are added for so many images: made once, on the device."""
        if n_images not in self._sums:
            n_pixels = self.architecture.height * self.architecture.width
            n_synthesis, n_residual = (
                max(1, min(-(-n_pixels // tile), most // n_images))
                for tile, most in ((synthesis_kernels.TILE, N_SYNTHESIS), (residual_kernels.TILE, N_RESIDUAL))
            )
            sizes = [math.prod(shape) for shape in self.shapes]
            rows = [n_synthesis] * 2 + [n_residual * residual_kernels.N_ROWS] * (len(sizes) - 2)
            ends = list(accumulate(map(operator.mul, rows, sizes)))
            starts = (0, sizes[0], *ends[1:])  # a program's row has what is for the first two, side by side
            strides = [sum(sizes[:2])] * 2 + sizes[2:]
            tables = self._taps_table(n_images), _matrices_table(n_images, sizes, rows, starts, strides)
            on_device = (torch.tensor(table, dtype=torch.int32, device=self._device) for table in tables)
            self._sums[n_images] = Sums(n_synthesis, n_residual, starts, *on_device)
        return self._sums[n_images]

    def _taps_table(self, n_images: int) -> list[list[int]]:
        table, size = [], N_TAPS * len(self.levels)
        for n, level in enumerate(self.levels):
            start, more, n_doubling = level.part_start, n_images * size, level.n_doubling_back
            filters = start + N_TAPS * n_doubling
            table.append([filters, level.n_own_blocks, N_TAPS, N_TAPS, n * N_TAPS, size])
            table.append([start, n_doubling, N_TAPS, N_TAPS, more + n * N_TAPS, size])
        return table


def _matrices_table(
    n_images: int, sizes: Sequence[int], rows: Sequence[int], starts: Sequence[int], strides: Sequence[int]
) -> list[list[int]]:
    table, target = [], 0
    for size, n_rows, start, stride in zip(sizes, rows, starts, strides, strict=False):
        for column in range(0, size, MATRIX_COLUMNS):
            n_columns = min(MATRIX_COLUMNS, size - column)
            table.append([start + column, n_rows, stride, n_columns, target + column, size])
        target += n_images * size
    return table

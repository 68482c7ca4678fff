"""The context model of family `cnn`: the law of a latent, derived from latents already decoded.

The law is a Laplace whose centre and spread a small network derives from the latent's sixteen nearest
predecessors and from the latents at the same place in all coarser grids (FORMAT.md, section 10). The class
of model is that of COOL-CHIC (arXiv 2212.05458, section 3.2), with the parents of Cool-Chic 5.0 (arXiv
2605.02726). A grid is coded in fronts: positions of equal x + SLOPE · y depend only on earlier fronts, so
each front is derived at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inr.cnn.arithmetic import PAD, SLOPE, Ints, Latents, Parents
from inr.cnn.grids import Grid, grids_of
from inr.cnn.operations import ExactOperations, FrontPredictor, exact_operations

# Given the places of a front's latents in a flat padded plane, and its laws, as a `FrontPredictor` returns
# them, returns the latents, within twice MAX_LATENT.
CodeFront = Callable[[slice, Ints, Ints], Ints]


@dataclass(frozen=True)
class ContextModel:
    """The networks that give every latent its law.

    Attributes:
        n_levels: Levels of the pyramid.
        weights: int32, the matrices `context0`, `parents`, `context1` and `context2`.
        exponents: Of each of them: a weight is its integer times 2**-exponent.
    """

    n_levels: int
    weights: tuple[Ints, ...]
    exponents: tuple[int, ...]

    def of_grid(self, place: int, grids: Sequence[Latents | None]) -> "GridContext":
        """The model as one grid has it.

        Args:
            place: Place of the grid in wire order.
            grids: int16 [height, width] of each grid in wire order; only the parents are looked at.
        """
        grid = grids_of(self.n_levels)[place]
        first, of_parents, *rest = self.weights
        weights = (first, np.ascontiguousarray(of_parents[:, grid.columns]), *rest)
        return GridContext(weights, self.exponents, _parents(grid, grids_of(self.n_levels), grids))


@dataclass(frozen=True)
class GridContext:
    """The networks that give the latents of one grid their laws, and that grid's parents.

    Attributes:
        weights: int32, as in `ContextModel`, but of `parents` only the grid's own block.
        exponents: As in `ContextModel`.
        parents: The latents of the coarser grids.
    """

    weights: tuple[Ints, ...]
    exponents: tuple[int, ...]
    parents: Parents

    def predictor(self, height: int, width: int, operations: ExactOperations | None = None) -> FrontPredictor:
        """A function that derives the laws of the fronts of a grid of that size."""
        arithmetic = operations or exact_operations()
        return arithmetic.front_predictor(self.weights, self.exponents, self.parents, height, width)

    def walk(
        self,
        height: int,
        width: int,
        code_front: CodeFront,
        operations: ExactOperations | None = None,
    ) -> Latents:
        """Visit a grid front by front.

        Args:
            height: Rows of the grid.
            width: Columns of the grid.
            code_front: Returns the latents of a front.
            operations: The arithmetic; `exact_operations()` if None.

        Returns:
            int16 [height, width], the latents.
        """
        plane = PaddedPlane(height, width)
        predict, latents = self.predictor(height, width, operations), plane.flat
        for front, top, bottom in fronts(height, width):
            where = plane.places(front, top, bottom)
            latents[where] = code_front(where, *predict(plane.padded, front, top, bottom))
        return plane.inner


class PaddedPlane:
    """A grid with the zeros around it that its latents have for neighbours.

    Args:
        height: Rows of the grid.
        width: Columns of the grid.
    """

    def __init__(self, height: int, width: int) -> None:
        self.padded: Latents = np.zeros((PAD + height, width + 2 * PAD), dtype=np.int16)
        self._stride = width + 2 * PAD

    @property
    def inner(self) -> Latents:
        """The grid alone: int16 [height, width], a view."""
        return self.padded[PAD:, PAD:-PAD]

    @cached_property
    def flat(self) -> Latents:
        """The padded plane in one dimension, a view."""
        return self.padded.reshape(-1)

    def places(self, front: int, top: int, bottom: int) -> slice:
        """Where the latents of a front in rows top..bottom are in the flat plane."""
        step = self._stride - SLOPE
        start = PAD * self._stride + PAD + front + top * step
        return slice(start, start + (bottom - top) * step, step)


def fronts(height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """The fronts of a grid in coding order: x + SLOPE · y, the first row, and the row after the last one."""
    for front in range(width + SLOPE * (height - 1)):
        top, bottom = max(0, -(-(front - width + 1) // SLOPE)), min(height - 1, front // SLOPE) + 1
        if top < bottom:  # a grid narrower than SLOPE has none in some
            yield front, top, bottom


def _parents(grid: Grid, all_grids: Sequence[Grid], latents: Sequence[Latents | None]) -> Parents:
    """The parents of a grid, gathered in one array."""
    planes = [plane for place in grid.parents if (plane := latents[place]) is not None]
    sizes = [plane.size for plane in planes]
    return Parents(
        latents=np.concatenate([np.zeros(0, np.int16), *(plane.reshape(-1) for plane in planes)]),
        starts=np.cumsum([0, *sizes], dtype=np.int64)[:-1],
        widths=np.array([plane.shape[1] for plane in planes], dtype=np.int64),
        halvings=np.array([all_grids[place].depth - grid.depth for place in grid.parents], dtype=np.int64),
    )

"""The grids of latents of family `cnn`: their sizes, their order, and which of them a grid's law may look at.

Levels are what the synthesis makes an image of. Hyperlatents are grids that are coded and not shown: they
only inform the laws of finer grids (FORMAT.md, section 8). The class of model is that of Cool-Chic 5.0
(arXiv 2605.02726).
"""

from dataclasses import dataclass
from functools import cache

MAX_LEVELS = 9
HYPER_DEPTHS = (4, 5, 6)  # of the hyperlatents, where a pyramid is as deep


@dataclass(frozen=True)
class Grid:
    """One grid of latents.

    Attributes:
        depth: Binary logarithm of the image's size over the grid's.
        is_hyper: True for hyperlatents, which the synthesis does not see.
        parents: Places of the coarser grids, which are decoded before it: levels first, finest first each.
        first_column: First column of the grid's part of the matrix `parents`; a column for each parent and
            one for the constant follow.
    """

    depth: int
    is_hyper: bool
    parents: tuple[int, ...]
    first_column: int

    @property
    def name(self) -> str:
        """Name of the grid, as inspection shows it."""
        return f"hyper{self.depth}" if self.is_hyper else f"level{self.depth}"

    @property
    def columns(self) -> slice:
        """The grid's part of the matrix `parents`, the constant's column last."""
        return slice(self.first_column, self.first_column + len(self.parents) + 1)

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the grid of an image."""
        return -(-height >> self.depth), -(-width >> self.depth)


@cache
def grids_of(n_levels: int) -> tuple[Grid, ...]:
    """The grids of a pyramid in wire order: levels, finest first, then hyperlatents, finest first."""
    kinds = [(depth, False) for depth in range(n_levels)]
    kinds += [(depth, True) for depth in HYPER_DEPTHS if depth < n_levels]
    grids: list[Grid] = []
    for depth, is_hyper in kinds:
        parents = tuple(place for place, (other, _) in enumerate(kinds) if other > depth)
        first = grids[-1].columns.stop if grids else 0
        grids.append(Grid(depth, is_hyper, parents, first))
    return tuple(grids)


@cache
def coding_order(n_levels: int) -> tuple[int, ...]:
    """Places of a pyramid's grids in the order of the payload: coarsest first, hyperlatents before levels."""
    grids = grids_of(n_levels)
    return tuple(
        sorted(range(len(grids)), key=lambda place: (-grids[place].depth, not grids[place].is_hyper))
    )


def kept_columns(n_levels: int, most_levels: int) -> list[int]:
    """Columns of `parents` of a pyramid of `most_levels` that one of `n_levels` has, in order."""
    fewer, more = grids_of(n_levels), grids_of(most_levels)
    place = {(grid.depth, grid.is_hyper): n for n, grid in enumerate(more)}
    found = []
    for grid in fewer:
        other = more[place[grid.depth, grid.is_hyper]]
        kept = [place[fewer[n].depth, fewer[n].is_hyper] for n in grid.parents]
        found += [other.first_column + other.parents.index(n) for n in kept]
        found.append(other.columns.stop - 1)
    return found

"""Bits of latents and their gradients on a card: the host's side of the context model's kernels."""

from collections.abc import Sequence
from typing import Any

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.arithmetic import NEIGHBOURS
from inr.cnn.fit.fused.context import tile_kernels as kernels
from inr.cnn.fit.fused.context.context_kernels import context_pass
from inr.cnn.fit.fused.context.sum_kernels import gather_gradients, sum_partial

_PROGRAMS = 1 << 11  # of all images, about so many: a program takes tiles one after another
_MOST_PROGRAMS = 1 << 10  # of one image
_EXACT, _PRECISE, _QUICK = ("ieee", "ieee"), ("tf32x3", "tf32"), ("tf32", "tf32")  # of products, of sums
_BLOCK = 256  # latents of a program that gathers gradients
_NUMBERS, _ROWS = 64, 32  # of a program that adds partial sums


class FusedContext:
    """Bits of the latents of images of one size.

    Args:
        architecture: The architecture of each image's network.
        device: The device of all tensors.
        batch: Images at a time, about; it sets how the work is shared out.
        exact: Multiply in float32 throughout, in place of tensor cores' shorter numbers.
    """

    def __init__(
        self, architecture: LatentPyramid, device: torch.device, *, batch: int = 1, exact: bool = False
    ) -> None:
        self._architecture, self._device = architecture, device
        self._precisions = (_EXACT, _EXACT) if exact else (_PRECISE, _QUICK)
        tables = _Tables(architecture, min(_MOST_PROGRAMS, max(1, _PROGRAMS // batch)))
        self.n_latents, self.n_cells = architecture.n_latents, tables.n_cells
        self._n_programs, self._n_tiles_each = len(tables.programs), tables.n_tiles_each
        self._n_blocks = len(tables.blocks)

        def table(rows: Sequence[Any]) -> torch.Tensor:
            return torch.tensor(rows, dtype=torch.int32, device=device)

        self._programs, self._blocks = table(tables.programs), table(tables.blocks)
        self._grids, self._parents = table(tables.grids), table(tables.parents)
        self._children, self._n_children = table(tables.children), table(tables.n_children)
        self._ends, self._neighbours = table(tables.ends), table(NEIGHBOURS)
        columns = [range(grid.columns.start, grid.columns.stop) for grid in architecture.grids]
        self._grid_of_column = table([n for n, mine in enumerate(columns) for _ in mine]).long()
        self._constants = table([grid.columns.stop - 1 for grid in architecture.grids]).long()
        self._place_of_column = table([place for mine in columns for place in range(len(mine))]).long()

    def with_gradients(
        self, latents: torch.Tensor, matrices: Sequence[torch.Tensor], *, quick: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Bits of images' latents, and their gradients.

        Args:
            latents: float32 [B, latents], in wire order of grids.
            matrices: The context model's of each image: float32 [B, rows, columns], whose rows lie one after
                another.
            quick: Round every factor to 10 bits of mantissa. A fit ends with the same cost (measured in
                benchmarks/results/cnn_choices.md), but bits are off by some 4e-4 of them, so that they are
                not to be compared with others.

        Returns:
            Bits [B], their gradients for the latents [B, latents], and for each image's matrices
            [B, rows, columns].
        """
        n_images, device = len(latents), self._device
        n_hidden, n_neighbours = matrices[3].shape[-1] - 1, len(NEIGHBOURS)
        direct = torch.empty(n_images, self.n_latents, device=device)
        by_neighbour = torch.empty(n_images, n_neighbours, self.n_latents, device=device)
        cells = torch.empty(n_images, self.n_cells, device=device)
        partial = torch.empty(n_images, self._n_programs, kernels.N_PARTIAL, device=device)
        self._pass(latents, matrices, direct, by_neighbour, cells, partial, only_bits=False, quick=quick)
        gradients = torch.empty_like(direct)
        gather_gradients[(self._n_blocks, n_images)](
            direct, by_neighbour, cells, self._blocks, self._grids, self._children, self._n_children,
            self._neighbours, gradients, self.n_latents, self.n_cells, n_neighbours, _BLOCK,
        )  # fmt: skip
        n_grids = len(self._grids)
        sums = torch.empty(n_images, n_grids, kernels.N_PARTIAL, device=device)
        sum_partial[(kernels.N_PARTIAL // _NUMBERS, n_grids, n_images)](
            partial, self._ends, sums, self._n_programs, n_grids, _NUMBERS, _ROWS
        )
        return sums[..., kernels.BITS].sum(1), gradients, self._by_matrix(sums, n_hidden)

    def latent_bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bits of each latent, float32 [B, latents]; arguments are those of `with_gradients`."""
        bits = torch.empty(len(latents), self.n_latents, device=self._device)
        self._pass(latents, matrices, bits, bits, bits, bits, only_bits=True)  # only the first one is written
        return bits

    def _pass(
        self,
        latents: torch.Tensor,
        matrices: Sequence[torch.Tensor],
        *written: torch.Tensor,
        only_bits: bool,
        quick: bool = False,
    ) -> None:
        context_pass[(self._n_programs, len(latents))](
            latents.contiguous(), *matrices, *(matrix.stride(0) for matrix in matrices), self._programs,
            self._grids, self._parents, self._neighbours, *written, self.n_latents, self.n_cells,
            self._n_programs, matrices[1].shape[-1], self._n_tiles_each, matrices[3].shape[-1] - 1,
            len(NEIGHBOURS), only_bits, *self._precisions[quick], num_warps=kernels.WARPS,
        )  # fmt: skip

    def _by_matrix(self, sums: torch.Tensor, n_hidden: int) -> list[torch.Tensor]:
        """Gradients of the matrices of each image, from the sums of each grid [B, grids, N_PARTIAL]."""
        side, n_neighbours = kernels.SIDE, len(NEIGHBOURS)

        def square(values: torch.Tensor, place: int) -> torch.Tensor:
            return torch.unflatten(values[..., place : place + side * side], -1, (side, side))

        whole = sums.sum(1)
        own = [square(whole, kernels.OWN)[:, :n_hidden], square(whole, kernels.OWN_PAST)[:, :2]]
        of_grids = [
            square(sums, kernels.PARENTS)[:, :, :n_hidden],
            square(sums, kernels.PARENTS_PAST)[:, :, :2],
        ]
        parents = torch.cat(of_grids, dim=2)[:, self._grid_of_column, :, self._place_of_column]
        parents = parents.permute(1, 2, 0)
        constants = square(whole, kernels.CONSTANTS)[:, 2, :n_hidden, None]
        hidden = torch.cat([square(whole, kernels.HIDDEN)[:, :n_hidden, :n_hidden], constants], dim=2)
        # A constant of the last layer acts on every grid as the constants in the grids' own blocks do.
        constants = parents[:, n_hidden:].index_select(2, self._constants).sum(2, keepdim=True)
        last = torch.cat([square(whole, kernels.LAST)[:, :2, :n_hidden], constants], dim=2)
        return [torch.cat(own, dim=1)[..., :n_neighbours], parents, hidden, last]


class _Tables:
    """What kernels look up, as lists of integers."""

    def __init__(self, architecture: LatentPyramid, n_programs: int) -> None:
        grids, shapes = architecture.grids, architecture.grid_shapes
        n_tiles = [
            -(-height // kernels.TILE_ROWS) * -(-width // kernels.TILE_COLUMNS) for height, width in shapes
        ]
        self.n_tiles_each = max(1, -(-sum(n_tiles) // n_programs))
        offsets = [0]
        for height, width in shapes:
            offsets.append(offsets[-1] + height * width)
        self.programs: list[tuple[int, int]] = []
        self.blocks: list[tuple[int, int]] = []
        self.grids: list[tuple[int, ...]] = []
        self.parents = [[(0, 0, 0, 0)] * kernels.SIDE for _ in grids]
        found: list[list[tuple[int, int, int, int]]] = [[] for _ in grids]
        self.ends, self.n_cells = [0], 0
        for place, (grid, (height, width)) in enumerate(zip(grids, shapes, strict=True)):
            tiles_in_row = -(-width // kernels.TILE_COLUMNS)
            fields = (offsets[place], height, width, len(grid.parents), grid.first_column, tiles_in_row)
            self.grids.append((*fields, n_tiles[place], 0))
            self.programs += [(place, first) for first in range(0, n_tiles[place], self.n_tiles_each)]
            self.ends.append(len(self.programs))
            for row, parent in enumerate(grid.parents):
                halvings = grids[parent].depth - grid.depth
                fine = halvings <= kernels.FINE_HALVINGS
                cell = kernels.FINE if fine else kernels.COARSE
                rows, columns = -(-height // cell), -(-width // cell)
                self.parents[place][row] = (offsets[parent], shapes[parent][1], halvings, self.n_cells)
                found[parent].append((halvings - (1 if fine else 3), rows, columns, self.n_cells))
                self.n_cells += rows * columns
        for place in reversed(range(len(grids))):  # coarse grids first: they take longest
            height, width = shapes[place]
            self.blocks += [(place, start) for start in range(0, height * width, _BLOCK)]
        self.n_children = [len(mine) for mine in found]
        self.children = [mine + [(0, 0, 0, 0)] * (kernels.SIDE - len(mine)) for mine in found]

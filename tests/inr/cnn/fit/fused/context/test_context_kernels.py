"""A pass over one grid; all grids, with their parents, are in test_bits.py."""

import torch

from inr.cnn.arithmetic import NEIGHBOURS
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.fused.context import tile_kernels as kernels
from inr.cnn.fit.fused.context.context_kernels import context_pass
from tests.inr.cnn.fit.drawn import DEVICE, point
from tests.inr.cnn.fit.fused.doubles import gradients_of, leaves_of
from tests.inr.networks import small

WIDTH, HEIGHT, COLUMNS = 11, 9, 1  # of two by two tiles; without parents, a constant alone


def test_a_program_that_takes_several_tiles_leaves_bits_and_sums() -> None:
    shape = small(3, WIDTH, HEIGHT, 1)
    at = point(shape)
    latents, matrices = at.latents.detach(), [matrix.detach() for matrix in at.matrices[:4]]
    n_hidden, n_neighbours = matrices[3].shape[1] - 1, len(NEIGHBOURS)

    def table(*rows: int) -> torch.Tensor:
        return torch.tensor(rows, dtype=torch.int32, device=DEVICE)

    direct = torch.full((1, WIDTH * HEIGHT), torch.nan, device=DEVICE)
    by_neighbour = torch.full((1, n_neighbours, WIDTH * HEIGHT), torch.nan, device=DEVICE)
    partial = torch.full((1, 1, kernels.N_PARTIAL), torch.nan, device=DEVICE)
    parents = torch.zeros(kernels.SIDE * kernels.PARENT_FIELDS, dtype=torch.int32, device=DEVICE)
    neighbours = torch.tensor(NEIGHBOURS, dtype=torch.int32, device=DEVICE)
    context_pass[(1, 1)](
        latents[None].to(DEVICE), *(matrix.to(DEVICE) for matrix in matrices), 0, 0, 0, 0, table(0, 0),
        table(0, HEIGHT, WIDTH, 0, 0, 2, 4, 0), parents, neighbours, direct, by_neighbour, direct, partial,
        WIDTH * HEIGHT, 0, 1, COLUMNS, 4, n_hidden, n_neighbours, False, "ieee", "ieee",
    )  # fmt: skip
    leaves = leaves_of(latents, *matrices)
    expected = PlainLosses(shape).bits(leaves[0], leaves[1:])
    torch.testing.assert_close(partial[0, 0, kernels.BITS].cpu(), expected.detach(), rtol=1e-5, atol=0)
    by_own = gradients_of(expected, leaves)[1]
    found = partial[0, 0, kernels.OWN :][: kernels.SIDE**2].view(kernels.SIDE, kernels.SIDE).cpu()
    torch.testing.assert_close(
        found[:n_hidden, :n_neighbours], by_own[:n_hidden], rtol=1e-3, atol=1e-3 * float(by_own.abs().max())
    )
    assert direct.isfinite().all()
    assert by_neighbour.isfinite().all()

import torch

from inr.cnn.fit.fused.context import tile_kernels as kernels
from inr.cnn.fit.fused.context.sum_kernels import gather_gradients, sum_partial
from tests.inr.cnn.fit.drawn import DEVICE


def test_programs_of_a_grid_are_added() -> None:
    partial = torch.randn(2, 5, kernels.N_PARTIAL, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    ends = torch.tensor([0, 4, 5], dtype=torch.int32, device=DEVICE)
    sums = torch.zeros(2, 2, kernels.N_PARTIAL, device=DEVICE)
    sum_partial[(2, 2, 2)](partial, ends, sums, 5, 2, 64, 2)
    expected = torch.stack([partial[:, :4].sum(1), partial[:, 4]], dim=1)
    torch.testing.assert_close(sums[..., :128], expected[..., :128])
    assert not sums[..., 128:].any()


def test_a_latent_gathers_from_those_that_look_at_it() -> None:
    """Two rows of three, with neighbours to the left and above, and a child whose cells are half as large."""
    generator = torch.Generator().manual_seed(0)
    direct, by_neighbour = torch.randn(1, 6, generator=generator), torch.randn(1, 2, 6, generator=generator)
    cells = torch.randn(1, 15, generator=generator)  # 3x5: cells there would be at the ends are not
    children = torch.zeros(1, kernels.SIDE, kernels.CHILD_FIELDS, dtype=torch.int32)
    children[0, 0] = torch.tensor([1, 3, 5, 0])
    neighbours, fields = [(0, -1), (-1, 0)], [0, 2, 3, 0, 0, 1, 1, 0]

    def table(rows: object) -> torch.Tensor:
        return torch.as_tensor(rows, dtype=torch.int32).to(DEVICE)

    found = torch.full((1, 6), torch.nan, device=DEVICE)
    gather_gradients[(1, 1)](
        *(tensor.to(DEVICE) for tensor in (direct, by_neighbour, cells)), table([0, 0]), table(fields),
        table(children), table([1]), table(neighbours), found, 6, 15, 2, 8,
    )  # fmt: skip
    expected, of_left, of_above = direct.view(2, 3).clone(), *by_neighbour.view(2, 2, 3)
    expected[:, :-1] += of_left[:, 1:]
    expected[:-1] += of_above[1:]
    padded = torch.zeros(4, 6)
    padded[:3, :5] = cells.view(3, 5)
    expected += padded.view(2, 2, 3, 2).sum((1, 3))
    torch.testing.assert_close(found.cpu().view(2, 3), expected)

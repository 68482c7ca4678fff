"""Pixelwise layers by kernels, and sums of parts, against the plain operations of torch."""

import pytest
import torch

from inr.cnn.fit.fused.image.synthesis_kernels import CHUNK, sum_parts, synthesise, synthesise_back
from tests.inr.cnn.fit.drawn import DEVICE

HEIGHT, WIDTH = 5, 9  # of images
TILE, N_PROGRAMS = 32, 2  # a program or two come to less than all pixels


def _drawn(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).to(DEVICE).requires_grad_() for shape in shapes]


def _halved(stack: torch.Tensor) -> torch.Tensor:
    doubled = stack[:, 1:]
    halves = torch.cat([doubled[..., ::2], doubled[..., 1::2]], dim=-1)
    return torch.cat([stack[:, :1], halves], dim=1).contiguous()


@pytest.mark.parametrize(("levels", "hidden", "channels"), [(1, 5, 1), (3, 31, 3), (9, 8, 4)])
def test_pixelwise_layers_and_their_gradients(levels: int, hidden: int, channels: int) -> None:
    stack, first, second, upstream = _drawn(
        (2, levels, HEIGHT, WIDTH), (2, hidden + channels, levels + 1), (2, channels, hidden + 1),
        (2, channels, HEIGHT, WIDTH),
    )  # fmt: skip
    sums = first[..., :-1] @ stack.flatten(-2) + first[..., -1:]
    expected = second[..., :-1] @ torch.relu(sums[:, :hidden]) + second[..., -1:] + sums[:, hidden:]
    expected = expected.unflatten(-1, (HEIGHT, WIDTH))
    expected.backward(upstream.detach())
    networks = {"LEVELS": levels, "HIDDEN": hidden, "CHANNELS": channels}
    samples, halved = torch.empty_like(expected), _halved(stack.detach())
    synthesise[(-(-HEIGHT * WIDTH // TILE), 2)](
        halved, first.detach(), second.detach(), samples, HEIGHT, WIDTH, halved.stride(0), first.stride(0),
        second.stride(0), **networks, BLOCK=TILE,
    )  # fmt: skip
    torch.testing.assert_close(samples, expected, rtol=1e-4, atol=1e-4)
    sizes = [first[0].numel(), second[0].numel()]
    by_stack = torch.full_like(halved, torch.nan)
    parts = torch.full((2, N_PROGRAMS, sum(sizes)), torch.nan, device=DEVICE)
    synthesise_back[(N_PROGRAMS, 2)](
        halved, by_stack, upstream.detach(), first.detach(), second.detach(), parts, HEIGHT, WIDTH,
        halved.stride(0), halved.stride(0), first.stride(0), second.stride(0), parts.stride(0), 0, sizes[0],
        sum(sizes), **networks, CHUNKS=-(-(hidden + channels) // CHUNK), TILE=TILE, WEIGHTS="tf32x3",
        num_stages=1,
    )  # fmt: skip
    by_first, by_second = torch.split(parts.sum(1), sizes, dim=1)
    assert stack.grad is not None
    assert first.grad is not None
    assert second.grad is not None
    torch.testing.assert_close(by_stack, _halved(stack.grad), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(by_first, first.grad.flatten(1), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(by_second, second.grad.flatten(1), rtol=1e-4, atol=1e-3)


def test_parts_are_added_row_by_row() -> None:
    parts = torch.arange(2.0 * 50, device=DEVICE).view(2, 50)
    # Three columns of seven rows that begin at 2 and are five apart; two columns of four rows.
    table = torch.tensor([[2, 7, 5, 3, 0, 3], [40, 4, 2, 2, 6, 2]], dtype=torch.int32, device=DEVICE)
    sums = torch.full((10,), torch.nan, device=DEVICE)
    sum_parts[(2, 2)](parts, sums, table, parts.stride(0), ROWS=4, COLUMNS=4)
    expected = [parts[:, 2:37].reshape(2, 7, 5)[..., :3].sum(1), parts[:, 40:48].reshape(2, 4, 2).sum(1)]
    torch.testing.assert_close(sums, torch.cat([part.flatten() for part in expected]))

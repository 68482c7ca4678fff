import pytest
import torch

from inr.cnn.architecture import CONTEXT_MATRICES
from inr.cnn.arithmetic import PAD
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.compiled.bits import Bits, latent_bits
from inr.cnn.fit.compiled.jobs import Jobs
from tests.inr.cnn.fit.drawn import Point, architecture, assert_near_for_some_seed, point

N = len(CONTEXT_MATRICES)


def gradients(at: Point) -> list[torch.Tensor]:
    return at.gradients()[: 1 + N]


@pytest.mark.parametrize("size", [(1, 1), (128, 130), (70, 150), (9, 1000)])  # of up to four jobs
def test_bits_and_their_gradients_are_those_of_the_plain_operations(size: tuple[int, int]) -> None:
    shape = architecture(1, *size, 7)
    found, known = [], []
    for seed in range(3):
        at, exact = point(shape, seed), point(shape, seed).to(torch.float64)
        expected = PlainLosses(shape).bits(exact.latents, exact.matrices)
        expected.backward()
        bits = Bits.apply(Jobs(shape, None), at.latents, *at.matrices[:N])
        assert float(bits.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
        bits.backward()
        found.append(gradients(at))
        known.append(gradients(exact))
    for mine, theirs in zip(zip(*found, strict=True), zip(*known, strict=True), strict=True):
        assert_near_for_some_seed(mine, theirs)


def test_gradients_are_scaled_by_what_comes_from_above() -> None:
    shape = architecture(3, 20, 30, 4)
    at, other = point(shape), point(shape)
    Bits.apply(Jobs(shape, None), at.latents, *at.matrices[:N]).backward()
    (-0.5 * Bits.apply(Jobs(shape, None), other.latents, *other.matrices[:N])).backward()
    for found, known in zip(gradients(other), gradients(at), strict=True):
        torch.testing.assert_close(found, -0.5 * known)


def test_a_latents_bits_depend_on_its_neighbours_and_parents_alone() -> None:
    """The last latent of level 0 has no neighbour after it and no child."""
    shape = architecture(3, 90, 96, 3)
    at, jobs = point(shape), Jobs(shape, None)
    last = shape.width * shape.height - 1
    matrices = [matrix.detach().requires_grad_() for matrix in at.matrices[:N]]
    Bits.apply(jobs, at.latents, *matrices).backward()
    moved = at.latents.detach().clone()
    moved[last] += 30
    moved.requires_grad_()
    Bits.apply(jobs, moved, *matrices).backward()
    assert at.latents.grad is not None
    assert moved.grad is not None
    changed = (moved.grad != at.latents.grad).nonzero().flatten().tolist()
    width, height = shape.width, shape.height
    rows, columns = zip(*(divmod(n, width) for n in changed if n < width * height), strict=True)
    # Those that it depends on: its neighbours, and its parents.
    assert min(rows) >= height - 1 - PAD
    assert min(columns) >= width - 1 - PAD
    parents = [n for n in changed if n >= width * height]
    assert parents == [int(end) - 1 for end in jobs.starts[2 : 1 + len(shape.grids)]]


@pytest.mark.parametrize("size", [(1, 1), (70, 150)])
def test_bits_of_each_latent_are_those_of_the_plain_operations(size: tuple[int, int]) -> None:
    shape = architecture(3, *size, 7)
    at = point(shape)
    matrices = [matrix.detach() for matrix in at.matrices]
    found = latent_bits(Jobs(shape, None), at.latents.detach(), matrices[:N])
    known = PlainLosses(shape).latent_bits(at.latents.detach(), matrices)
    torch.testing.assert_close(found, known, rtol=1e-3, atol=1e-3)

"""The compiled loops of the fit against the plain operations of torch."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from inr.cnn.fit.compiled_losses import CompiledLosses

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.losses import Losses
from inr.cnn.fit.plain_losses import PlainLosses
from tests.inr.networks import pyramid

SHAPES = [
    (3, 96, 70, 5, 16, 12, 2),
    (1, 9, 1, 1, 4, 4, 0),
    (4, 33, 47, 4, 8, 8, 1),
    (3, 1, 1, 1, 4, 4, 2),
    (2, 17, 5, 3, 8, 8, 2),
]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as running:
        yield running


def gradients(losses: Losses, architecture: LatentPyramid) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(architecture.n_parameters)

    def drawn(*shape: int, scale: float) -> torch.Tensor:
        return (torch.randn(*shape, generator=generator) * scale).requires_grad_()

    latents = drawn(architecture.n_parameters - architecture.n_weights, scale=2.0)
    matrices = [drawn(*shape, scale=0.3) for shape in architecture.matrices.values()]
    weights = drawn(architecture.channels, architecture.height, architecture.width, scale=1.0).detach()
    bits, image = losses.bits(latents, matrices), losses.image(latents, matrices)
    (0.01 * bits + (image * weights).sum()).backward()
    found = [bits, image, latents.grad, *(matrix.grad for matrix in matrices)]
    return [torch.zeros(0) if tensor is None else tensor.detach() for tensor in found]


@pytest.mark.parametrize("shape", SHAPES)
def test_compiled_loops_agree_with_plain_operations(shape: tuple[int, ...], pool: ThreadPoolExecutor) -> None:
    architecture = pyramid(*shape)
    plain = gradients(PlainLosses(architecture), architecture)
    alone = gradients(CompiledLosses(architecture, None), architecture)
    shared = gradients(CompiledLosses(architecture, pool), architecture)
    for expected, found, again in zip(plain, alone, shared, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
        assert torch.equal(found, again)  # bit for bit, whatever the number of threads

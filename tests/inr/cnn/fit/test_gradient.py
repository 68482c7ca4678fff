"""The compiled loops of the fit against the plain operations of torch."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit import kernels as fit_kernels
from inr.cnn.fit.gradient import CompiledLosses, PlainLosses, laplace_bits

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


def gradients(losses: PlainLosses | CompiledLosses, architecture: LatentPyramid) -> list[torch.Tensor]:
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
    architecture = LatentPyramid(*shape)
    plain = gradients(PlainLosses(architecture), architecture)
    alone = gradients(CompiledLosses(architecture, fit_kernels, None), architecture)
    shared = gradients(CompiledLosses(architecture, fit_kernels, pool), architecture)
    for expected, found, again in zip(plain, alone, shared, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
        assert torch.equal(found, again)  # bit for bit, whatever the number of threads


def test_gradients_are_those_of_the_bits() -> None:
    values = torch.tensor([0.0, 0.3, -2.2, 7.0, 40.0], dtype=torch.float64)
    centre = torch.tensor([0.1, -0.4, 0.0, 6.9, 0.0], dtype=torch.float64, requires_grad=True)
    log_spread = torch.tensor([-3.0, 0.0, 1.0, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c, s: laplace_bits(values, c, s), (centre, log_spread))


@pytest.mark.parametrize("spread", [0.1, 1.0, 20.0])
def test_bits_are_those_of_the_interval(spread: float) -> None:
    value, centre = torch.tensor([3.0]), torch.tensor([2.2])
    cdf = torch.distributions.Laplace(centre.double(), spread).cdf
    expected = -math.log2(float(cdf(torch.tensor([3.5])) - cdf(torch.tensor([2.5]))))
    bits = laplace_bits(value, centre, torch.tensor([math.log2(spread)]))
    assert float(bits) == pytest.approx(expected, rel=1e-4)

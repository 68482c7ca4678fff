import pytest
import torch

from inr.cnn.fit.common.weights import ASSUMED_EXPONENT, NetworkWeights, symbol_bits
from inr.cnn.fit.fused.weights.weight_bits import WeightBits
from tests.inr.cnn.fit.drawn import DEVICE, architecture

SHAPE = architecture(3, 40, 24, 9)
SHAPES = list(SHAPE.matrices.values())
EXPONENTS = [8, 7, 6, 5, 8, 0, 7, 3, 1, 2]


def changed() -> tuple[NetworkWeights, torch.Tensor, torch.Tensor]:
    """Networks, their weights for two images, and those of the prior."""
    networks = NetworkWeights(SHAPE)
    prior = flat(networks.matrices)
    noise = torch.randn(2, len(prior), generator=torch.Generator().manual_seed(0))
    return networks, prior + noise * torch.tensor([[0.02], [0.3]]), prior


def flat(matrices: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([matrix.detach().flatten() for matrix in matrices])


def set_to(networks: NetworkWeights, weights: torch.Tensor) -> None:
    parts = weights.split([matrix.numel() for matrix in networks.matrices])
    with torch.no_grad():
        for matrix, part in zip(networks.matrices, parts, strict=True):
            matrix.grad = None
            matrix.copy_(part.view_as(matrix))


def gradient(networks: NetworkWeights) -> torch.Tensor:
    return flat([matrix.grad for matrix in networks.matrices if matrix.grad is not None])


def test_bits_before_matrices_have_exponents() -> None:
    networks, weights, prior = changed()
    units = torch.full((len(SHAPES),), 2.0**ASSUMED_EXPONENT, device=DEVICE)
    bits, gradients, same = WeightBits(SHAPES, 2, DEVICE)(
        weights.to(DEVICE), prior.to(DEVICE), units, rounded=False
    )
    torch.testing.assert_close(same.cpu(), weights, rtol=0, atol=0)
    for n in range(2):
        set_to(networks, weights[n])
        expected = networks.assumed_bits()
        expected.backward()
        torch.testing.assert_close(bits[n].cpu(), expected.detach(), rtol=1e-5, atol=0)
        torch.testing.assert_close(gradients[n].cpu(), gradient(networks), rtol=1e-4, atol=1e-3)


def test_bits_of_rounded_weights() -> None:
    """Those of matrices that are not coded aside, which `NetworkWeights` counts though nobody pays them."""
    networks, weights, prior = changed()
    units = torch.tensor([2.0**k if k else 0.0 for k in EXPONENTS]).repeat(2, 1)
    units[1, 0] = 0  # in one image only
    bits, gradients, coded = WeightBits(SHAPES, 2, DEVICE)(
        weights.to(DEVICE), prior.to(DEVICE), units.to(DEVICE), rounded=True
    )
    for n in range(2):
        set_to(networks, weights[n])
        exponents = [k if unit else 0 for k, unit in zip(EXPONENTS, units[n], strict=True)]
        matrices, expected = networks.rounded(exponents)
        expected.backward()
        for shape, exponent in zip(SHAPES, exponents, strict=True):
            if not exponent:
                expected = expected - symbol_bits(torch.zeros(shape))
        torch.testing.assert_close(bits[n].cpu(), expected.detach(), rtol=1e-5, atol=0)
        torch.testing.assert_close(gradients[n].cpu(), gradient(networks), rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(coded[n].cpu(), flat(matrices), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2)])
def test_small_sets_and_the_prior_itself(shape: tuple[int, int]) -> None:
    prior = torch.ones(shape[0] * shape[1], device=DEVICE)
    bits, gradients, coded = WeightBits([shape], 1, DEVICE)(
        prior[None].clone(), prior, torch.tensor([4.0], device=DEVICE), rounded=True
    )
    torch.testing.assert_close(bits.cpu(), symbol_bits(torch.zeros(shape))[None])
    assert not gradients.any()
    torch.testing.assert_close(coded[0], prior)

import pytest
import torch

from inr.fit.entropy import estimate_bits
from inr.mlp.fit.encoder import coding_of
from inr.mlp.fit.parameters import Parameters
from tests.inr.networks import mlp

NETWORK = mlp(3, 16, 4, 6, 2)


def parameters() -> Parameters:
    return Parameters(NETWORK, torch.full((3,), 0.5), 0.05, torch.Generator().manual_seed(3))


def test_stacked_matrices_are_views_of_theta() -> None:
    theta = parameters()
    first, hidden = theta.matrix_groups(theta.theta.detach())
    tensors = theta.split(theta.theta.detach())
    assert first.data_ptr() == tensors[0].data_ptr()
    for index, matrix in enumerate(hidden):
        torch.testing.assert_close(matrix, tensors[2 * index + 2])
    hidden.zero_()
    assert all(float(tensor.abs().max()) == 0 for tensor in tensors[2:-2:2])


def test_the_differentiable_rate_is_what_the_coder_needs() -> None:
    """Eq. 4 on rounded weights, against the information of the integer tables."""
    theta = parameters()
    law = torch.distributions.Laplace(0.0, 0.3)
    torch.manual_seed(0)
    with torch.no_grad():
        theta.theta.copy_(law.sample(theta.theta.shape))
        theta.theta[-NETWORK.channels :] = 0.5
    indices = theta.freeze_steps()
    theta.refresh_scales()
    _, y = theta.in_steps()
    symbols = theta.symbols(indices)
    exact = sum(
        coding_of(spec, tensor).bits(tensor) for spec, tensor in zip(NETWORK.specs, symbols, strict=True)
    )
    assert float(theta.rate_bits(y.round()).detach()) == pytest.approx(exact, rel=0.01)
    assert estimate_bits(symbols) == pytest.approx(exact, rel=0.01)

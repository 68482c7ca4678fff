import numpy as np
import torch
from skimage import data

from inr.cnn.fit.common.beginning import begun
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.fit.trainer import fit_pyramid
from inr.cnn.network import CnnNetwork, weights_of
from tests.inr.networks import small


def test_a_fit_begins_with_zeros_and_the_prior() -> None:
    shape = small(3, 12, 9, 2)
    latents, weights = begun(shape, None)
    assert torch.equal(latents, torch.zeros(shape.n_latents))
    assert torch.equal(torch.cat([matrix.flatten() for matrix in weights.matrices]), weights.known)


def test_or_with_the_latents_and_the_weights_that_a_network_has() -> None:
    shape, pixels = small(3, 12, 9, 2), np.ascontiguousarray(data.astronaut()[20:29, 150:162])
    settings = PyramidSettings(60)
    fitted = fit_pyramid(pixels, shape, settings, rd_lambda=1e-3, seed=0, goes_on=lambda _: True, plain=True)
    assert fitted is not None
    network = fitted.network
    assert isinstance(network, CnnNetwork)
    latents, weights = begun(shape, network)
    assert torch.equal(latents, torch.cat([torch.tensor(grid).flatten() for grid in network.levels]).float())
    assert latents.any()
    exact = weights_of(shape, network.matrices, network.codings)
    for matrix, known in zip(weights.matrices, exact.values(), strict=True):
        assert matrix.requires_grad
        expected = torch.tensor(known.integers).float() * 2.0**-known.exponent
        torch.testing.assert_close(matrix.detach(), expected, rtol=0, atol=0)

import math

import numpy as np
import pytest
import torch

from inr.cnn.fit.common.finish import payload_aim, rounded_network
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.common.weights import NetworkWeights
from inr.fit.steering import Aim
from tests.inr.cnn.fit.drawn import architecture

SHAPE = architecture(3, 12, 9, 3)
LATENTS = (0.5 * torch.randn(SHAPE.n_latents, generator=torch.Generator().manual_seed(0))).round()


def test_a_network_holds_the_latents_and_the_symbols_of_its_weights() -> None:
    weights = NetworkWeights(SHAPE)
    with torch.no_grad():
        weights.matrices[0][1, 2] += 3 * 2.0**-6
    exponents = [6] + [0] * (len(SHAPE.matrices) - 1)
    fitted = rounded_network(SHAPE, LATENTS, weights, exponents, PlainLosses(SHAPE))
    network = fitted.network
    flat = np.concatenate([level.ravel() for level in network.levels])
    np.testing.assert_array_equal(flat, LATENTS.numpy())
    assert network.matrices[0][1, 2] == 3
    assert sum(int(np.count_nonzero(matrix)) for matrix in network.matrices) == 1
    assert fitted.estimated_bits == pytest.approx(8 * len(network.sections().payload), rel=0.05)


def test_a_fit_that_came_apart_has_a_network_and_no_estimate() -> None:
    broken = LATENTS.clone()
    broken[3] = math.nan
    exponents = [0] * len(SHAPE.matrices)
    fitted = rounded_network(SHAPE, broken, NetworkWeights(SHAPE), exponents, PlainLosses(SHAPE))
    assert math.isnan(fitted.estimated_bits)
    assert fitted.network.render().shape == (9, 12, 3)


def test_of_an_aim_the_payload_has_what_the_other_sections_leave() -> None:
    fitted = rounded_network(
        SHAPE, LATENTS, NetworkWeights(SHAPE), [0] * len(SHAPE.matrices), PlainLosses(SHAPE)
    )
    sections = fitted.network.sections()
    aim = payload_aim(Aim(bits=5000.0), SHAPE)
    assert aim == Aim(bits=5000.0 - 8 * len(sections.architecture + sections.tensors))
    assert payload_aim(Aim(bits=7.0), SHAPE) == Aim(bits=1.0)
    assert payload_aim(Aim(mse=0.1), SHAPE) == Aim(mse=0.1)
    assert payload_aim(None, SHAPE) is None

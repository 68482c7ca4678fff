import pytest
import torch

from inr.cnn.fit.common.schedule import LATENT_EPSILON
from inr.fit.steering import Aim, Steering
from tests.inr.cnn.fit.drawn import DEVICE, architecture

pytest.importorskip("triton")

from inr.cnn.fit.fused.lambdas import Lambdas

SHAPE = architecture(3, 12, 9, 2)


def begun(*aims: Aim | None) -> Lambdas:
    return Lambdas([1e-3, 2e-3][: len(aims)], aims, SHAPE, torch.device(DEVICE))


def test_each_image_has_its_own_and_the_card_knows_them() -> None:
    lambdas = begun(None, None)
    assert lambdas.per_bits == [1e-3 / 108, 2e-3 / 108]
    assert not lambdas.is_steered
    assert lambdas.shares.tolist() == [pytest.approx([each, 1.0]) for each in lambdas.per_bits]
    assert lambdas.epsilons.tolist() == pytest.approx([LATENT_EPSILON * each for each in lambdas.per_bits])


def test_a_look_moves_those_that_have_an_aim_in_the_tensors_that_recorded_steps_read() -> None:
    aim = Aim(mse=1e-3)
    lambdas, alone = begun(None, aim), Steering(2e-3, aim)
    assert lambdas.is_steered
    shares, epsilons, per_bit = lambdas.shares, lambdas.epsilons, lambdas.per_bit
    state = [torch.tensor(values, device=DEVICE) for values in ([1e-2, 2e-3], [9e3, 1e4], [1e3, 1e3])]
    lambdas.look(0.5, *state)
    alone.look(0.5, 2e-3, 1e4, 1e3)
    assert lambdas.steerings[0].rd_lambda == 1e-3
    assert lambdas.steerings[1].rd_lambda == pytest.approx(alone.rd_lambda, rel=1e-5)
    assert alone.rd_lambda < 1.9e-3
    assert per_bit.tolist() == pytest.approx(lambdas.per_bits)
    assert shares[:, 0].tolist() == per_bit.tolist()
    assert epsilons.tolist() == pytest.approx([LATENT_EPSILON * each for each in lambdas.per_bits])

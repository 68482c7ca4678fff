import torch

from inr.mlp.fit.gradient import DistortionGradient, axis_features, forward
from tests.inr.networks import mlp

NETWORK = mlp(3, 20, 4, 5, 2)


def test_the_hand_written_gradient_is_autograds() -> None:
    torch.manual_seed(0)
    parameters = [torch.randn(spec.shape).requires_grad_() for spec in NETWORK.specs]
    x, y = axis_features(NETWORK, 130, 130), axis_features(NETWORK, 77, 130)
    target = torch.rand(77, 130, 3)
    loss = (forward(parameters, x, y).view(77, 130, 3) - target).square().mean()
    loss.backward()
    gradients = [torch.zeros_like(parameter) for parameter in parameters]
    found = DistortionGradient(NETWORK, "cpu")([p.detach() for p in parameters], x, y, target, gradients)
    torch.testing.assert_close(found, loss.detach())
    for gradient, parameter in zip(gradients, parameters, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-3, atol=2e-6)


def test_features_are_sines_then_cosines_of_the_decoders_phases() -> None:
    phases = torch.from_numpy(NETWORK.axis_phases(9, 12)) * (2 * torch.pi / 65536)
    features = axis_features(NETWORK, 9, 12)
    torch.testing.assert_close(features[:, :5], phases.sin().float())
    torch.testing.assert_close(features[:, 5:], phases.cos().float())

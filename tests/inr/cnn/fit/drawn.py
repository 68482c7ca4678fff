"""Latents and matrices for tests of the losses: the prior's networks, changed a little."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.losses import Losses
from inr.cnn.prior import NO_GAIN, priors

# (channels, width, height, levels): odd and even sizes, a pixel, one row of jobs and several.
SHAPES = [
    (3, 40, 24, 5),
    (3, 37, 23, 7),
    (1, 300, 5, 6),
    (4, 64, 64, 7),
    (3, 2, 3, 2),
    (3, 1, 1, 1),
    (2, 7, 130, 7),
    (3, 130, 93, 9),
]


def architecture(channels: int, width: int, height: int, n_levels: int) -> LatentPyramid:
    """An architecture with the first prior for so many channels."""
    known = next(known for known in priors() if known.channels in (channels, channels - 1))
    return LatentPyramid(
        channels=channels,
        width=width,
        height=height,
        n_levels=min(n_levels, known.n_levels),
        prior=known,
        gain=NO_GAIN,
    )


@dataclass(frozen=True)
class Point:
    """Where losses are taken: latents, matrices in wire order, and factors of the samples in a sum."""

    latents: torch.Tensor
    matrices: list[torch.Tensor]
    factors: torch.Tensor

    def to(self, dtype: torch.dtype) -> "Point":
        """The same place as leaves of that precision."""
        latents, *matrices = (
            tensor.detach().to(dtype).requires_grad_() for tensor in (self.latents, *self.matrices)
        )
        return Point(latents, matrices, self.factors.to(dtype))

    def gradients(self) -> list[torch.Tensor]:
        """Of the latents and of each matrix."""
        leaves = (self.latents, *self.matrices)
        return [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]


def point(shape: LatentPyramid, seed: int = 0, batch: tuple[int, ...] = ()) -> Point:
    """A place near the prior's networks; a batch has latents of its own."""
    generator = torch.Generator().manual_seed(seed)
    latents = 2 * torch.randn(*batch, shape.n_latents, generator=generator)
    matrices = []
    for name, size in shape.matrices.items():
        known = torch.tensor(shape.known(name)).float() * 2.0 ** -shape.exponent(name)
        matrices.append(known + 0.02 * torch.randn(size, generator=generator))
    factors = torch.randn(*batch, shape.channels, shape.height, shape.width, generator=generator)
    return Point(latents, matrices, factors).to(torch.float32)


def results(losses: Losses, at: Point) -> list[torch.Tensor]:
    """Bits, samples, and the gradients of a sum of both."""
    bits, image = losses.bits(at.latents, at.matrices), losses.image(at.latents, at.matrices)
    torch.autograd.backward(0.01 * bits.sum() + (image * at.factors).sum())
    return [bits.detach(), image.detach(), *at.gradients()]


def assert_near(found: torch.Tensor, exact: torch.Tensor) -> None:
    """Float32 beside float64, in units of the largest value."""
    most = float(exact.abs().max()) if exact.numel() else 0.0
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-6 + 2e-5 * most)


def assert_near_for_some_seed(found: Sequence[torch.Tensor], exact: Sequence[torch.Tensor]) -> None:
    """Every element of tensors of several seeds is near in one of them.

    Float32 may take a rectified neuron for one that is off where float64 does not, and then gradients at that
    place differ much. It does so seldom, and elsewhere with another seed; a mistake is at its place with
    every seed.
    """
    off = torch.ones_like(exact[0], dtype=torch.bool)
    for mine, known in zip(found, exact, strict=True):
        most = float(known.abs().max()) if known.numel() else 0.0
        off &= (mine.double() - known).abs() > 1e-6 + 2e-5 * most + 1e-4 * known.abs()
    assert not off.any(), f"{int(off.sum())} of {off.numel()} elements are off with every seed"

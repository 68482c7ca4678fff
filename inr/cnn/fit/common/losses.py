"""The terms of the loss of family `cnn`, as a fit on a CPU takes them, and what an image is to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from inr.fit.hidden import sample_weights


@dataclass(frozen=True)
class Target:
    """Samples of one image.

    Attributes:
        samples: float32 [channels, height, width], in [0, 1].
        shares: What each sample weighs in the mean squared error, float32 of the same shape, of mean one;
            None if all weigh the same.
    """

    samples: torch.Tensor
    shares: torch.Tensor | None

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], visible: NDArray[np.bool_] | None) -> "Target":
        """The target of an image.

        Args:
            pixels: uint8 [height, width, channels].
            visible: bool [height, width], see `FitRequest`; None if all of it is.
        """
        shares = None if visible is None else sample_weights(visible, pixels.shape[2])
        return cls(
            samples=_channels_first(pixels).float() / 255,
            shares=None if shares is None else _channels_first(shares),
        )

    def squared_errors(self, samples: torch.Tensor) -> torch.Tensor:
        """Squared errors of samples, as each weighs: float32 [channels, height, width].

        A sample at an end of the scale is met by all that is beyond it, since samples are clipped.
        """
        error = samples - self.samples
        error = torch.where(self.samples == 0, error.clamp_min(0), error)
        squares = torch.where(self.samples == 1, error.clamp_max(0), error).square()
        return squares if self.shares is None else self.shares * squares


def _channels_first(samples: NDArray[np.uint8] | NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.moveaxis(samples, -1, 0).copy())


class Losses(Protocol):
    """Differentiable functions of latents, float32 [latents], and of the networks' matrices in wire order."""

    def soften(self, latents: torch.Tensor, noise: torch.Tensor, temperature: float) -> torch.Tensor:
        """Latents as the decoder might see them, given noise, float32 [latents] too."""

    def bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bits of all latents, which come in wire order of grids: a scalar."""

    def latent_bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bits of each latent, float32 [latents]; not differentiable."""

    def distortion(
        self, latents: torch.Tensor, matrices: Sequence[torch.Tensor], target: Target
    ) -> torch.Tensor:
        """The mean squared error of the image that the latents stand for: a scalar."""

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Samples in [0, 1], not clipped: float32 [channels, height, width]."""

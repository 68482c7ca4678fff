"""Eq. 3: rounding and its surrogates while fitting.

Θ in units of its step is y; the decoder sees round(y). While fitting, the rate is taken at
y + u with u ~ U(-1/2, 1/2) (the patent's Φ), and the distortion at the rounded value with the
gradient passed straight through.
"""

import torch


def round_straight_through(y: torch.Tensor) -> torch.Tensor:
    """round(y), with the gradient of the identity."""
    return y + (y.round() - y).detach()


def add_uniform_noise(y: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Y + u, u ~ U(-1/2, 1/2): Eq. 3's stand-in for rounding."""
    return y + torch.rand(y.shape, generator=generator, device=y.device) - 0.5

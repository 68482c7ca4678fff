"""Softly rounded latents and the distortion of samples by compiled loops, a job for some of them each."""

import math
from typing import Any

import numpy as np
import torch

from inr.cnn.fit.common.losses import Target
from inr.cnn.fit.compiled.arrays import Floats, empty, released, zeros
from inr.cnn.fit.compiled.jobs import Jobs, Span, parts
from inr.cnn.fit.compiled.kernels import pointwise
from inr.cnn.fit.compiled.kernels.elementary import LANES


class Soften(torch.autograd.Function):
    """Latents as the decoder might see them: the twin of `PlainLosses.soften`."""

    @staticmethod
    def forward(
        ctx: Any, jobs: Jobs, latents: torch.Tensor, noise: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        """Softened latents, float32 [latents]."""
        values, added = latents.detach().numpy(), noise.numpy()
        softened, slope = empty(*values.shape), empty(*values.shape)
        factors = np.float32(temperature), np.float32(0.5 / math.tanh(0.5 / temperature))

        def job(span: Span) -> None:
            scratch = jobs.zeros("soften", 4, LANES)
            bits = jobs.kept("bits", lambda: np.zeros(LANES, np.int32))
            pointwise.soften(values, added, *factors, softened, slope, *span, scratch, bits)

        jobs.run(job, parts(len(values)))
        ctx.save_for_backward(torch.from_numpy(slope))
        return torch.from_numpy(softened)

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        """Gradient of the latents."""
        (slope,) = ctx.saved_tensors
        return None, upstream[0] * slope, None, None


class Distortion(torch.autograd.Function):
    """The mean squared error of samples and its gradient, found in one pass."""

    @staticmethod
    def forward(ctx: Any, jobs: Jobs, samples: torch.Tensor, target: Target) -> torch.Tensor:
        """The mean squared error: a scalar."""
        given, wanted = _flat(samples), _flat(target.samples)
        shares = zeros(0) if target.shares is None else _flat(target.shares)
        gradient = empty(len(given))

        def job(span: Span) -> float:
            total: float = pointwise.squares(given, wanted, shares, gradient, *span)
            return total

        total = sum(jobs.run(job, parts(len(given))))
        ctx.kept = torch.from_numpy(gradient.reshape(samples.shape))
        return torch.tensor(total / len(given), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        """Gradient of the samples."""
        gradient = released(ctx)
        return None, gradient.mul_(upstream[0] * (2 / gradient.numel())), None


def _flat(samples: torch.Tensor) -> Floats:
    found: Floats = samples.detach().contiguous().numpy().reshape(-1)
    return found

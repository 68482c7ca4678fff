"""Fits of crops in step on a CPU: what `FusedFits` and `FusedSoap` are to shared_fit.py on a card."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.losses import Target
from inr.cnn.fit.common.noise import Noise
from inr.cnn.fit.common.schedule import LATENT_BETAS, LATENT_EPSILON, NETWORK_SHARES, PyramidSettings
from inr.cnn.fit.common.weights import ASSUMED_EXPONENT, symbol_bits
from inr.cnn.fit.compiled.losses import CompiledLosses
from inr.cnn.fit.soap import Soap

_N_THREADS = 2  # that take crops in turn


class CompiledFits:
    """Fits on their way, by compiled loops; arguments and attributes are those of `FusedFits`."""

    def __init__(
        self,
        images: Sequence[NDArray[np.uint8]],
        architecture: LatentPyramid,
        settings: PyramidSettings,
        *,
        rd_lambdas: Sequence[float],
        seeds: Sequence[int],
        device: torch.device,
    ) -> None:
        self.architecture, self.n_images = architecture, len(images)
        sizes = [rows * columns for rows, columns in architecture.matrices.values()]
        self.known = torch.zeros(sum(sizes), device=device)
        self.weights, self.by_weight = torch.zeros(2, self.n_images, sum(sizes))
        self.latents = torch.zeros(self.n_images, architecture.n_latents)
        self.costs = torch.zeros(self.n_images)
        given = zip(images, rd_lambdas, seeds, self.latents, self.weights, strict=True)
        self._crops = [
            _Crop(image, architecture, settings, rd_lambda, seed, latents, self.matrices(weights))
            for image, rd_lambda, seed, latents, weights in given
        ]

    def matrices(self, weights: torch.Tensor) -> list[torch.Tensor]:
        """Views of flat weights [..., weights] as matrices [..., rows, columns], in wire order."""
        shapes = list(self.architecture.matrices.values())
        parts = torch.split(weights, [math.prod(shape) for shape in shapes], dim=-1)
        return [torch.unflatten(part, -1, shape) for part, shape in zip(parts, shapes, strict=True)]

    def take_step(self, index: int) -> None:
        """Take step `index` of every crop."""
        known = self.matrices(self.known)
        with ThreadPoolExecutor(_N_THREADS) as pool:
            answers = list(pool.map(lambda crop: crop.take_step(index, known), self._crops))
        for n, (cost, gradient) in enumerate(answers):
            self.costs[n], self.by_weight[n] = cost, gradient


class _Crop:
    """One crop's fit, whose latents and matrices lie in the tensors of all."""

    def __init__(
        self,
        image: NDArray[np.uint8],
        architecture: LatentPyramid,
        settings: PyramidSettings,
        rd_lambda: float,
        seed: int,
        latents: torch.Tensor,
        matrices: Sequence[torch.Tensor],
    ) -> None:
        self._settings, self._target = settings, Target.of(image, None)
        self._losses = CompiledLosses(architecture, None)
        self._noise = Noise(architecture.n_latents, seed)
        self._per_bit = rd_lambda / (architecture.width * architecture.height)
        self._latents = latents.detach().requires_grad_()  # a leaf on the same memory, as each matrix is
        self._matrices = [matrix.detach().requires_grad_() for matrix in matrices]
        epsilon = LATENT_EPSILON * self._per_bit
        self._adam = torch.optim.Adam([self._latents], betas=LATENT_BETAS, eps=epsilon, fused=True)
        self._soap = Soap(self._matrices, rates=_rates(architecture))

    def take_step(self, index: int, known: Sequence[torch.Tensor]) -> tuple[float, torch.Tensor]:
        """Take a step; return its cost, and the gradient by way of what the networks do: [weights]."""
        settings, progress = self._settings, index / self._settings.n_together
        self._adam.zero_grad()
        for matrix in self._matrices:
            matrix.grad = None
        noise = self._noise.draw(index) * settings.width(progress)
        latents = self._losses.soften(self._latents, noise, settings.temperature(progress))
        cost = self._losses.distortion(latents, self._matrices, self._target)
        cost = cost + self._per_bit * self._losses.bits(latents, self._matrices)
        torch.autograd.backward(cost)
        grads = [torch.zeros_like(m) if m.grad is None else m.grad for m in self._matrices]
        gradient = torch.cat([grad.flatten() for grad in grads])
        differences = [own - shared for own, shared in zip(self._matrices, known, strict=True)]
        bits = [symbol_bits(difference * 2.0**ASSUMED_EXPONENT) for difference in differences]
        of_weights = self._per_bit * torch.stack(bits).sum()
        torch.autograd.backward(of_weights)
        self._soap.step(settings.rate(progress) * settings.network_rate)
        self._adam.param_groups[0]["lr"] = settings.rate(progress) * settings.latent_rate
        self._adam.step()
        return float(cost.detach() + of_weights.detach()), gradient


class SharedSoap:
    """SOAP on flat weights [1, weights]; its steps are taken as those of `FusedSoap`."""

    def __init__(self, architecture: LatentPyramid) -> None:
        self._shapes = list(architecture.matrices.values())
        self._sizes = [rows * columns for rows, columns in self._shapes]
        self._matrices = [torch.zeros(shape) for shape in self._shapes]
        self._soap = Soap(self._matrices, rates=_rates(architecture))

    def refreshes(self, _index: int) -> bool:
        """Bases are refreshed when `Soap` does so."""
        return False

    def step(
        self, weights: torch.Tensor, gradients: torch.Tensor, rate: torch.Tensor, *, refresh: bool
    ) -> None:
        """Move the weights along the gradients."""
        del refresh
        parts = zip(torch.split(weights[0], self._sizes), torch.split(gradients[0], self._sizes), strict=True)
        for matrix, (weight, gradient) in zip(self._matrices, parts, strict=True):
            matrix.copy_(weight.view_as(matrix))
            matrix.grad = gradient.view_as(matrix).clone()
        self._soap.step(float(rate))
        weights.copy_(torch.cat([matrix.flatten() for matrix in self._matrices])[None])


def _rates(architecture: LatentPyramid) -> list[float]:
    return [NETWORK_SHARES.get(name, 1.0) for name in architecture.matrices]

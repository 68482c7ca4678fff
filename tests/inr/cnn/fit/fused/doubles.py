"""Doubles of what the trainer is made of, by the plain operations of torch: the interpreter is slow."""

from collections.abc import Sequence

import pytest
import torch

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.common.weights import symbol_bits
from inr.cnn.fit.fused import trainer
from inr.fit.quantizer import round_straight_through

Tensors = Sequence[torch.Tensor]


def leaves_of(*tensors: torch.Tensor) -> list[torch.Tensor]:
    return [tensor.detach().clone().requires_grad_() for tensor in tensors]


def gradients_of(result: torch.Tensor, leaves: Tensors) -> list[torch.Tensor]:
    """Zero for leaves that do not matter."""
    found = torch.autograd.grad(result, leaves, allow_unused=True)
    return [torch.zeros_like(leaf) if its is None else its for leaf, its in zip(leaves, found, strict=True)]


class PlainContext:
    """In place of `FusedContext`."""

    def __init__(self, architecture: LatentPyramid, _device: object, **_: object) -> None:
        self._losses = PlainLosses(architecture)

    @torch.enable_grad()
    def with_gradients(
        self, latents: torch.Tensor, matrices: Tensors, *, quick: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        leaves = leaves_of(latents, *matrices)
        bits = self._losses.bits(leaves[0], leaves[1:])
        by_latents, *of_matrices = gradients_of(bits.sum(), leaves)
        return bits.detach(), by_latents, of_matrices

    def latent_bits(self, latents: torch.Tensor, matrices: Tensors) -> torch.Tensor:
        return self._losses.latent_bits(latents, matrices)


class PlainImage:
    """In place of `FusedImage`."""

    def __init__(self, architecture: LatentPyramid, _device: object, **_: object) -> None:
        self._losses = PlainLosses(architecture)

    @torch.enable_grad()
    def forward(
        self, latents: torch.Tensor, matrices: Tensors
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, Tensors]]:
        leaves = leaves_of(latents, *matrices)
        samples = self._losses.image(leaves[0], leaves[1:])
        return samples.detach().contiguous(), (samples, leaves)

    @torch.enable_grad()
    def backward(
        self, done: tuple[torch.Tensor, Tensors], by_samples: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        samples, leaves = done
        by_latents, *of_matrices = gradients_of((samples * by_samples).sum(), leaves)
        return by_latents, of_matrices[len(CONTEXT_MATRICES) :]


class PlainWeightBits:
    """In place of `WeightBits`."""

    def __init__(self, shapes: Sequence[tuple[int, int]], _batch: int, _device: object) -> None:
        self._shapes = shapes

    def __call__(
        self, weights: torch.Tensor, prior: torch.Tensor, units: torch.Tensor, *, rounded: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        sizes = [rows * columns for rows, columns in self._shapes]
        [leaf] = leaves_of(weights)
        bits, coded = [], []
        for mine, its in zip(leaf, units.expand(len(leaf), -1), strict=True):
            bits.append(0 * mine.sum())
            parts = zip(mine.split(sizes), prior.split(sizes), self._shapes, its.tolist(), strict=True)
            for part, known, shape, unit in parts:
                symbols = (part - known).view(shape) * unit
                symbols = round_straight_through(symbols) if rounded else symbols
                bits[-1] = bits[-1] + (symbol_bits(symbols) if unit else 0.0)
                coded.append(known + (symbols / unit if unit else 0 * symbols).flatten())
        total = torch.stack(bits)
        after = torch.cat(coded).view_as(weights).detach() if rounded else weights
        return total.detach(), *gradients_of(total.sum(), [leaf]), after


class PlainStep:
    """In place of `FusedSoap`: the gradients' direction, the largest weight's step as long as the rate."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def refreshes(self, _index: int) -> bool:
        return False

    def step(self, weights: torch.Tensor, gradients: torch.Tensor, rate: torch.Tensor, refresh: bool) -> None:
        assert not refresh
        weights -= rate * gradients / gradients.abs().amax(1, keepdim=True).clamp_min(1e-20)


def take_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, double in (
        ("FusedContext", PlainContext),
        ("FusedImage", PlainImage),
        ("WeightBits", PlainWeightBits),
        ("FusedSoap", PlainStep),
    ):
        monkeypatch.setattr(trainer, name, double)

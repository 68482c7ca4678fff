"""One set of networks for many crops, each of which has latents of its own."""

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.prior.crops import Crop
from benchmarks.prior.entries import entry_of
from benchmarks.prior.start import deepened, of_luminance
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.compiled.losses import CompiledLosses
from inr.cnn.fit.plain_losses import PlainLosses
from inr.cnn.fit.schedule import soft_round
from inr.cnn.fit.soap import Soap
from inr.cnn.grids import MAX_LEVELS, kept_columns
from inr.cnn.prior import NO_GAIN, Prior

N_LEVELS = (7, 7, 7, 8, 9)  # of the crops in turn: an image has as many as its size asks for
WARMEST, COLDEST = 0.3, 0.1
WIDEST, NARROWEST = 0.204, 0.17
LATENT_RATE, NETWORK_RATE = 0.25, 1.5e-3
WARM_UP = 0.06  # share of a run before networks change, and again in which their rate rises
BETAS = 0.8, 0.99


class LossesInTurn:
    """The compiled losses of a CPU, of one crop after the other; see `PlainLosses`."""

    def __init__(self, shape: LatentPyramid) -> None:
        self._losses = CompiledLosses(shape, None)

    def bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bits of each crop's latents: float32 [crops] from [crops, latents]."""
        return torch.stack([self._losses.bits(each, matrices) for each in latents])

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Samples of each crop: float32 [crops, channels, height, width]."""
        return torch.stack([self._losses.image(each, matrices) for each in latents])


@dataclass
class _Group:
    """The crops of one number of levels.

    Attributes:
        losses: Bits and image.
        targets: uint8 [crops, channels, height, width].
        state: Latents and their two moments: float32 [3, crops, latents].
        n_visits: Steps that each crop has had.
    """

    shape: LatentPyramid
    losses: PlainLosses | LossesInTurn
    targets: torch.Tensor
    state: torch.Tensor
    n_visits: int = 0


class SharedFit:
    """Networks for all crops, and latents for each.

    Args:
        crops: uint8 [height, width, channels] each, all of one size.
        start: The prior to begin with.
        rd_lambda: λ of the loss.
        device: "cpu" or "cuda".
        threads: Threads of a CPU, a crop for each.
        crops_per_step: Crops whose gradients make a step.
    """

    def __init__(
        self,
        crops: Sequence[Crop],
        start: Prior,
        rd_lambda: float,
        *,
        device: str,
        threads: int,
        crops_per_step: int,
    ) -> None:
        self._rd_lambda, self._device, self._crops_per_step = rd_lambda, device, crops_per_step
        self._pool = ThreadPoolExecutor(threads) if device == "cpu" else None
        self._generator = torch.Generator(device).manual_seed(0)
        self._draw = np.random.default_rng(1)
        named = deepened(start, rd_lambda, torch.Generator().manual_seed(0))
        self._prior = replace(start, n_levels=MAX_LEVELS)
        self.names = tuple(named)
        self.matrices = [matrix.to(device).requires_grad_() for matrix in named.values()]
        shares = [0.1 if name in ("filters", "upsampling") else 1.0 for name in named]
        self._masters = [matrix.detach().cpu().clone() for matrix in self.matrices]
        self._soap = Soap(self._masters, rates=shares)
        levels = [N_LEVELS[n % len(N_LEVELS)] for n in range(len(crops))]
        self._groups = [
            self._group([crop for crop, its in zip(crops, levels, strict=True) if its == n_levels], n_levels)
            for n_levels in sorted(set(levels))
        ]

    def _group(self, mine: Sequence[Crop], n_levels: int) -> _Group:
        height, width, channels = mine[0].shape
        shape = LatentPyramid(
            channels=channels, width=width, height=height, n_levels=n_levels, prior=self._prior, gain=NO_GAIN
        )
        targets = torch.tensor(np.moveaxis(np.stack(mine), -1, 1), device=self._device)
        state = torch.zeros(3, len(mine), shape.n_latents, device=self._device)
        losses = PlainLosses(shape) if self._device == "cuda" else LossesInTurn(shape)
        return _Group(shape, losses, targets, state)

    def _matrices_of(self, shape: LatentPyramid) -> list[torch.Tensor]:
        """The matrices as crops of that shape have them, differentiable."""
        columns = torch.tensor(kept_columns(shape.n_levels, MAX_LEVELS), device=self._device)
        found = []
        for name, matrix in zip(self.names, self.matrices, strict=True):
            if name == "parents":
                matrix = matrix.index_select(1, columns)
            elif name in ("filters", "upsampling"):
                matrix = matrix[: shape.n_levels - 1]
            elif name == "synthesis0":
                matrix = torch.cat([matrix[:, : shape.n_levels], matrix[:, -1:]], dim=1)
            found.append(matrix)
        return found

    def run(self, n_passes: int, minutes: float | None = None) -> Iterator[float]:
        """Visit every crop so many times, or for so long, rates decaying along a cosine.

        Yields:
            The geometric mean of the crops' costs in each pass: 1000 · (MSE + λ · bpp).
        """
        began = time.monotonic()
        for index in range(n_passes):
            progress = index / n_passes
            if minutes is not None:
                progress = (time.monotonic() - began) / (60 * minutes)
            if progress >= 1:
                return
            batches = [(group, rows) for group in self._groups for rows in self._batches_of(group)]
            for visited in self._groups:
                visited.n_visits += 1
            total = torch.zeros((), device=self._device)
            for n in self._draw.permutation(len(batches)):
                group, rows = batches[n]
                total = total + self._step(group, rows, progress)
            yield 1000 * math.exp(float(total) / sum(len(group.targets) for group in self._groups))

    def _batches_of(self, group: _Group) -> list[NDArray[np.int64]]:
        n_crops = len(group.targets)
        n_batches = max(1, round(n_crops / self._crops_per_step))
        return np.array_split(self._draw.permutation(n_crops), n_batches)

    def _step(self, group: _Group, rows: NDArray[np.int64], progress: float) -> torch.Tensor:
        """Fit some crops of a group by a step; the sum of the logarithms of their costs."""
        chosen = torch.tensor(rows, device=self._device)
        latents, first, second = group.state[:, chosen]
        logarithms, by_latent, by_matrix = self._gradients(group, latents, chosen, progress)
        rate = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress))
        first.lerp_(by_latent, 1 - BETAS[0])
        second.lerp_(by_latent.square(), 1 - BETAS[1])
        scale = (second / (1 - BETAS[1] ** group.n_visits)).sqrt() + 1e-12
        latents -= rate * LATENT_RATE / (1 - BETAS[0] ** group.n_visits) * first / scale
        group.state[:, chosen] = torch.stack([latents, first, second])
        for master, gradient in zip(self._masters, by_matrix, strict=True):
            master.grad = gradient.cpu()
        warmth = min(1.0, max(0.0, (progress - WARM_UP) / WARM_UP))
        self._soap.step(warmth * rate * NETWORK_RATE)
        with torch.no_grad():
            for master, matrix in zip(self._masters, self.matrices, strict=True):
                matrix.copy_(master)
        return logarithms

    def _gradients(
        self, group: _Group, latents: torch.Tensor, chosen: torch.Tensor, progress: float
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Sum of the logarithms of the costs, and the gradients of their mean; a thread takes one crop."""
        noise = torch.empty_like(latents).uniform_(-0.5, 0.5, generator=self._generator)
        noise += torch.empty_like(latents).uniform_(-0.5, 0.5, generator=self._generator)

        def part(places: slice) -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, ...]]:
            values = latents[places].clone().requires_grad_()
            costs = self._costs(group, values, noise[places], chosen[places], progress)
            logarithms = costs.log().sum()  # so that smooth crops count as much as detailed ones
            by_latent, *by_matrix = torch.autograd.grad(logarithms / len(latents), [values, *self.matrices])
            return logarithms.detach(), by_latent, tuple(by_matrix)

        if self._pool is None:
            parts = [part(slice(0, len(latents)))]
        else:
            parts = list(self._pool.map(part, [slice(n, n + 1) for n in range(len(latents))]))
        found = list(zip(*parts, strict=True))
        by_matrices = [torch.stack(of_one).sum(0) for of_one in zip(*found[2], strict=True)]
        return torch.stack(found[0]).sum(), torch.cat(found[1]), by_matrices

    def _costs(
        self,
        group: _Group,
        values: torch.Tensor,
        noise: torch.Tensor,
        chosen: torch.Tensor,
        progress: float,
    ) -> torch.Tensor:
        temperature = WARMEST + (COLDEST - WARMEST) * progress
        width = WIDEST + (NARROWEST - WIDEST) * progress
        wide = noise * (width * math.sqrt(6))
        soft = soft_round(soft_round(values, temperature) + wide, temperature)
        matrices = self._matrices_of(group.shape)
        target = group.targets[chosen].float() / 255
        error = group.losses.image(soft, matrices) - target
        error = torch.where(target == 1, error.clamp_max(0), error)
        error = torch.where(target == 0, error.clamp_min(0), error)
        bits = group.losses.bits(soft, matrices)
        n_pixels = target.shape[-1] * target.shape[-2]
        return error.square().mean((1, 2, 3)) + self._rd_lambda / n_pixels * bits

    def save(self, path: Path) -> None:
        """Write everything that a fit at another λ can go on from."""
        groups = {group.shape.n_levels: (group.state.cpu(), group.n_visits) for group in self._groups}
        masters = [matrix.detach() for matrix in self._masters]
        torch.save({"rd_lambda": self._rd_lambda, "groups": groups, "masters": masters}, path)

    def go_on_from(self, path: Path) -> None:
        """Take over networks and latents of a fit at another λ to the same crops, in RGB if these are grey.

        Latents are in units of a step that goes with the root of λ, as in `presets.choose_pyramid`.
        """
        saved = torch.load(path)
        finer = math.sqrt(saved["rd_lambda"] / self._rd_lambda)
        masters = dict(zip(self.names, saved["masters"], strict=True))
        masters["synthesis0"][:, :-1] /= finer
        if len(masters["synthesis1"]) > len(dict(zip(self.names, self._masters, strict=True))["synthesis1"]):
            masters = of_luminance(masters, self._prior)
        with torch.no_grad():
            for name, master, matrix in zip(self.names, self._masters, self.matrices, strict=True):
                master.copy_(masters[name])
                matrix.copy_(master)
        for group in self._groups:
            state, group.n_visits = saved["groups"][group.shape.n_levels]
            scales = torch.tensor([finer, 1 / finer, 1 / finer**2])[:, None, None]
            group.state.copy_(state * scales)

    def entry(self, rd_lambda: float) -> dict[str, Any]:
        """The prior as priors.json has it."""
        shape = replace(self._groups[-1].shape, n_levels=MAX_LEVELS)
        named = {name: matrix.double() for name, matrix in zip(self.names, self._masters, strict=True)}
        return entry_of(named, shape, rd_lambda)

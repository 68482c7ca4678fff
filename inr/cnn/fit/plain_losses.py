"""Family `cnn` as differentiable functions, by the plain operations of torch, on any device.

They give the bits of the latents, and the image that the latents stand for. The folder compiled is their twin
for a CPU; tests hold the two together.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as functional

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.arithmetic import NEIGHBOURS, PAD

MIN_LOG_SPREAD, MAX_LOG_SPREAD = -4.0, 6.0  # log2 of a Laplace law's spread in symbols


class PlainLosses:
    """Bits and image by the operations of torch, on any device.

    Args:
        architecture: The network's architecture; matrices come in its wire order, in units of one.
    """

    def __init__(self, architecture: LatentPyramid) -> None:
        self._architecture = architecture
        self._sizes = [height * width for height, width in architecture.grid_shapes]

    def _grids(self, latents: torch.Tensor) -> list[torch.Tensor]:
        parts = torch.split(latents, self._sizes)
        return [part.view(shape) for part, shape in zip(parts, self._architecture.grid_shapes, strict=True)]

    def bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bits of all latents, float32 [latents] in wire order of grids: a scalar."""
        own, parents, hidden, last = matrices[: len(CONTEXT_MATRICES)]
        grids, n_hidden = self._grids(latents), len(hidden)
        inputs = torch.cat([_neighbours(grid) for grid in grids], dim=1)  # [16, latents]
        features = torch.cat([self._features(n, grids, parents) for n in range(len(grids))], dim=1)
        first = own @ inputs + features  # [hidden + 2, latents]
        second = torch.relu(hidden[:, :-1] @ torch.relu(first[:n_hidden]) + hidden[:, -1:])
        centre, log_spread = last[:, :-1] @ second + last[:, -1:] + first[n_hidden:]
        return laplace_bits(latents, centre, log_spread)

    def _features(self, place: int, grids: Sequence[torch.Tensor], parents: torch.Tensor) -> torch.Tensor:
        """What a grid's parents, and its constant, add to the first layer: [hidden + 2, latents of the grid]."""
        grid, (height, width) = self._architecture.grids[place], grids[place].shape
        block = parents[:, grid.columns]
        if not grid.parents:
            return block.expand(-1, height * width)
        rows, columns = torch.arange(-(-height // 2)), torch.arange(-(-width // 2))
        shifts = [self._architecture.grids[n].depth - grid.depth - 1 for n in grid.parents]
        seen = [
            grids[n][(rows >> shift)[:, None], columns >> shift]
            for n, shift in zip(grid.parents, shifts, strict=True)
        ]
        half = block[:, :-1] @ torch.stack(seen).flatten(1) + block[:, -1:]
        half = half.view(len(block), len(rows), len(columns))
        whole = half.repeat_interleave(2, 1).repeat_interleave(2, 2)
        return whole[:, :height, :width].flatten(1)

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Samples in [0, 1], not clipped: float32 [channels, height, width]."""
        named = dict(zip(self._architecture.matrices, matrices, strict=True))
        levels = self._grids(latents)[: self._architecture.n_levels]
        stack = levels[-1][None]  # [1, height, width] of the coarsest level
        for n in reversed(range(len(levels) - 1)):
            height, width = levels[n].shape
            doubled = _double(stack, named["upsampling"][n])[:, :height, :width]
            stack = torch.cat([_filter(levels[n][None], named["filters"][n]), doubled])  # [levels - n, h, w]
        first, second = named["synthesis0"], named["synthesis1"]
        n_hidden = second.shape[1] - 1
        sums = first[:, :-1] @ stack.flatten(1) + first[:, -1:]  # [hidden + channels, pixels]
        samples = second[:, :-1] @ torch.relu(sums[:n_hidden]) + second[:, -1:] + sums[n_hidden:]
        samples = samples.view(-1, *stack.shape[1:])  # [channels, height, width]
        residuals = self._architecture.residual_matrices
        for n, name in enumerate(residuals, 1):
            samples = samples + _convolution(samples, named[name])
            samples = torch.relu(samples) if n < len(residuals) else samples
        return samples


def laplace_bits(latents: torch.Tensor, centre: torch.Tensor, log_spread: torch.Tensor) -> torch.Tensor:
    """Bits of values under Laplace laws, each taken over the unit interval around the value: a scalar."""
    rate = torch.exp2(-log_spread.clamp(MIN_LOG_SPREAD, MAX_LOG_SPREAD))
    distance = (latents - centre).abs()
    near = distance < 0.5
    outer, inner = torch.exp(-(0.5 + distance) * rate), torch.exp(-(0.5 - distance).clamp_min(0) * rate)
    around = torch.where(near, 1 - 0.5 * (outer + inner), 1.0).clamp_min(1e-9)
    beyond = (distance - 0.5) * rate - torch.log(0.5 * (1 - torch.exp(-rate)))
    return torch.where(near, -torch.log(around), beyond).sum() / math.log(2)


def _neighbours(level: torch.Tensor) -> torch.Tensor:
    height, width = level.shape
    padded = functional.pad(level, (PAD, PAD, PAD, 0))
    views = [padded[PAD + y :, PAD + x :][:height, :width].flatten() for y, x in NEIGHBOURS]
    return torch.stack(views)


def _filter(planes: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    for axis in (1, 2):
        size = planes.shape[axis]
        padded = functional.pad(planes.movedim(axis, -1), (3, 3), mode="replicate")
        views = [padded[..., n : n + size] for n in range(7)]
        filtered = taps[0] * views[3]
        for k in (1, 2, 3):
            filtered = filtered + taps[k] * (views[3 - k] + views[3 + k])
        planes = filtered.movedim(-1, axis)
    return planes


def _double(planes: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    for axis in (1, 2):
        size = planes.shape[axis]
        padded = functional.pad(planes.movedim(axis, -1), (2, 2), mode="replicate")
        views = [padded[..., n : n + size] for n in range(5)]
        before = sum(taps[n] * views[n] for n in range(4))
        after = sum(taps[3 - n] * views[n + 1] for n in range(4))
        assert isinstance(before, torch.Tensor)
        assert isinstance(after, torch.Tensor)
        planes = torch.stack([before, after], dim=-1).flatten(-2).movedim(-1, axis)
    return planes


def _convolution(samples: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    channels = len(samples)
    padded = functional.pad(samples[None], (1, 1, 1, 1), mode="replicate")
    kernel = matrix[:, :-1].reshape(channels, channels, 3, 3)
    return functional.conv2d(padded, kernel, matrix[:, -1])[0]

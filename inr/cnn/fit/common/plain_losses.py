"""Family `cnn` as differentiable functions, by the plain operations of torch, on any device.

They give the bits of the latents, and the image that the latents stand for. The room compiled is their twin
for a CPU, and the room fused for a graphics card; tests hold the two together.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as functional

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.arithmetic import NEIGHBOURS, PAD
from inr.cnn.fit.common.losses import Target

MIN_LOG_SPREAD, MAX_LOG_SPREAD = -4.0, 6.0  # log2 of a Laplace law's spread in symbols


class PlainLosses:
    """Bits and image by the operations of torch, on any device, of one image or of many of one size.

    Args:
        architecture: The network's architecture; matrices come in its wire order, in units of one.
    """

    def __init__(self, architecture: LatentPyramid) -> None:
        self._architecture = architecture
        self._sizes = [height * width for height, width in architecture.grid_shapes]

    def _grids(self, latents: torch.Tensor) -> list[torch.Tensor]:
        parts = torch.split(latents, self._sizes, dim=-1)
        shapes = self._architecture.grid_shapes
        return [torch.unflatten(part, -1, shape) for part, shape in zip(parts, shapes, strict=True)]

    def bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bits of all latents, float32 [..., latents] in wire order of grids: [...]."""
        return self.latent_bits(latents, matrices).sum(-1)

    def latent_bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bits of each latent: float32 [..., latents]."""
        own, parents, hidden, last = matrices[: len(CONTEXT_MATRICES)]
        grids, n_hidden = self._grids(latents), hidden.shape[-2]
        inputs = torch.cat([_neighbours(grid) for grid in grids], dim=-1)  # [..., 16, latents]
        features = torch.cat([self._features(n, grids, parents) for n in range(len(grids))], dim=-1)
        first = own @ inputs + features  # [..., hidden + 2, latents]
        second = torch.relu(hidden[..., :-1] @ torch.relu(first[..., :n_hidden, :]) + hidden[..., -1:])
        outputs = last[..., :-1] @ second + last[..., -1:] + first[..., n_hidden:, :]
        return laplace_bits(latents, outputs[..., 0, :], outputs[..., 1, :])

    def _features(self, place: int, grids: Sequence[torch.Tensor], parents: torch.Tensor) -> torch.Tensor:
        """What a grid's parents, and its constant, add to the first layer: [..., hidden + 2, its latents]."""
        grid, (height, width) = self._architecture.grids[place], grids[place].shape[-2:]
        block = parents[..., grid.columns]
        if not grid.parents:
            batch = grids[place].shape[:-2]
            return block.expand(*batch, *block.shape[-2:-1], height * width)
        shifts = [self._architecture.grids[n].depth - grid.depth - 1 for n in grid.parents]
        size = (-(-height // 2), -(-width // 2))
        seen = [_repeated(grids[n], 1 << shift, size) for n, shift in zip(grid.parents, shifts, strict=True)]
        half = block[..., :-1] @ torch.stack(seen, dim=-3).flatten(-2) + block[..., -1:]
        return _repeated(torch.unflatten(half, -1, size), 2, (height, width)).flatten(-2)

    def soften(self, latents: torch.Tensor, noise: torch.Tensor, temperature: float) -> torch.Tensor:
        """Latents as the decoder might see them (arXiv 2312.02753, section 3.1): softly rounded twice.

        Args:
            latents: float32 [...].
            noise: Added between both, of the same shape.
            temperature: Of soft rounding.
        """
        return soft_round(soft_round(latents, temperature) + noise, temperature)

    def distortion(
        self, latents: torch.Tensor, matrices: Sequence[torch.Tensor], target: Target
    ) -> torch.Tensor:
        """The mean squared error of one image: a scalar."""
        return target.squared_errors(self.image(latents, matrices)).mean()

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Samples in [0, 1], not clipped: float32 [..., channels, height, width]."""
        named = dict(zip(self._architecture.matrices, matrices, strict=True))
        levels = self._grids(latents)[: self._architecture.n_levels]
        stack = levels[-1].unsqueeze(-3)  # [..., 1, height, width] of the coarsest level
        for n in reversed(range(len(levels) - 1)):
            height, width = levels[n].shape[-2:]
            doubled = _double(stack, named["upsampling"][..., n, :])[..., :height, :width]
            own = _filter(levels[n].unsqueeze(-3), named["filters"][..., n, :])
            stack = torch.cat([own, doubled], dim=-3)  # [..., levels - n, height, width]
        first, second = named["synthesis0"], named["synthesis1"]
        n_hidden = second.shape[-1] - 1
        sums = first[..., :-1] @ stack.flatten(-2) + first[..., -1:]  # [..., hidden + channels, pixels]
        hidden = torch.relu(sums[..., :n_hidden, :])
        samples = second[..., :-1] @ hidden + second[..., -1:] + sums[..., n_hidden:, :]
        samples = torch.unflatten(samples, -1, stack.shape[-2:])  # [..., channels, height, width]
        residuals = self._architecture.residual_matrices
        for n, name in enumerate(residuals, 1):
            samples = samples + _convolution(samples, named[name])
            samples = torch.relu(samples) if n < len(residuals) else samples
        return samples


def soft_round(values: torch.Tensor, temperature: float) -> torch.Tensor:
    """Rounding that is smooth (arXiv 2006.09952, eq. 7): the identity when warm, round() when cold."""
    middle = values.floor() + 0.5
    return middle + torch.tanh((values - middle) / temperature) * (0.5 / math.tanh(0.5 / temperature))


def laplace_bits(latents: torch.Tensor, centre: torch.Tensor, log_spread: torch.Tensor) -> torch.Tensor:
    """Bits of values under Laplace laws, taken over the unit intervals around them: [...]."""
    rate = torch.exp2(-log_spread.clamp(MIN_LOG_SPREAD, MAX_LOG_SPREAD))
    distance = (latents - centre).abs()
    near = distance < 0.5
    outer, inner = torch.exp(-(0.5 + distance) * rate), torch.exp(-(0.5 - distance).clamp_min(0) * rate)
    around = torch.where(near, 1 - 0.5 * (outer + inner), 1.0).clamp_min(1e-9)
    beyond = (distance - 0.5) * rate - torch.log(0.5 * (1 - torch.exp(-rate)))
    return torch.where(near, -torch.log(around), beyond) / math.log(2)


def _repeated(planes: torch.Tensor, factor: int, size: tuple[int, int]) -> torch.Tensor:
    """Planes with every value repeated both ways, cut to a size."""
    if factor > 1:
        planes = planes.repeat_interleave(factor, -2).repeat_interleave(factor, -1)
    return planes[..., : size[0], : size[1]]


def _neighbours(grid: torch.Tensor) -> torch.Tensor:
    height, width = grid.shape[-2:]
    padded = functional.pad(grid, (PAD, PAD, PAD, 0))
    views = [padded[..., PAD + y :, PAD + x :][..., :height, :width].flatten(-2) for y, x in NEIGHBOURS]
    return torch.stack(views, dim=-2)


def _extended(planes: torch.Tensor, n: int) -> torch.Tensor:
    """Planes whose first and last columns are repeated n times."""
    first, last = planes[..., :1], planes[..., -1:]
    sizes = (*planes.shape[:-1], n)
    return torch.cat([first.expand(sizes), planes, last.expand(sizes)], dim=-1)


def _of_planes(taps: torch.Tensor) -> torch.Tensor:
    return taps[..., None, None, None]  # [..., plane, row, column] beside a tap


def _filter(planes: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    factors = [_of_planes(taps[..., n]) for n in range(4)]
    for _ in range(2):  # along the rows of the transposed planes first, then along their own
        planes = planes.transpose(-1, -2)
        size, extended = planes.shape[-1], _extended(planes, 3)
        views = [extended[..., n : n + size] for n in range(7)]
        planes = factors[0] * views[3]
        for k in (1, 2, 3):
            planes = planes + factors[k] * (views[3 - k] + views[3 + k])
    return planes


def _double(planes: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    factors = [_of_planes(taps[..., n]) for n in range(4)]
    for _ in range(2):
        planes = planes.transpose(-1, -2)
        size, extended = planes.shape[-1], _extended(planes, 2)
        views = [extended[..., n : n + size] for n in range(5)]
        before, after = factors[0] * views[0], factors[3] * views[1]
        for k in (1, 2, 3):
            before = before + factors[k] * views[k]
            after = after + factors[3 - k] * views[k + 1]
        planes = torch.stack([before, after], dim=-1).flatten(-2)
    return planes


def _convolution(samples: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """The 3x3 convolution of samples by a matrix [..., channels, 9 · channels + 1]; edges are repeated."""
    height, width = samples.shape[-2:]
    tall = _extended(_extended(samples, 1).transpose(-1, -2), 1).transpose(-1, -2)
    views = [tall[..., y : y + height, x : x + width] for y in range(3) for x in range(3)]
    stacked = torch.stack(views, dim=-3).flatten(-4, -3).flatten(-2)  # [..., 9 · channels, pixels]
    return torch.unflatten(matrix[..., :-1] @ stacked + matrix[..., -1:], -1, (height, width))

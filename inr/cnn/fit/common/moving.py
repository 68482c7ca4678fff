"""After the networks have settled: single latents move by one where that lowers the cost.

A latent changes pixels and other latents' laws only nearby: within eight of its own grid's places. So a grid
is cut into blocks of 32 by 32 places, and one latent in the middle of each block moves at a time. All blocks
are measured at once, and each keeps its move or takes it back by what the cost became inside of it alone.
The gradient at the rounded state says which latent of a block to try, and which way. Other blocks, at a
drawn place, are cut for the next trial.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.arithmetic import MAX_LATENT

BLOCK, MARGIN = 32, 8  # in places of a grid
_DEPTHS = (0, 0, 0, 1, 0, 0, 0, 2)  # of the levels whose latents move, trial by trial
_TRIALS_A_ROUND = 16  # by one gradient
_LEAST_GAIN = 1e-4  # of the cost: the first round that gains less is the last
_LEAST_HOPE = 0.2  # bits that the gradient must promise
_PARTS = 1 << 20  # of a bit, in which sums are taken


@dataclass(frozen=True)
class Measured:
    """What latents lead to.

    Attributes:
        bits: Of each latent, float32 [latents].
        errors: What each pixel adds to the mean squared error, float32 [height · width].
    """

    bits: torch.Tensor
    errors: torch.Tensor

    def cost(self, per_bit: float) -> float:
        """Distortion and rate."""
        return float(self.errors.sum() + per_bit * self.bits.sum())

    def where(self, kept: "_Blocks", is_kept: torch.Tensor, other: "Measured") -> "Measured":
        """This in the blocks that are kept, and the other in the rest."""
        return Measured(
            torch.where(is_kept[kept.of_latents], self.bits, other.bits),
            torch.where(is_kept[kept.of_pixels], self.errors, other.errors),
        )


Measure = Callable[[torch.Tensor], Measured]
Gradient = Callable[[torch.Tensor], torch.Tensor]


@torch.no_grad()
def move_latents(
    latents: torch.Tensor,
    shape: LatentPyramid,
    measure: Measure,
    gradient: Gradient,
    *,
    per_bit: float,
    n_trials: int,
    seed: int,
) -> Iterator[Measured]:
    """Move latents where that pays; yield what they lead to, before each round.

    Args:
        latents: Rounded latents, float32 [latents], which change in place.
        shape: The network's architecture.
        measure: Measures latents.
        gradient: The cost's gradient at latents, float32 [latents].
        per_bit: Cost of a bit.
        n_trials: Most times that one latent of every block is tried.
        seed: Seed of the blocks' places.
    """
    generator = torch.Generator().manual_seed(seed)
    tried = torch.zeros_like(latents, dtype=torch.bool)
    found = measure(latents)
    for first in range(0, n_trials, _TRIALS_A_ROUND):
        yield found
        before, slopes = found.cost(per_bit), gradient(latents)
        for n in range(first, min(first + _TRIALS_A_ROUND, n_trials)):
            place = min(_DEPTHS[n % len(_DEPTHS)], shape.n_levels - 1)
            offset = torch.randint(BLOCK, (2,), generator=generator).tolist()
            blocks = _Blocks(shape, place, offset, latents.device)
            hopes = torch.where(tried, 0.0, slopes.abs())
            chosen = blocks.best(torch.where(hopes > _LEAST_HOPE * per_bit, hopes, 0.0))
            tried |= chosen
            moved = (latents - slopes.sign() * chosen).clamp_(-MAX_LATENT, MAX_LATENT)
            trial = measure(moved)
            more = blocks.sums(trial.bits - found.bits, trial.errors - found.errors, per_bit)
            is_kept = more < 0
            torch.where(is_kept[blocks.of_latents], moved, latents, out=latents)
            found = trial.where(blocks, is_kept, found)
        if not before - found.cost(per_bit) >= _LEAST_GAIN * before:
            break


class _Blocks:
    """Blocks of a level, and all that lies in them.

    Attributes:
        of_latents: Block of each latent of all grids, int64 [latents].
        of_pixels: Block of each pixel, int64 [height · width].
    """

    def __init__(self, shape: LatentPyramid, place: int, offset: list[int], device: torch.device) -> None:
        self._depth = shape.grids[place].depth
        self._offset, self._device = offset, device
        height, width = shape.grid_shapes[place]
        self._n_across = (width - 1 + offset[1]) // BLOCK + 1
        self.n_blocks = ((height - 1 + offset[0]) // BLOCK + 1) * self._n_across
        sizes = zip(shape.grids, shape.grid_shapes, strict=True)
        self.of_latents = torch.cat([self._of_grid(grid.depth, size) for grid, size in sizes])
        self.of_pixels = self._of_grid(0, (shape.height, shape.width))
        start = sum(rows * columns for rows, columns in shape.grid_shapes[:place])
        self._own = slice(start, start + height * width)
        middle = [
            self._is_in_the_middle(size, first) for size, first in zip((height, width), offset, strict=True)
        ]
        self._middle = (middle[0][:, None] & middle[1]).flatten()

    def _of_grid(self, depth: int, size: tuple[int, int]) -> torch.Tensor:
        rows, columns = (
            (((torch.arange(n, device=self._device) << depth) >> self._depth) + first) // BLOCK
            for n, first in zip(size, self._offset, strict=True)
        )
        return (rows[:, None] * self._n_across + columns).flatten()

    def _is_in_the_middle(self, size: int, first: int) -> torch.Tensor:
        places = (torch.arange(size, device=self._device) + first) % BLOCK
        return (places >= MARGIN) & (places < BLOCK - MARGIN)

    def best(self, hopes: torch.Tensor) -> torch.Tensor:
        """The most hopeful latent in the middle of each block, bool [latents]; of equals, all."""
        own, blocks = torch.where(self._middle, hopes[self._own], 0.0), self.of_latents[self._own]
        most = torch.zeros(self.n_blocks, device=hopes.device).scatter_reduce_(0, blocks, own, "amax")
        chosen = torch.zeros_like(hopes, dtype=torch.bool)
        chosen[self._own] = (own > 0) & (own == most[blocks])
        return chosen

    def sums(self, bits: torch.Tensor, errors: torch.Tensor, per_bit: float) -> torch.Tensor:
        """Sums of costs over each block, in parts of a bit, so that no order matters: int64 [blocks]."""
        found = torch.zeros(self.n_blocks, dtype=torch.int64, device=bits.device)
        found.scatter_add_(0, self.of_latents, _in_parts(bits))
        return found.scatter_add_(0, self.of_pixels, _in_parts(errors / per_bit))


def _in_parts(bits: torch.Tensor) -> torch.Tensor:
    return (bits.nan_to_num() * _PARTS).round().to(torch.int64)

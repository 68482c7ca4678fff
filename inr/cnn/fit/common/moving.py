"""After the networks have settled: single latents move by one where that lowers the cost.

A latent changes pixels and other latents' laws only nearby: within eight of its own grid's places. So a grid
is cut into blocks of 32 by 32 places, and one latent in the middle of each block moves at a time. All blocks
are measured at once, and each keeps its move or takes it back by what the cost became inside of it alone.
The gradient at the rounded state says which latent of a block to try, and which way. Other blocks, at a
drawn place, are cut for the next trial. Many images move side by side, and none depends on another.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.arithmetic import MAX_LATENT

BLOCK, MARGIN = 32, 8  # in places of a grid
_DEPTHS = (0, 0, 0, 1, 0, 0, 0, 2)  # of the levels whose latents move, trial by trial
_TRIALS_A_ROUND = 16  # by one gradient
_LEAST_GAIN = 1e-4  # of an image's cost: the first round that gains it less is its last
_LEAST_HOPE = 0.2  # bits that the gradient must promise
_PARTS = 1 << 20  # of a bit, in which sums are taken


@dataclass(frozen=True)
class Measured:
    """What latents lead to.

    Attributes:
        bits: Of each latent, float32 [B, latents].
        errors: What each pixel adds to its image's mean squared error, float32 [B, height · width].
    """

    bits: torch.Tensor
    errors: torch.Tensor

    def costs(self, per_bit: torch.Tensor) -> torch.Tensor:
        """Distortion and rate of each image, a bit of which costs so much: float32 [B]."""
        return self.errors.sum(1) + per_bit * self.bits.sum(1)


Measure = Callable[[torch.Tensor], Measured]
Gradient = Callable[[torch.Tensor], torch.Tensor]
Play = Callable[[str, Callable[[], None]], None]


def at_once(_kind: str, work: Callable[[], None]) -> None:
    """Do work as it is."""
    work()


class Moves:
    """Moves of latents on their way, in tensors that stay the same.

    Args:
        latents: Rounded latents of images of one size, float32 [B, latents], which change in place.
        shape: The networks' architecture.
        measure: Measures latents.
        gradient: The costs' gradient at latents, float32 [B, latents].
        per_bit: Cost of a bit of each image, float32 [B]; it may change in place between two rounds.
        play: Does the work of a trial, given its kind. Work of a kind is alike each time: it reads and writes
            the same tensors, and nothing of it is looked at by the host.

    Attributes:
        found: What the latents lead to.
        goes_on: Whether an image's latents still move, bool [B].
    """

    @torch.no_grad()
    def __init__(
        self,
        latents: torch.Tensor,
        shape: LatentPyramid,
        measure: Measure,
        gradient: Gradient,
        *,
        per_bit: torch.Tensor,
        play: Play = at_once,
    ) -> None:
        self._latents, self._shape, self._per_bit = latents, shape, per_bit
        self._measure, self._gradient, self._play = measure, gradient, play
        self.found = measure(latents)
        self.goes_on = torch.ones(len(latents), dtype=torch.bool, device=latents.device)
        self._slopes = torch.zeros_like(latents)  # by which moves are chosen
        self._offset = torch.zeros(2, dtype=torch.int64, device=latents.device)  # place of the blocks
        self._tried = torch.zeros_like(latents, dtype=torch.bool)
        self._generator = torch.Generator().manual_seed(0)

    @torch.no_grad()
    def rounds(self, n_trials: int) -> Iterator[Measured]:
        """Move latents where that pays; yield what they lead to, before each round.

        Args:
            n_trials: Most times that one latent of every block is tried.
        """
        for first in range(0, n_trials, _TRIALS_A_ROUND):
            yield self.found
            before = self.found.costs(self._per_bit)
            self._slopes.copy_(self._gradient(self._latents))
            for n in range(first, min(first + _TRIALS_A_ROUND, n_trials)):
                place = min(_DEPTHS[n % len(_DEPTHS)], self._shape.n_levels - 1)
                self._offset.copy_(torch.randint(BLOCK, (2,), generator=self._generator))
                self._play(f"move of level {place}", partial(self._take, place))
            self.goes_on &= before - self.found.costs(self._per_bit) >= _LEAST_GAIN * before
            if not self.goes_on.any():
                break

    def begin_again(self, goes_on: torch.Tensor) -> None:
        """Let every latent be tried anew, of the images that go on, bool [B]."""
        self._tried.zero_()
        self.goes_on.copy_(goes_on)

    def _take(self, place: int) -> None:
        """Try to move one latent in each block of a level; keep the moves that pay."""
        blocks = Blocks(self._shape, place, self._offset)
        hopes = torch.where(self._tried, 0.0, self._slopes.abs())
        hopes = torch.where(hopes > _LEAST_HOPE * self._per_bit[:, None], hopes, 0.0)
        chosen = blocks.best(torch.where(self.goes_on[:, None], hopes, 0.0))
        self._tried |= chosen
        moved = (self._latents - self._slopes.sign() * chosen).clamp_(-MAX_LATENT, MAX_LATENT)
        trial, found = self._measure(moved), self.found
        is_kept = blocks.sums(trial.bits - found.bits, trial.errors - found.errors, self._per_bit) < 0
        of_latents, of_pixels = is_kept[:, blocks.of_latents], is_kept[:, blocks.of_pixels]
        self._latents.copy_(torch.where(of_latents, moved, self._latents))
        found.bits.copy_(torch.where(of_latents, trial.bits, found.bits))
        found.errors.copy_(torch.where(of_pixels, trial.errors, found.errors))


class Blocks:
    """Blocks of a level, and all that lies in them.

    Args:
        shape: The networks' architecture.
        place: The level.
        offset: Rows and columns by which the blocks are shifted, int64 [2] from 0 to BLOCK - 1.

    Attributes:
        of_latents: Block of each latent of all grids, int64 [latents].
        of_pixels: Block of each pixel, int64 [height · width].
    """

    def __init__(self, shape: LatentPyramid, place: int, offset: torch.Tensor) -> None:
        self._depth, self._offset = shape.grids[place].depth, offset
        height, width = shape.grid_shapes[place]
        n_down, self._n_across = ((n - 1 + BLOCK - 1) // BLOCK + 1 for n in (height, width))  # at most
        self.n_blocks = n_down * self._n_across
        sizes = zip(shape.grids, shape.grid_shapes, strict=True)
        self.of_latents = torch.cat([self._of_grid(grid.depth, size) for grid, size in sizes])
        self.of_pixels = self._of_grid(0, (shape.height, shape.width))
        start = sum(rows * columns for rows, columns in shape.grid_shapes[:place])
        self._own = slice(start, start + height * width)
        rows, columns = (self._is_in_the_middle(n, axis) for axis, n in enumerate((height, width)))
        self._middle = (rows[:, None] & columns).flatten()

    def _shifted(self, n: int, depth: int, axis: int) -> torch.Tensor:
        """Places along an axis of a grid, in places of the level, shifted as the blocks are."""
        places = torch.arange(n, device=self._offset.device) << depth >> self._depth
        return places + self._offset[axis]

    def _of_grid(self, depth: int, size: tuple[int, int]) -> torch.Tensor:
        rows, columns = (self._shifted(n, depth, axis) // BLOCK for axis, n in enumerate(size))
        return (rows[:, None] * self._n_across + columns).flatten()

    def _is_in_the_middle(self, n: int, axis: int) -> torch.Tensor:
        places = self._shifted(n, self._depth, axis) % BLOCK
        return (places >= MARGIN) & (places < BLOCK - MARGIN)

    def best(self, hopes: torch.Tensor) -> torch.Tensor:
        """The most hopeful latent in the middle of each block, bool [B, latents]; of equals, all."""
        own, blocks = torch.where(self._middle, hopes[:, self._own], 0.0), self.of_latents[self._own]
        most = torch.zeros(len(hopes), self.n_blocks, device=hopes.device)
        most.scatter_reduce_(1, blocks.expand_as(own), own, "amax")
        chosen = torch.zeros_like(hopes, dtype=torch.bool)
        chosen[:, self._own] = (own > 0) & (own == most[:, blocks])
        return chosen

    def sums(self, bits: torch.Tensor, errors: torch.Tensor, per_bit: torch.Tensor) -> torch.Tensor:
        """Sums of costs over each block, in parts of a bit, so that no order matters: int64 [B, blocks]."""
        found = torch.zeros(len(bits), self.n_blocks, dtype=torch.int64, device=bits.device)
        found.scatter_add_(1, self.of_latents.expand(bits.shape), _in_parts(bits))
        return found.scatter_add_(
            1, self.of_pixels.expand(errors.shape), _in_parts(errors / per_bit[:, None])
        )


def _in_parts(bits: torch.Tensor) -> torch.Tensor:
    return (bits.nan_to_num() * _PARTS).round().to(torch.int64)

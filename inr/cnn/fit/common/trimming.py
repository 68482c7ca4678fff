"""The last moves of latents in a steered fit: they take it the rest of the way to its aim.

When the steps are over, a fit misses its aim by a little. Latents move then by another λ, chosen so that the
moves that pay lead to the aim. So little is made up for that it costs next to nothing.
"""

import math
from collections.abc import Callable, Iterator

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.moving import Measure, Measured, move_latents
from inr.fit.steering import Steering

_PASSES = 4  # after the first, at most
_NEAR = 0.01  # in log λ of a whole fit: what is missed by less is met
_STRENGTH, _MOST = 10.0, 1.0  # how much further log λ of moves goes than that of a fit would, and at most

Gradient = Callable[[torch.Tensor, float], torch.Tensor]


def move_towards(
    latents: torch.Tensor,
    shape: LatentPyramid,
    measure: Measure,
    gradient: Gradient,
    *,
    steering: Steering,
    own_bits: float,
    n_trials: int,
    seed: int,
) -> Iterator[Measured]:
    """Move latents where that pays, and then until the aim is met; yield what they lead to now and then.

    Args:
        latents: See `moving.move_latents`.
        shape: See there.
        measure: See there.
        gradient: The cost's gradient at latents, float32 [latents], where a bit costs so much.
        steering: λ at the end of the steps, and the aim.
        own_bits: Bits of the networks' symbols.
        n_trials: See `moving.move_latents`.
        seed: See there.
    """
    per_bit = steering.rd_lambda / (shape.width * shape.height)

    def moves(at: float, turn: int) -> Iterator[Measured]:
        return move_latents(
            latents, shape, measure, lambda values: gradient(values, at),
            per_bit=at, n_trials=n_trials if turn == 0 else n_trials // _PASSES, seed=seed + turn,
        )  # fmt: skip

    yield from moves(per_bit, 0)
    aim = steering.aim
    if aim is None:
        return

    def wanted(found: Measured) -> float:
        return aim.log_change(float(found.errors.sum()), float(found.bits.sum()) + own_bits)

    change = 0.0
    for turn in range(1, _PASSES + 1):
        found = measure(latents)
        yield found
        missing = wanted(found)
        if not abs(missing) > _NEAR:  # or not a number
            return
        change = min(max(change + _STRENGTH * missing, -_MOST), _MOST)
        for found in moves(per_bit * math.exp(change), turn):
            yield found
            if wanted(found) * missing <= 0:
                break

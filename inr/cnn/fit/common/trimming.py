"""The last moves of latents in a steered fit: they take it the rest of the way to its aim.

When the steps are over, a fit misses its aim by a little. Latents move then by another λ, chosen so that the
moves that pay lead to the aim. So little is made up for that it costs next to nothing.
"""

from collections.abc import Iterator, Sequence

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.moving import Gradient, Measure, Measured, Moves, Play, at_once
from inr.fit.steering import Steering

_PASSES = 6  # after the first, at most
_SHARE, _LEAST_TRIALS = 0.25, 16  # trials of a pass: a share of those before, and at least so many
_NEAR = 0.01  # in log λ of a whole fit: what is missed by less is met
_STRENGTH, _MOST = 10.0, 1.0  # how much further log λ of moves goes than that of a fit would, and at most


def move_towards(
    latents: torch.Tensor,
    shape: LatentPyramid,
    measure: Measure,
    gradient: Gradient,
    *,
    per_bit: torch.Tensor,
    steerings: Sequence[Steering],
    own_bits: Sequence[float],
    n_trials: int,
    play: Play = at_once,
) -> Iterator[Measured]:
    """Move latents where that pays, and then until aims are met; yield what they lead to, before each round.

    Args:
        latents: See `Moves`, as those that are not explained here.
        shape: See there.
        measure: See there.
        gradient: See there.
        per_bit: Cost of a bit of each image at the end of the steps, float32 [B], which changes in place.
        steerings: The aim of each image.
        own_bits: Bits of the symbols of each image's networks.
        n_trials: Most times that one latent of every block is tried for the cost alone.
        play: See there.
    """
    moves = Moves(latents, shape, measure, gradient, per_bit=per_bit, play=play)
    yield from moves.rounds(n_trials)
    if all(steering.aim is None for steering in steerings):
        return
    begun, change = per_bit.clone(), torch.zeros(len(steerings))
    for _ in range(_PASSES):
        missing = _missing(moves.found, steerings, own_bits)
        if not missing.any():
            return
        change = (change + _STRENGTH * missing).clamp(-_MOST, _MOST)
        per_bit.copy_(begun * change.exp().to(begun.device))
        moves.begin_again(missing != 0)
        for found in moves.rounds(max(round(_SHARE * n_trials), _LEAST_TRIALS)):
            yield found
            moves.goes_on &= (_missing(found, steerings, own_bits) * missing > 0).to(begun.device)


def _missing(found: Measured, steerings: Sequence[Steering], own_bits: Sequence[float]) -> torch.Tensor:
    """What log λ of fits would have to change by, float32 [B]; 0 where that is near, or not a number."""
    states = zip(found.errors.sum(1).tolist(), found.bits.sum(1).tolist(), own_bits, steerings, strict=True)
    changes = torch.tensor(
        [its.aim.log_change(mse, bits + own) if its.aim else 0.0 for mse, bits, own, its in states]
    )
    return torch.where(changes.abs() > _NEAR, changes, 0.0)

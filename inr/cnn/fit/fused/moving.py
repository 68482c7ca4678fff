"""The end of fits on a card: single latents of all images move side by side where that pays."""

from collections.abc import Callable, Sequence

import torch

from inr.cnn.fit.common.trimming import move_towards
from inr.cnn.fit.common.weights import NetworkWeights
from inr.cnn.fit.fused.trainer import FusedFits


def move_together(
    fits: FusedFits,
    exponents: Sequence[Sequence[int]],
    weights: Sequence[NetworkWeights],
    on_report: Callable[[int], bool],
) -> bool:
    """Move latents of every image; see `common.trimming.move_towards`.

    Args:
        fits: The fits, whose latents change.
        exponents: For each image, the exponent of each matrix, in wire order.
        weights: The rounded weights of each image, on the host.
        on_report: Takes the number of steps done in every round; its answer decides whether the fits go on.

    Returns:
        Whether the fits go on.
    """
    flat = torch.stack([torch.cat([matrix.detach().flatten() for matrix in its.matrices]) for its in weights])
    on_card = flat.to(fits.weights.device)
    own_bits = [float(its.rounded(mine)[1].detach()) for its, mine in zip(weights, exponents, strict=True)]
    of_weights = torch.tensor(own_bits, device=on_card.device)
    rounds = move_towards(
        fits.latents, fits.architecture, lambda latents: fits.measured(latents, on_card),
        lambda _: fits.gradients(on_card), per_bit=fits.lambdas.per_bit, steerings=fits.lambdas.steerings,
        own_bits=own_bits, n_trials=fits.settings.n_latent_trials, play=fits.recorder.play,
    )  # fmt: skip
    for found in rounds:
        torch.add(found.bits.sum(1), of_weights, out=fits.bits)
        torch.sum(found.errors, 1, out=fits.mse)
        if not on_report(fits.settings.n_steps):
            return False
    return True

"""The last stretch of fits on a card: single symbols of all images move in step."""

from collections.abc import Callable, Sequence

import torch

from inr.cnn.fit.common.settling import Answer, advance, settle
from inr.cnn.fit.common.weights import NetworkWeights
from inr.cnn.fit.fused.trainer import FusedFits


def settle_together(
    fits: FusedFits,
    exponents: Sequence[Sequence[int]],
    weights: Sequence[NetworkWeights],
    on_report: Callable[[int], bool],
) -> bool:
    """Settle the symbols of every image; see `common.settling.settle`.

    Args:
        fits: The fits, after their last step.
        exponents: For each image, the exponent of each matrix, in wire order.
        weights: The weights of each image on the host; in the end they are what its symbols stand for.
        on_report: Takes the number of steps done in every round; its answer decides whether the fits go on.

    Returns:
        Whether the fits go on.
    """
    n_trials = fits.settings.n_trials
    given = zip(weights, exponents, fits.lambdas.per_bits, strict=True)
    settlings = [settle(its, mine, per_bit, n_trials) for its, mine, per_bit in given]
    running = {n: asked for n, settling in enumerate(settlings) if (asked := next(settling, None))}
    matrices = [its.matrices for its in weights]
    while running:
        for n, asked in running.items():
            matrices[n] = list(asked.matrices)
        wants_gradients = any(asked.changed is None for asked in running.values())
        answers = _measured(fits, matrices, wants_gradients=wants_gradients)
        if wants_gradients:
            own_bits = [running[n].own_bits if n in running else 0.0 for n in range(fits.n_images)]
            fits.bits += torch.tensor(own_bits, device=fits.bits.device)
            if not on_report(fits.settings.n_steps):
                return False
        running = {n: more for n in running if (more := advance(settlings[n], answers[n]))}
    return True


def _measured(
    fits: FusedFits, matrices: Sequence[Sequence[torch.Tensor]], *, wants_gradients: bool
) -> list[Answer]:
    flat = torch.stack([torch.cat([matrix.flatten() for matrix in its]) for its in matrices])
    on_card = flat.to(fits.weights.device)
    if not wants_gradients:
        fits.try_weights(on_card)
        return [Answer(*each) for each in zip(fits.bits.tolist(), fits.mse.tolist(), strict=True)]
    fits.gradients(on_card)
    of_matrices = zip(*fits.matrices(fits.by_weight.cpu()), strict=True)
    return [Answer(*each) for each in zip(fits.bits.tolist(), fits.mse.tolist(), of_matrices, strict=True)]

"""What changes from step to step of fits on a card, as their kernels look it up."""

import math

from inr.cnn.fit.common.schedule import LATENT_BETAS, PyramidSettings
from inr.cnn.fit.fused import latent_kernels as kernels


def rows_of(settings: PyramidSettings) -> list[list[float]]:
    """The rows of a fit, one for each step: `kernels.N_COLUMNS` values; zeros for steps that are skipped."""
    rows = []
    first, n_steps = settings.n_together, settings.n_steps
    for index in range(n_steps):
        row = [0.0] * kernels.N_COLUMNS
        if index < settings.first_step:
            rows.append(row)
            continue
        if index < first:
            n_taken = index - settings.first_step + 1
            progress = index / first
            temperature = settings.temperature(progress)
            rate = settings.rate(progress)
            row[kernels.TEMPERATURE] = temperature
            row[kernels.SCALE] = 0.5 / math.tanh(0.5 / temperature)
            row[kernels.WIDTH] = settings.width(progress)
            row[kernels.RATE] = rate * settings.latent_rate
            row[kernels.FIRST_CORRECTION] = 1 / (1 - LATENT_BETAS[0] ** n_taken)
            row[kernels.SECOND_CORRECTION] = 1 / (1 - LATENT_BETAS[1] ** n_taken)
        else:
            rate = settings.rate_of_tail((index - first) / (n_steps - first))
        row[kernels.WEIGHTS_RATE] = rate * settings.network_rate
        rows.append(row)
    return rows

"""Eq. 2 and 4: bits of a network's weights, the float twin of pmf.py's integer tables.

A weight's law is two-sided geometric, p(k) = (1 - ρ) / (1 + ρ) · ρ^|k|, so its information is
I(k) = log2((1 + ρ) / (1 - ρ)) + |k| · log2(1 / ρ): a constant and a slope. Both follow from the
scale that `pmf.ScaleContext` derives for it from the weights before it. While fitting, the scales
are refreshed every few steps and held between; each is the mean magnitude of its context, the
maximum-likelihood value, at which the rate's derivative with respect to it vanishes, so holding
them costs no first-order term.
"""

import torch

from inr.pmf import BLOCK, COLUMN_PRIOR, ROW_PRIOR, SCALE_BITS, SCALES

_SMALLEST_SCALE = float(SCALES[0]) / (1 << SCALE_BITS)


def context_scales(symbols: torch.Tensor) -> torch.Tensor:
    """Expected magnitudes under pmf.ScaleContext: float32 [n_rows, n_columns] of rounded symbols."""
    magnitudes = symbols.abs()
    n_rows, n_columns = magnitudes.shape
    mean = magnitudes.mean().clamp_min(_SMALLEST_SCALE)
    rows = torch.arange(n_rows, device=symbols.device)[:, None]
    above = magnitudes.cumsum(0) - magnitudes
    by_column = (above + COLUMN_PRIOR * mean) / (rows + COLUMN_PRIOR)
    start = torch.arange(n_columns, device=symbols.device) // BLOCK * BLOCK
    before = (magnitudes.cumsum(1) - magnitudes)[:, start]
    expected = (by_column.cumsum(1) - by_column)[:, start]
    scales = by_column * (before + ROW_PRIOR * mean) / (expected + ROW_PRIOR * mean)
    return scales.clamp_min(_SMALLEST_SCALE)


def constant_and_slope(scales: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Bits of a zero, and bits per unit of magnitude, of the geometric law with these mean magnitudes."""
    decay = ((1 + scales * scales).sqrt() - 1) / scales
    return torch.log2((1 + decay) / (1 - decay)), -torch.log2(decay)

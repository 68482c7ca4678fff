"""Eq. 2 and 4: bits of a network's weights, the float twin of pmf.py's integer tables.

A weight's law is two-sided geometric, p(k) = (1 - ρ) / (1 + ρ) · ρ^|k|, so its information is
I(k) = log2((1 + ρ) / (1 - ρ)) + |k| · log2(1 / ρ): a constant and a slope. Both follow from the
scale that `pmf.ScaleContext` derives for it from the weights before it. While fitting, the scales
are refreshed every few steps and held between; each is the mean magnitude of its context, the
maximum-likelihood value, at which the rate's derivative with respect to it vanishes, so holding
them costs no first-order term.

Phases ascend within a quarter turn (inr/mlp/fit/symmetry.py), and their increments follow a one-sided
geometric law, whose information with the mean m is log2(1 + m) + m · log2(1 + 1 / m) an increment.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from inr.coding.pmf import BLOCK, COLUMN_PRIOR, ROW_PRIOR, SCALE_BITS, SCALES

_SMALLEST_SCALE = float(SCALES[0]) / (1 << SCALE_BITS)


def context_scales(symbols: torch.Tensor, mean: torch.Tensor | None = None) -> torch.Tensor:
    """Expected magnitudes under pmf.ScaleContext.

    Args:
        symbols: Rounded symbols of a matrix, float32 [n_rows, n_columns]; of several ones, each with zeros
            below and to the right of it, [..., n_rows, n_columns].
        mean: Mean magnitude of each matrix, where there are such zeros: [..., 1, 1].

    Returns:
        float32, shaped like `symbols`.
    """
    magnitudes = symbols.abs()
    n_rows, n_columns = magnitudes.shape[-2:]
    mean = (magnitudes.mean() if mean is None else mean).clamp_min(_SMALLEST_SCALE)
    rows = torch.arange(n_rows, device=symbols.device)[:, None]
    above = magnitudes.cumsum(-2) - magnitudes
    by_column = (above + COLUMN_PRIOR * mean) / (rows + COLUMN_PRIOR)
    start = torch.arange(n_columns, device=symbols.device) // BLOCK * BLOCK
    before = (magnitudes.cumsum(-1) - magnitudes)[..., start]
    expected = (by_column.cumsum(-1) - by_column)[..., start]
    scales = by_column * (before + ROW_PRIOR * mean) / (expected + ROW_PRIOR * mean)
    return scales.clamp_min(_SMALLEST_SCALE)


def increment_bits(mean: torch.Tensor) -> torch.Tensor:
    """Bits of an increment of a phase, given the mean increment in steps, > 0."""
    return torch.log2(1 + mean) + mean * torch.log2(1 + 1 / mean)


def estimate_bits(symbols: Sequence[NDArray[np.int32]]) -> float:
    """Eq. 4: bits of a network's symbols.

    Args:
        symbols: int32 tensors in wire order: matrices, ascending phases, and the output's offsets last.
    """
    offsets = symbols[-1]
    total = torch.tensor(offsets.size * math.log2(int(offsets.max()) - int(offsets.min()) + 1))
    for tensor in map(torch.from_numpy, symbols[:-1]):
        if tensor.ndim == 2:
            constant, slope = constant_and_slope(context_scales(tensor.float()))
            total = total + constant.sum() + (slope * tensor.abs()).sum()
        else:
            mean = tensor[-1] / len(tensor)
            total = total + len(tensor) * increment_bits(mean.clamp_min(_SMALLEST_SCALE))
    return float(total)


def constant_and_slope(scales: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Bits of a zero, and bits per unit of magnitude, of the geometric law with these mean magnitudes."""
    decay = ((1 + scales * scales).sqrt() - 1) / scales
    return torch.log2((1 + decay) / (1 - decay)), -torch.log2(decay)

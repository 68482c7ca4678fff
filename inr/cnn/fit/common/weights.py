"""The networks' matrices of one fit of family `cnn`: a prior's, and what a file adds to them in symbols."""

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from inr.cnn.architecture import LatentPyramid
from inr.cnn.network import MatrixCoding, largest_row_sum, largest_symbol, row_sums
from inr.coding.pmf import N_SCALES, SCALE_BITS, THRESHOLDS
from inr.fit.entropy import constant_and_slope, context_scales
from inr.fit.quantizer import round_straight_through

ASSUMED_EXPONENT = 8  # of all matrices, for the bits of weights before each has its own


class NetworkWeights:
    """Matrices that begin as the prior's: float32, in wire order, in units of one.

    Args:
        architecture: The network's architecture.

    Attributes:
        matrices: The matrices, which a fit changes.
        known: The prior's weights, those of one matrix after another's: float32 [weights].
    """

    def __init__(self, architecture: LatentPyramid) -> None:
        self._architecture, self._names = architecture, list(architecture.matrices)
        self._known = [
            torch.tensor(architecture.known(name), dtype=torch.float32) * 2.0 ** -architecture.exponent(name)
            for name in self._names
        ]
        self.matrices = [matrix.clone().requires_grad_() for matrix in self._known]
        self.known = torch.cat([matrix.flatten() for matrix in self._known])
        self._sizes = [matrix.numel() for matrix in self._known]
        self._counts = torch.tensor(self._sizes)
        rows, columns = (max(matrix.shape[axis] for matrix in self._known) for axis in (0, 1))
        is_own = torch.zeros(len(self._known), rows, columns, dtype=torch.bool)
        for n, matrix in enumerate(self._known):
            is_own[n, : len(matrix), : matrix.shape[1]] = True
        self._places, self._room = is_own.flatten().nonzero().flatten(), is_own.shape

    def symbols(self, n: int, exponent: int) -> torch.Tensor:
        """The difference of a matrix from its prior, in steps of an exponent, not rounded; none for 0."""
        return (self.matrices[n] - self._known[n]) * (2.0**exponent if exponent else 0.0)

    def with_symbols(self, n: int, symbols: torch.Tensor, exponent: int) -> torch.Tensor:
        """The matrix that symbols stand for."""
        return self._known[n] + symbols * 2.0**-exponent

    def rounded(self, exponents: Sequence[int]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """The matrices with rounded symbols, which pass gradients straight through, and the symbols' bits."""
        units = torch.tensor([2.0**k if k else 0.0 for k in exponents]).repeat_interleave(self._counts)
        steps = torch.tensor([2.0**-k for k in exponents]).repeat_interleave(self._counts)
        symbols = round_straight_through(self._all_symbols(units))
        parts = torch.split(self.known + symbols * steps, self._sizes)
        matrices = [part.view(known.shape) for part, known in zip(parts, self._known, strict=True)]
        return matrices, self._bits(symbols)

    def assumed_bits(self) -> torch.Tensor:
        """Bits of all matrices before they have exponents of their own, differentiable."""
        return self._bits(self._all_symbols(2.0**ASSUMED_EXPONENT))

    def _all_symbols(self, units: torch.Tensor | float) -> torch.Tensor:
        """Symbols of all matrices, one after another, not rounded."""
        return (torch.cat([matrix.flatten() for matrix in self.matrices]) - self.known) * units

    def _bits(self, symbols: torch.Tensor) -> torch.Tensor:
        """See `symbol_bits`; of all matrices' symbols, one after another."""
        with torch.no_grad():
            apart = torch.zeros(self._room)
            apart.view(-1)[self._places] = symbols.round()
            mean = apart.abs().sum((1, 2), keepdim=True) / self._counts[:, None, None]
            scales = context_scales(apart, mean).view(-1)[self._places]
            constant, slope = constant_and_slope(scales)
        return constant.sum() + (slope * symbols.abs()).sum()

    @torch.no_grad()
    def fits(self, n: int, symbols: torch.Tensor, exponent: int) -> bool:
        """True if the format has room for a matrix' rounded symbols, and for its weights."""
        if not float(symbols.abs().max()) <= largest_symbol(N_SCALES - 1):  # or not a number
            return False
        name = self._names[n]
        weights = self.with_symbols(n, symbols, exponent) * 2.0 ** self._architecture.exponent(name)
        integers = weights.round().to(torch.int32).numpy()
        return int(row_sums(self._architecture, name, integers).max()) <= largest_row_sum(name)

    @torch.no_grad()
    def coded(self, n: int, exponent: int) -> tuple[NDArray[np.int32], MatrixCoding]:
        """A matrix' symbols, int32, and their side information; zeros where the format has no room for it."""
        rounded = self.symbols(n, exponent).round()
        if not self.fits(n, rounded, exponent):
            rounded = torch.zeros_like(rounded)
        symbols = rounded.to(torch.int32).numpy()
        return symbols, MatrixCoding(exponent, mean_index(symbols) if exponent else 0)


def symbol_bits(symbols: torch.Tensor) -> torch.Tensor:
    """Bits of a matrix under the laws that its rounded symbols lead to."""
    constant, slope = constant_and_slope(context_scales(symbols.detach().round()))
    return constant.sum() + (slope * symbols.abs()).sum()


def mean_index(symbols: NDArray[np.int32]) -> int:
    """Index of the scale that codes a matrix: that of its mean, or of one that reaches its largest."""
    magnitudes = np.abs(symbols)
    index = int(np.searchsorted(THRESHOLDS, float(magnitudes.mean()) * (1 << SCALE_BITS), side="right"))
    while index < N_SCALES - 1 and largest_symbol(index) < magnitudes.max():
        index += 1
    return index


def cheapest_exponent(cost: Callable[[int], float], most: int) -> int:
    """The exponent from 0 to `most` that costs least, if the cost has one valley between 1 and `most`.

    Rounding errors fall with the exponent and bits rise, so it has one; only the valley and 0, which codes
    nothing, are looked at.
    """
    known = functools.cache(cost)
    best = min(ASSUMED_EXPONENT, most)
    while best and not math.isfinite(known(best)):  # too fine for the format
        best -= 1
    for way in (-1, 1):
        while 0 < best + way <= most and known(best + way) < known(best):
            best += way
    return best if known(best) < known(0) else 0

"""The context model of family `cnn`: what is expected of a latent, from latents already decoded.

A latent's law is a Laplace whose centre and spread a small network derives from its sixteen
nearest predecessors. All of it is integer arithmetic below 2**31 (FORMAT.md, section 10), so every
machine derives the same tables. The class of model is that of COOL-CHIC (arXiv 2212.05458, section 3.2).

A level is coded in fronts: positions of equal x + SLOPE · y depend only on earlier fronts, so each front
is derived at once. exact_kernels.py does the same in compiled loops, integer for integer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from inr.coding.pmf import CENTRE_BITS, N_SPREADS

# (row, column) of the neighbours, relative to the latent, nearest first.
NEIGHBOURS = (
    (0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2),
    (-2, -1), (-2, 1), (-2, -2), (-2, 2), (0, -3), (-3, 0), (-1, -3), (-3, -1),
)  # fmt: skip
PAD = 3  # rows above and columns at each side that neighbours may lie in; all zero
SLOPE = 3

HIDDEN_BITS = 7  # activations are integers in units of 2**-HIDDEN_BITS
MAX_HIDDEN = (1 << 15) - 1
SPREAD_BITS = 3  # spreads are eighth octaves
MIDDLE_SPREAD = 32  # index of a spread of one symbol
MAX_LATENT = 2047
MAX_CENTRE = MAX_LATENT << CENTRE_BITS

_ROWS = np.array([row for row, _ in NEIGHBOURS])[:, None]
_COLUMNS = np.array([column for _, column in NEIGHBOURS])[:, None]

Ints = NDArray[np.int32]
Latents = NDArray[np.int16]
CodeFront = Callable[[NDArray[np.int64], NDArray[np.int64], Ints, Ints], Ints]


def shift_rounded(sums: Ints, bits: int) -> Ints:
    """Sums / 2**bits, rounded to nearest, halves up; `bits` below 0 multiplies."""
    if bits <= 0:
        return sums << -bits
    return (sums + np.int32(1 << (bits - 1))) >> bits


@dataclass(frozen=True)
class ContextModel:
    """Three layers: neighbours → hidden → hidden → centre and spread.

    Attributes:
        weights: int32 [out, in + 1] of each layer, the last column for a constant input of one.
        exponents: Of each layer: a weight is its symbol times 2**-exponent.
    """

    weights: tuple[Ints, ...]
    exponents: tuple[int, ...]

    def predict(self, neighbours: Ints) -> tuple[Ints, Ints]:
        """The law of each latent.

        Args:
            neighbours: int32 [16, n].

        Returns:
            Row of `pmf.laplace_counts`, N_SPREADS · 16 of them, int32 [n]; and the integer that
            symbols are relative to, int32 [n].
        """
        first, second, last = self.weights
        hidden = _layer(first, neighbours, 0, self.exponents[0] - HIDDEN_BITS)
        hidden = _layer(second, np.clip(hidden, 0, MAX_HIDDEN), HIDDEN_BITS, self.exponents[1])
        outputs = _layer(last, np.clip(hidden, 0, MAX_HIDDEN), HIDDEN_BITS, 0)
        unit = self.exponents[2] + HIDDEN_BITS
        centre = np.clip(shift_rounded(outputs[0], unit - CENTRE_BITS), -MAX_CENTRE, MAX_CENTRE)
        spread = shift_rounded(outputs[1], unit - SPREAD_BITS) + MIDDLE_SPREAD
        half = 1 << (CENTRE_BITS - 1)
        whole = (centre + half) >> CENTRE_BITS
        part = centre + half - (whole << CENTRE_BITS)
        return (np.clip(spread, 0, N_SPREADS - 1) << CENTRE_BITS) + part, whole


def _layer(weight: Ints, inputs: Ints, input_bits: int, shift: int) -> Ints:
    sums = weight[:, :-1] @ inputs + (weight[:, -1:] << input_bits)
    return shift_rounded(sums, shift)


def walk_level(
    model: ContextModel, height: int, width: int, code_front: CodeFront, kernels: ModuleType | None = None
) -> Latents:
    """Visit a level front by front.

    Args:
        model: Derives the laws.
        height: Of the level, in latents.
        width: Of the level.
        code_front: Given rows and columns of a front and its laws, as `ContextModel.predict` returns
            them, returns its latents, within ±MAX_LATENT.
        kernels: inr.cnn.kernels, to derive the laws in compiled loops.

    Returns:
        int16 [height, width], the latents.
    """
    padded = np.zeros((PAD + height, width + 2 * PAD), dtype=np.int16)
    predict = kernels.FrontPredictor(model, height, width) if kernels else _Predictor(model)
    for front in range(width + SLOPE * (height - 1)):
        top, bottom = max(0, -(-(front - width + 1) // SLOPE)), min(height - 1, front // SLOPE) + 1
        if top == bottom:  # a level narrower than SLOPE has none in some
            continue
        rows = np.arange(top, bottom)
        columns = front - SLOPE * rows
        law, whole = predict(padded, front, rows)
        padded[PAD + rows, PAD + columns] = code_front(rows, columns, law, whole)
    return padded[PAD:, PAD:-PAD]


class _Predictor:
    def __init__(self, model: ContextModel) -> None:
        self._model = model

    def __call__(self, padded: Latents, front: int, rows: NDArray[np.int64]) -> tuple[Ints, Ints]:
        neighbours = padded[PAD + rows + _ROWS, PAD + front - SLOPE * rows + _COLUMNS]
        return self._model.predict(neighbours.astype(np.int32))

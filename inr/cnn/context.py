"""The context model of family `cnn`: the law of a latent, derived from latents already decoded.

The law is a Laplace whose centre and spread a small network derives from the latent's sixteen nearest
predecessors (FORMAT.md, section 10). The class of model is that of COOL-CHIC (arXiv 2212.05458, section 3.2).
A level is coded in fronts: positions of equal x + SLOPE · y depend only on earlier fronts, so each front is
derived at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inr.cnn.arithmetic import PAD, SLOPE, Ints, Latents
from inr.cnn.operations import ExactOperations, exact_operations

CodeFront = Callable[[NDArray[np.int64], NDArray[np.int64], Ints, Ints], Ints]


@dataclass(frozen=True)
class ContextModel:
    """Three layers: neighbours → hidden → hidden → centre and spread.

    Attributes:
        weights: int32 [out, in + 1] of each layer, the last column for a constant input of one.
        exponents: For each layer: a weight is its integer times 2**-exponent.
    """

    weights: tuple[Ints, ...]
    exponents: tuple[int, ...]


def walk_level(
    model: ContextModel,
    height: int,
    width: int,
    code_front: CodeFront,
    operations: ExactOperations | None = None,
) -> Latents:
    """Visit a level front by front.

    Args:
        model: Derives the laws.
        height: Rows of the level.
        width: Columns of the level.
        code_front: Given rows and columns of a front and its laws, as a `FrontPredictor` returns them,
            returns its latents, within ±MAX_LATENT.
        operations: The arithmetic; `exact_operations()` if None.

    Returns:
        int16 [height, width], the latents.
    """
    padded = np.zeros((PAD + height, width + 2 * PAD), dtype=np.int16)
    arithmetic = operations or exact_operations()
    predict = arithmetic.front_predictor(model.weights, model.exponents, height, width)
    for front in range(width + SLOPE * (height - 1)):
        top, bottom = max(0, -(-(front - width + 1) // SLOPE)), min(height - 1, front // SLOPE) + 1
        if top == bottom:  # a level narrower than SLOPE has none in some
            continue
        rows = np.arange(top, bottom)
        columns = front - SLOPE * rows
        law, whole = predict(padded, front, rows)
        padded[PAD + rows, PAD + columns] = code_front(rows, columns, law, whole)
    return padded[PAD:, PAD:-PAD]

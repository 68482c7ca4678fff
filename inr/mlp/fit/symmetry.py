"""One network of the many that compute the same function: the one that takes fewest bits.

The neurons of a sine layer may stand in any order, and each may be turned by half a turn or
mirrored, if the matrices around it follow:

    sin(a + π)     = -sin(a)              the next matrix's column changes sign
    sin(a + φ)     = sin(-a + (π - φ))    the neuron's row changes sign

So all phases can be brought into the first quarter turn and in ascending order. Their increments
then take 2 + log2(h!) / h bits less than the phases of h neurons would: most of what a phase costs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def canonicalize(
    symbols: Sequence[NDArray[np.int32]], quarter_levels: Sequence[int]
) -> list[NDArray[np.int32]]:
    """The equal network whose phases ascend within a quarter turn.

    Args:
        symbols: int32 tensors in wire order: matrix and vector of each sine layer, then the output's.
        quarter_levels: Phase symbols in a quarter turn, one number per sine layer.

    Returns:
        int32 tensors in wire order; phases lie in 0 to their layer's `quarter_levels`.
    """
    equal = [tensor.copy() for tensor in symbols]
    for layer, quarter in enumerate(quarter_levels):
        weight, phase, following = equal[2 * layer : 2 * layer + 3]
        following[:, phase % (4 * quarter) >= 2 * quarter] *= -1
        phase %= 2 * quarter
        mirrored = phase > quarter
        weight[mirrored] *= -1
        phase[mirrored] = 2 * quarter - phase[mirrored]
        order = np.argsort(phase, kind="stable")
        equal[2 * layer] = weight[order]
        equal[2 * layer + 1] = phase[order]
        equal[2 * layer + 2] = following[:, order]
    return equal

"""The compiled loop of what a decoder computes for family `mlp`.

It is the twin of `synthesis.plain_sine`, bit for bit; tests hold the two together.
"""

import numpy as np

from inr.compiling import compiled


@compiled()
def sine(sums, scale, phase, coefficients):
    """`synthesis.plain_sine`."""
    c0, c1, c2, c3 = coefficients[0], coefficients[1], coefficients[2], coefficients[3]
    for row in range(sums.shape[0]):
        line = sums[row]
        for j in range(len(line)):
            turns = line[j] * scale
            turns = turns + phase[j]
            turns = turns - np.rint(turns)
            square = turns * turns
            total = square * c3
            total = total + c2
            total = total * square
            total = total + c1
            total = total * square
            total = total + c0
            line[j] = np.rint(total * turns)

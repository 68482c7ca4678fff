"""Loops over latents and samples one by one: soft rounding, squared errors, and the derivatives of both."""

import numpy as np

from inr.cnn.fit.compiled.kernels.elementary import LANES, F, exp_negative, jit


@jit
def _soft_round(x, out, slope, temperature, scale, scratch, bits, n):
    """Softly rounded values, and the derivative; scratch: [2, LANES]."""
    offsets, decay = scratch[0], scratch[1]
    for j in range(n):
        offset = x[j] - (np.floor(x[j]) + F(0.5))
        offsets[j] = offset
        slope[j] = abs(offset) * (F(2) / temperature)
    exp_negative(slope, decay, bits, n)
    for j in range(n):
        size = (F(1) - decay[j]) / (F(1) + decay[j])
        bent = size if offsets[j] > F(0) else -size
        out[j] = (x[j] - offsets[j]) + scale * bent
        slope[j] = (scale / temperature) * (F(1) - bent * bent)


@jit
def soften(latents, noise, temperature, scale, out, slope, start, stop, scratch, bits):
    """Latents softly rounded, then with noise, and softly rounded again, and the derivative: out, slope.

    temperature: of soft rounding; scale: what its tanh is multiplied by. scratch: [4, LANES].
    """
    for left in range(start, stop, LANES):
        n = min(LANES, stop - left)
        first, first_slope = scratch[2], scratch[3]
        _soft_round(latents[left:], first, first_slope, temperature, scale, scratch, bits, n)
        added = noise[left:]
        for j in range(n):
            first[j] += added[j]
        target = slope[left:]
        _soft_round(first, out[left:], target, temperature, scale, scratch, bits, n)
        for j in range(n):
            target[j] *= first_slope[j]


@jit
def _errors(samples, target, out, n):
    """What samples are off by; those that are to be at an end of the scale may be beyond it."""
    for j in range(n):
        error = samples[j] - target[j]
        low = max(error, F(0)) if target[j] == F(0) else error
        out[j] = min(low, F(0)) if target[j] == F(1) else low


@jit
def squares(samples, target, shares, gradient, start, stop):
    """The sum of squared errors, weighed by shares if there are any, and half of its gradient."""
    total = 0.0
    for left in range(start, stop, LANES):
        n = min(LANES, stop - left)
        errors = gradient[left:]
        _errors(samples[left:], target[left:], errors, n)
        part = F(0)
        if len(shares):
            weights = shares[left:]
            for j in range(n):
                part += weights[j] * errors[j] * errors[j]
                errors[j] *= weights[j]
        else:
            for j in range(n):
                part += errors[j] * errors[j]
        total += float(part)
    return total

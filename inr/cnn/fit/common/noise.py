"""The noise that stands in for the rounding of latents while they are fitted."""

import numpy as np
import torch
from numpy.typing import NDArray

_HALF = 1 << 16
_DEVIATION = _HALF / 6**0.5  # of the sum of two uniform variables of width _HALF


class Noise:
    """Noise of standard deviation one: the sum of two uniform variables, rarely at its ends.

    Every second draw is the one before it with the other sign, which evens it out.

    Args:
        n_latents: Values of a draw.
        seed: Seed of the draws.
    """

    def __init__(self, n_latents: int, seed: int) -> None:
        self._generator, self._n_latents = np.random.default_rng(seed), n_latents
        self._noise: NDArray[np.float32] = np.empty(0, np.float32)

    def draw(self, index: int) -> torch.Tensor:
        """Noise of step `index`, float32 [latents]; steps come in order, from an even one on."""
        if index % 2:
            np.negative(self._noise, out=self._noise)
        else:  # both halves of a word are uniform
            words = self._generator.integers(0, 1 << 32, self._n_latents, dtype=np.uint32)
            sums = (words >> 16) + (words & (_HALF - 1))
            self._noise = sums.astype(np.float32)
            self._noise -= _HALF - 1
            self._noise /= _DEVIATION
        return torch.from_numpy(self._noise)

"""Networks known to every decoder, from which those of a file of family `cnn` are told as differences.

FORMAT.md, section 9.1; the numbers are those of priors.json. They were fitted to photographs, once
(benchmarks/prior.py), so that a file need not teach its decoder what photographs have in common. A number is
never changed: better networks get a new one.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from inr.cnn.context import shift_rounded

# Scale of the weights that latents meet first, in quarter octaves; NO_GAIN is one.
N_GAINS = 25
NO_GAIN = 12
_QUARTERS = (256, 304, 362, 431)  # in units of 1 / 256

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Prior:
    """One set of networks.

    Attributes:
        rd_lambda: The λ it was fitted for, without gain; of use to an encoder only.
        channels: 1 for images in grey, 3 for RGB; an alpha channel may follow either.
        n_levels: Most levels that a file may have.
        context_width: Of the architecture, as `cnn.LatentPyramid` has it; a file's is the same.
        synthesis_width: The same.
        n_residuals: The same.
        exponents: Of each matrix: a weight is its integer times 2**-exponent.
        matrices: int32, by name, with shapes as those of a `cnn.LatentPyramid`.
    """

    rd_lambda: float
    channels: int
    n_levels: int
    context_width: int
    synthesis_width: int
    n_residuals: int
    exponents: dict[str, int]
    matrices: dict[str, Ints]

    @property
    def widths(self) -> tuple[int, int, int]:
        """Context width, synthesis width and residual layers."""
        return self.context_width, self.synthesis_width, self.n_residuals

    def exponent(self, name: str, gain: int) -> int:
        """That of the integers of a matrix, under a gain from 0 to N_GAINS - 1."""
        return self.exponents[name] - (_octave(gain) if name == "synthesis0" else 0)

    def matrix(self, name: str, channels: int, n_levels: int, gain: int) -> Ints:
        """A matrix as an image with that many channels and levels has it.

        Args:
            name: As in `cnn.LatentPyramid.matrices`.
            channels: Of the image; those that the prior has not are zero.
            n_levels: Of the image, at most the prior's.
            gain: 0 to N_GAINS - 1.
        """
        known = self.matrices[name]
        if name == "upsampling":
            return known[: n_levels - 1]
        if name == "synthesis0":
            scaled = known[:, :n_levels] * _QUARTERS[gain % 4] + 128 >> 8
            return np.concatenate([scaled, shift_rounded(known[:, -1:], _octave(gain))], axis=1)
        if name.startswith("context"):
            return known
        more = channels - self.channels
        if name.startswith("residual"):
            known = np.insert(known, [9 * self.channels] * (9 * more), 0, axis=1)
        return np.pad(known, ((0, more), (0, 0)))


def _octave(gain: int) -> int:
    return (gain - NO_GAIN) // 4


@cache
def priors() -> tuple[Prior, ...]:
    """All of them; a file names one by its place, from 1 on."""
    text = resources.files("inr.cnn").joinpath("priors.json").read_text(encoding="utf-8")
    return tuple(
        Prior(
            **{
                **entry,
                "matrices": {
                    name: np.array(rows, dtype=np.int32) for name, rows in entry["matrices"].items()
                },
            }
        )
        for entry in json.loads(text)
    )


def prior(number: int) -> Prior:
    """The prior that a file names, 1 or above."""
    return priors()[number - 1]

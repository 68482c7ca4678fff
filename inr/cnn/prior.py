"""Networks that every decoder knows; a file of family `cnn` codes its own as differences from them.

FORMAT.md, section 9.1; the integers are those of priors.json. They were fitted to photographs, once
(benchmarks/prior), so that a file need not teach its decoder what photographs have in common.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from inr.cnn.arithmetic import Ints, shift_rounded
from inr.cnn.grids import kept_columns
from inr.errors import InvalidField

# Scale of the weights that latents meet first, in quarter octaves; NO_GAIN is one.
N_GAINS = 25
NO_GAIN = 12
QUARTERS = (256, 304, 362, 431)  # in units of 1 / 256


@dataclass(frozen=True, eq=False, kw_only=True)
class Prior:
    """One set of networks.

    Attributes:
        number: The number by which files name it, from 1.
        rd_lambda: The λ it was fitted for, without gain; only an encoder uses it.
        channels: 1 for images in grey, 3 for RGB; an alpha channel may follow either.
        n_levels: Most levels that a file may have.
        context_neurons: Field of the architecture; a file has the same.
        synthesis_neurons: Field of the architecture; a file has the same.
        n_residuals: Field of the architecture; a file has the same.
        exponents: Exponent of each matrix: a weight is its integer times 2**-exponent.
        matrices: int32, by name, with shapes as those of an `architecture.LatentPyramid`.
    """

    number: int
    rd_lambda: float
    channels: int
    n_levels: int
    context_neurons: int
    synthesis_neurons: int
    n_residuals: int
    exponents: dict[str, int]
    matrices: dict[str, Ints]

    def exponent(self, name: str, gain: int) -> int:
        """Exponent of a matrix's integers, under a gain from 0 to N_GAINS - 1."""
        return self.exponents[name] - (_octave(gain) if name == "synthesis0" else 0)

    def matrix(self, name: str, channels: int, n_levels: int, gain: int) -> Ints:
        """A matrix as an image with that many channels and levels has it.

        Args:
            name: Name of the matrix, as in `LatentPyramid.matrices`.
            channels: Channels of the image; those that the prior lacks are zero.
            n_levels: Levels of the image, at most the prior's.
            gain: 0 to N_GAINS - 1.
        """
        known = self.matrices[name]
        if name == "parents":
            return known[:, kept_columns(n_levels, self.n_levels)]
        if name in ("filters", "upsampling"):
            return known[: n_levels - 1]
        if name.startswith("context"):
            return known
        more = channels - self.channels
        if name == "synthesis0":
            scaled = known[:, :n_levels] * QUARTERS[gain % 4] + 128 >> 8
            known = np.concatenate([scaled, shift_rounded(known[:, -1:], _octave(gain))], axis=1)
        if name.startswith("residual"):
            known = np.insert(known, [9 * self.channels] * (9 * more), 0, axis=1)
        return np.pad(known, ((0, more), (0, 0)))


def _octave(gain: int) -> int:
    return (gain - NO_GAIN) // 4


@cache
def priors() -> tuple[Prior, ...]:
    """All priors, in the order of their numbers."""
    return read_priors(resources.files("inr.cnn").joinpath("priors.json").read_text(encoding="utf-8"))


def read_priors(text: str) -> tuple[Prior, ...]:
    """The priors that a file of the form of priors.json holds."""
    return tuple(_prior(number, entry) for number, entry in enumerate(json.loads(text), 1))


def _prior(number: int, entry: dict[str, Any]) -> Prior:
    matrices = {name: np.array(rows, dtype=np.int32) for name, rows in entry["matrices"].items()}
    return Prior(
        number=number,
        rd_lambda=entry["rd_lambda"],
        channels=entry["channels"],
        n_levels=entry["n_levels"],
        context_neurons=entry["context_neurons"],
        synthesis_neurons=entry["synthesis_neurons"],
        n_residuals=entry["n_residuals"],
        exponents=entry["exponents"],
        matrices=matrices,
    )


def prior(number: int) -> Prior:
    """The prior that a file names.

    Raises:
        InvalidField: There is none of that number; they count from 1.
    """
    if not 1 <= number <= len(priors()):
        raise InvalidField(f"prior: expected 1 to {len(priors())}, found {number}")
    return priors()[number - 1]

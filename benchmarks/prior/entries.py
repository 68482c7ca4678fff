"""Priors as priors.json has them."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.arithmetic import Ints
from inr.cnn.network import largest_row_sum, row_sums

# Least and most that are given, within the limits of FORMAT.md, section 9.2.
EXPONENTS = {
    "context0": (7, 12),
    "parents": (7, 12),
    "synthesis0": (9, 12),
    "filters": (3, 10),
    "upsampling": (3, 10),
}  # and (3, 12) for all others


def entry_of(named: dict[str, torch.Tensor], shape: LatentPyramid, rd_lambda: float) -> dict[str, Any]:
    """A prior as priors.json has it; its exponents leave as much room again for what files add, if they can.

    Args:
        named: The matrices in units of one.
        shape: The architecture with all levels.
        rd_lambda: λ that it was fitted for.

    Raises:
        ValueError: A matrix's weights are too large for the exponents that the format admits.
    """
    exponents = {name: _exponent(shape, name, matrix) for name, matrix in named.items()}
    integers = {name: (matrix * 2.0 ** exponents[name]).round().int() for name, matrix in named.items()}
    return {
        "rd_lambda": rd_lambda,
        "channels": shape.channels,
        "n_levels": shape.n_levels,
        "context_neurons": shape.prior.context_neurons,
        "synthesis_neurons": shape.prior.synthesis_neurons,
        "n_residuals": shape.prior.n_residuals,
        "exponents": exponents,
        "matrices": {name: matrix.tolist() for name, matrix in integers.items()},
    }


def _exponent(shape: LatentPyramid, name: str, matrix: torch.Tensor) -> int:
    if name == "synthesis0":  # a gain makes its weights up to twice, its constants up to 8 times as large
        matrix = torch.cat([2 * matrix[:, :-1], 8 * matrix[:, -1:]], dim=1)
    room = math.floor(math.log2(largest_row_sum(name) / 2 / _largest_row_sum(shape, name, matrix)))
    least, most = EXPONENTS.get(name, (3, 12))
    if room + 1 < least:  # also without room for what files add
        raise ValueError(f"{name}: expected room for an exponent of {least}, found {room + 1}")
    return min(max(room, least), most)


def _largest_row_sum(shape: LatentPyramid, name: str, matrix: torch.Tensor) -> float:
    unit = 2.0**-16
    integers: Ints = (matrix / unit).round().to(torch.int32).numpy()
    return float(row_sums(shape, name, integers).max()) * unit


def write(entries: Sequence[dict[str, Any]], path: Path) -> None:
    """Write priors.json, a line for each row of a matrix."""

    def one_line(row: re.Match[str]) -> str:
        return "[" + ", ".join(row[0].strip("[]").replace(",", " ").split()) + "]"

    text = re.sub(r"\[[-\d,\s]+\]", one_line, json.dumps(list(entries), indent=1))
    path.write_text(text + "\n", encoding="utf-8")


def join(sets: Sequence[Path], path: Path) -> None:
    """Write sets of networks into one file, in the order given."""
    write([entry for one in sets for entry in json.loads(one.read_text(encoding="utf-8"))], path)

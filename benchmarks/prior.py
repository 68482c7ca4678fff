"""The networks that files of family `cnn` are differences from: fitted to many photographs at once.

    python -m benchmarks.prior PHOTOS --out inr/cnn/priors.json

Every photograph in the folder gives a crop of 256 x 256, the most detailed of several, and latents of its
own; the networks are shared by all. A set is made for RGB and one for grey. What is written is a new page
of the format: files that name a prior decode with that one alone, so numbers already given are kept and new
ones are added behind them.

Kodak's images measure this codec, and are not to be among the photographs. The committed priors were made
from 42 photographs, 768 pixels on their longer side: of Debian 12's packages lomiri-wallpapers-16.04,
lomiri-wallpapers-20.04, mate-backgrounds (nature) and plasma-workspace-wallpapers, those that are
photographs; of the wheels of scikit-image astronaut, chelsea, coffee and motorcycle_left, of scikit-learn
china and flower, of matplotlib grace_hopper. They were made with an earlier form of this script, in several
runs with restarts, so that running it gives networks like them and not the same numbers.
"""

import argparse
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from inr.cnn.fit.compiled_losses import CompiledLosses
from numpy.typing import NDArray
from PIL import Image

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.soap import Soap
from inr.cnn.fit.trainer import soft_round
from inr.cnn.network import largest_row_sum

RD_LAMBDA = 1e-3
SIDE = 256
N_CANDIDATES = 6  # crops of a photograph, of which the most detailed is taken
CROPS_PER_STEP = 6
WARMEST, COOLING = 0.3, 0.2
LATENT_RATE, NETWORK_RATE = 0.11, 1e-2
CUBIC = (-0.0351562, 0.2617188, 0.8789062, -0.1054688)  # Keys, a = -3/4, a quarter before a source


def architecture_of(channels: int) -> LatentPyramid:
    """The architecture of the shared networks, for one crop."""
    return LatentPyramid(
        channels=channels,
        width=SIDE,
        height=SIDE,
        n_levels=7,
        context_neurons=16,
        synthesis_neurons=40,
        n_residuals=2,
    )


def detailed_crops(folder: Path, channels: int) -> list[NDArray[np.uint8]]:
    """A crop of each photograph, uint8 [SIDE, SIDE, channels]."""
    draw = np.random.default_rng(0)
    crops = []
    for path in sorted(folder.iterdir()):
        picture = np.asarray(Image.open(path).convert("RGB" if channels == 3 else "L"))
        picture = picture.reshape(*picture.shape[:2], channels)
        found = []
        for _ in range(N_CANDIDATES):
            top = draw.integers(picture.shape[0] - SIDE + 1)
            left = draw.integers(picture.shape[1] - SIDE + 1)
            found.append(picture[top : top + SIDE, left : left + SIDE])
        crops.append(max(found, key=lambda crop: np.abs(np.diff(crop.astype(np.int16), axis=0)).mean()))
    return crops


def initial_matrices(architecture: LatentPyramid, generator: torch.Generator) -> list[torch.Tensor]:
    """Networks that begin near what they are to become.

    One unit of a latent of the finest level begins as a change of samples of about sqrt(6 λ), near its
    quantisation step in a good fit; coarser levels change more samples and begin half as strong each.
    """

    def uniform(rows: int, columns: int, variance: float) -> torch.Tensor:
        bound = math.sqrt(3 * variance / columns)
        drawn = torch.rand((rows, columns), generator=generator) * 2 - 1
        return torch.cat([drawn * bound, torch.zeros((rows, 1))], dim=1)

    matrices = []
    for name, (rows, columns) in architecture.matrices.items():
        if name == "upsampling":
            matrix = torch.tensor(CUBIC).repeat(rows, 1)
        elif name.startswith("residual"):
            matrix = torch.zeros(rows, columns)
        elif name == "synthesis0":
            matrix = uniform(rows, columns - 1, 100 * RD_LAMBDA)
            matrix[:, :-1] *= 2.0 ** -torch.arange(columns - 1)
        elif name == "synthesis1":
            matrix = uniform(rows, columns - 1, 1.0)
            matrix[:, -1] = 0.4
        else:
            matrix = uniform(rows, columns - 1, 0.1 if name == "context2" else 2.0)
        matrices.append(matrix.requires_grad_())
    return matrices


class SharedFit:
    """Networks for all crops, and latents for each.

    Args:
        crops: uint8 [SIDE, SIDE, channels] each.
    """

    def __init__(self, crops: Sequence[NDArray[np.uint8]]) -> None:
        channels = crops[0].shape[2]
        architecture = architecture_of(channels)
        self._losses = CompiledLosses(architecture, None)
        self._generator = torch.Generator().manual_seed(0)
        self._targets = [torch.tensor(np.moveaxis(crop, -1, 0)).float() / 255 for crop in crops]
        n_latents = architecture.n_parameters - architecture.n_weights
        self._latents = [torch.zeros(n_latents, requires_grad=True) for _ in crops]
        self._adams = [
            torch.optim.Adam([values], betas=(0.8, 0.99), eps=1e-10, fused=True) for values in self._latents
        ]
        self.matrices = initial_matrices(architecture, self._generator)
        shares = [0.1 if name == "upsampling" else 1.0 for name in architecture.matrices]
        self._soap = Soap(self.matrices, rates=shares)

    def run(self, n_passes: int) -> None:
        """Visit every crop so many times; rates decay along a cosine, rounding sharpens."""
        draw = np.random.default_rng(1)
        for index in range(n_passes):
            progress = index / n_passes
            rate = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress))
            order, total = draw.permutation(len(self._targets)), 0.0
            for first in range(0, len(order), CROPS_PER_STEP):
                total += self._step(order[first : first + CROPS_PER_STEP], WARMEST - progress * COOLING, rate)
            print(
                f"pass {index + 1} of {n_passes}: cost {1000 * math.exp(total / len(order)):.4f}", flush=True
            )

    def _step(self, group: NDArray[np.int64], temperature: float, rate: float) -> float:
        """Sum of the logarithms of the costs."""
        total = 0.0
        for n in group:
            values = self._latents[n]
            noise = torch.empty_like(values).uniform_(-0.25, 0.25, generator=self._generator)
            noise += torch.empty_like(values).uniform_(-0.25, 0.25, generator=self._generator)
            soft = soft_round(soft_round(values, temperature) + noise, temperature)
            distortion = (self._losses.image(soft, self.matrices) - self._targets[n]).square().mean()
            cost = distortion + RD_LAMBDA / SIDE**2 * self._losses.bits(soft, self.matrices)
            # By the logarithm smooth crops count as much as detailed ones.
            self._adams[n].zero_grad()
            (cost.log() / len(group)).backward()
            self._adams[n].param_groups[0]["lr"] = rate * LATENT_RATE
            self._adams[n].step()
            total += float(cost.detach().log())
        self._soap.step(rate * NETWORK_RATE)
        for matrix in self.matrices:
            matrix.grad = None
        return total


def entry_of(matrices: Sequence[torch.Tensor], channels: int) -> dict[str, Any]:
    """A prior as priors.json has it; the exponents leave as much room again for what files add."""
    architecture = architecture_of(channels)
    named = dict(zip(architecture.matrices, (matrix.detach().double() for matrix in matrices), strict=True))
    largest = {name: float(matrix.abs().sum(1).max()) for name, matrix in named.items()}
    first = named[
        "synthesis0"
    ].abs()  # under the smallest gain its biases are eight times as large beside the rest
    largest["synthesis0"] = float((2 * first[:, :-1].sum(1) + 8 * first[:, -1]).max())
    exponents = {
        name: min(12, math.floor(math.log2(largest_row_sum(name) / 2 / value)))
        for name, value in largest.items()
    }
    integers = {name: (matrix * 2.0 ** exponents[name]).round().int() for name, matrix in named.items()}
    return {
        "rd_lambda": RD_LAMBDA,
        "channels": channels,
        "n_levels": architecture.n_levels,
        "context_neurons": architecture.context_neurons,
        "synthesis_neurons": architecture.synthesis_neurons,
        "n_residuals": architecture.n_residuals,
        "exponents": exponents,
        "matrices": {name: matrix.tolist() for name, matrix in integers.items()},
    }


def write(entries: Sequence[dict[str, Any]], path: Path) -> None:
    """Write priors.json, a line for each row of a matrix."""

    def one_line(row: re.Match[str]) -> str:
        return "[" + ", ".join(row[0].strip("[]").replace(",", " ").split()) + "]"

    text = re.sub(r"\[[-\d,\s]+\]", one_line, json.dumps(list(entries), indent=1))
    path.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Makes and writes both priors."""
    parser = argparse.ArgumentParser(prog="benchmarks.prior", description="Networks shared by photographs.")
    parser.add_argument("photos", type=Path, help="folder of photographs, 256 pixels or more on each side")
    parser.add_argument("--passes", type=int, default=600)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    entries = []
    for channels in (3, 1):
        shared = SharedFit(detailed_crops(arguments.photos, channels))
        shared.run(arguments.passes)
        entries.append(entry_of(shared.matrices, channels))
    write(entries, arguments.out)


if __name__ == "__main__":
    main()

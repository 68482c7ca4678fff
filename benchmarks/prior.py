"""The networks that files of family `cnn` are differences from: fitted to many photographs at once.

    python -m benchmarks.prior fit CROPS --rd-lambda 0.001 --channels 3 --passes 150 --out one.json
    python -m benchmarks.prior join one.json two.json --out inr/cnn/priors.json

`fit` makes one set of networks from a folder of crops (`benchmarks.photographs` cuts them): every crop has latents
of its own, and the networks are shared by all. It begins with the prior of that many channels whose λ is nearest,
or with one that `--start` names. `join` writes sets into one file, whose order gives their numbers. What is
written is a new page of the format. Kodak's images measure this codec, and are not to be among the photographs.
"""

import argparse
import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from inr.cnn.architecture import LatentPyramid
from inr.cnn.arithmetic import Ints
from inr.cnn.fit.compiled.losses import CompiledLosses
from inr.cnn.fit.plain_losses import PlainLosses
from inr.cnn.fit.soap import Soap
from inr.cnn.fit.trainer import soft_round
from inr.cnn.grids import MAX_LEVELS, grids_of, kept_columns
from inr.cnn.network import largest_row_sum, row_sums
from inr.cnn.prior import NO_GAIN, Prior, priors, read_priors

N_LEVELS = (7, 7, 7, 8, 9)  # of the crops in turn: an image has as many as its size asks for
WARMEST, COLDEST = 0.3, 0.1
WIDEST, NARROWEST = 0.204, 0.17
LATENT_RATE, NETWORK_RATE = 0.2, 1e-2
BETAS = 0.8, 0.99
LARGEST_EXPONENT = {"filters": 10, "upsampling": 10}  # of the others 12

Photographs = Sequence[NDArray[np.uint8]]


def read_crops(folder: Path, channels: int) -> list[NDArray[np.uint8]]:
    """The pictures in a folder, all of one size: uint8 [height, width, channels]."""
    mode = "RGB" if channels == 3 else "L"
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg", ".webp"))
    crops = [np.asarray(Image.open(path).convert(mode)) for path in paths]
    return [crop.reshape(*crop.shape[:2], channels) for crop in crops]


def deepened(known: Prior, rd_lambda: float, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """The matrices of a prior with as many levels as there can be: float32, by name, in units of one.

    Latents are in units of a step that goes with the root of λ, as in `presets.choose_pyramid`.
    """
    found = {
        name: torch.tensor(known.matrices[name], dtype=torch.float32) * 2.0 ** -known.exponents[name]
        for name in known.matrices
    }
    more = MAX_LEVELS - known.n_levels
    for name in ("filters", "upsampling"):
        found[name] = torch.cat([found[name], found[name][-1:].expand(more, -1)])
    first = found["synthesis0"]
    first[:, :-1] *= math.sqrt(rd_lambda / known.rd_lambda)
    found["synthesis0"] = torch.cat([first[:, :-1], first[:, -2:-1].expand(-1, more), first[:, -1:]], dim=1)
    grids = grids_of(MAX_LEVELS)
    parents = 0.01 * torch.randn(len(found["parents"]), grids[-1].columns.stop, generator=generator)
    parents[:, kept_columns(known.n_levels, MAX_LEVELS)] = found["parents"]
    coarsest = grids_of(known.n_levels)[known.n_levels - 1]
    for grid in grids:
        if grid.depth >= known.n_levels:
            parents[:, grid.columns.stop - 1] = found["parents"][:, coarsest.columns.stop - 1]
    found["parents"] = parents
    return found


class LossesInTurn:
    """The compiled losses of a CPU, of one crop after the other; see `PlainLosses`."""

    def __init__(self, shape: LatentPyramid, pool: ThreadPoolExecutor | None) -> None:
        self._losses = CompiledLosses(shape, pool)

    def bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bits of each crop's latents: float32 [crops] from [crops, latents]."""
        return torch.stack([self._losses.bits(each, matrices) for each in latents])

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Samples of each crop: float32 [crops, channels, height, width]."""
        return torch.stack([self._losses.image(each, matrices) for each in latents])


@dataclass
class _Group:
    """The crops of one number of levels.

    Attributes:
        losses: Bits and image.
        targets: uint8 [crops, channels, height, width].
        state: Latents and their two moments: float32 [3, crops, latents].
        n_visits: Steps that each crop has had.
    """

    shape: LatentPyramid
    losses: PlainLosses | LossesInTurn
    targets: torch.Tensor
    state: torch.Tensor
    n_visits: int = 0


class SharedFit:
    """Networks for all crops, and latents for each.

    Args:
        crops: uint8 [height, width, channels] each, all of one size.
        start: The prior to begin with.
        rd_lambda: λ of the loss.
        device: "cpu" or "cuda".
        crops_per_step: Crops whose gradients make a step.
    """

    def __init__(
        self, crops: Photographs, start: Prior, rd_lambda: float, device: str, crops_per_step: int
    ) -> None:
        self._rd_lambda, self._device, self._crops_per_step = rd_lambda, device, crops_per_step
        threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._generator = torch.Generator(device).manual_seed(0)
        self._draw = np.random.default_rng(1)
        named = deepened(start, rd_lambda, torch.Generator().manual_seed(0))
        self._prior = replace(start, n_levels=MAX_LEVELS)
        self.names = tuple(named)
        self.matrices = [matrix.to(device).requires_grad_() for matrix in named.values()]
        shares = [0.1 if name in ("filters", "upsampling") else 1.0 for name in named]
        self._masters = [matrix.detach().cpu().clone() for matrix in self.matrices]
        self._soap = Soap(self._masters, rates=shares)
        self._groups = [self._group(crops, n_levels) for n_levels in sorted(set(N_LEVELS))]

    def _group(self, crops: Photographs, n_levels: int) -> _Group:
        mine = [crop for n, crop in enumerate(crops) if N_LEVELS[n % len(N_LEVELS)] == n_levels]
        height, width, channels = crops[0].shape
        shape = LatentPyramid(
            channels=channels, width=width, height=height, n_levels=n_levels, prior=self._prior, gain=NO_GAIN
        )
        targets = torch.tensor(np.moveaxis(np.stack(mine), -1, 1), device=self._device)
        state = torch.zeros(3, len(mine), shape.n_latents, device=self._device)
        losses = PlainLosses(shape) if self._device == "cuda" else LossesInTurn(shape, self._pool)
        return _Group(shape, losses, targets, state)

    def _matrices_of(self, shape: LatentPyramid) -> list[torch.Tensor]:
        """The matrices as crops of that shape have them, differentiable."""
        columns = torch.tensor(kept_columns(shape.n_levels, MAX_LEVELS), device=self._device)
        found = []
        for name, matrix in zip(self.names, self.matrices, strict=True):
            if name == "parents":
                matrix = matrix.index_select(1, columns)
            elif name in ("filters", "upsampling"):
                matrix = matrix[: shape.n_levels - 1]
            elif name == "synthesis0":
                matrix = torch.cat([matrix[:, : shape.n_levels], matrix[:, -1:]], dim=1)
            found.append(matrix)
        return found

    def run(self, n_passes: int, minutes: float | None = None) -> Iterator[float]:
        """Visit every crop so many times, or for so long, rates decaying along a cosine; yields pass's costs."""
        began = time.monotonic()
        for index in range(n_passes):
            progress = index / n_passes
            if minutes is not None:
                progress = (time.monotonic() - began) / (60 * minutes)
            if progress >= 1:
                return
            batches = [
                (group, rows)
                for group in self._groups
                for rows in np.array_split(
                    self._draw.permutation(len(group.targets)),
                    max(1, round(len(group.targets) / self._crops_per_step)),
                )
            ]
            for group in self._groups:
                group.n_visits += 1
            total = sum(self._step(*batches[n], progress) for n in self._draw.permutation(len(batches)))
            yield 1000 * math.exp(float(total) / sum(len(group.targets) for group in self._groups))

    def _step(self, group: _Group, rows: NDArray[np.int64], progress: float) -> torch.Tensor:
        """Fit some crops of a group by a step; the sum of the logarithms of their costs."""
        chosen = torch.tensor(rows, device=self._device)
        latents, first, second = group.state[:, chosen]
        values = latents.clone().requires_grad_()
        logarithms = self._costs(group, values, chosen, progress).log().sum()
        # By the logarithm smooth crops count as much as detailed ones.
        (logarithms / len(rows)).backward()
        rate = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress))
        assert values.grad is not None
        with torch.no_grad():
            first.lerp_(values.grad, 1 - BETAS[0])
            second.lerp_(values.grad.square(), 1 - BETAS[1])
            scale = (second / (1 - BETAS[1] ** group.n_visits)).sqrt() + 1e-12
            latents -= rate * LATENT_RATE / (1 - BETAS[0] ** group.n_visits) * first / scale
            group.state[:, chosen] = torch.stack([latents, first, second])
            for master, matrix in zip(self._masters, self.matrices, strict=True):
                assert matrix.grad is not None
                master.grad = matrix.grad.cpu()
                matrix.grad = None
            self._soap.step(rate * NETWORK_RATE)
            for master, matrix in zip(self._masters, self.matrices, strict=True):
                matrix.copy_(master)
        return logarithms.detach()

    def _costs(
        self, group: _Group, values: torch.Tensor, chosen: torch.Tensor, progress: float
    ) -> torch.Tensor:
        temperature = WARMEST + (COLDEST - WARMEST) * progress
        width = WIDEST + (NARROWEST - WIDEST) * progress
        noise = torch.empty_like(values).uniform_(-0.5, 0.5, generator=self._generator)
        noise += torch.empty_like(values).uniform_(-0.5, 0.5, generator=self._generator)
        noise *= width * math.sqrt(6)
        soft = soft_round(soft_round(values, temperature) + noise, temperature)
        matrices = self._matrices_of(group.shape)
        target = group.targets[chosen].float() / 255
        error = group.losses.image(soft, matrices) - target
        error = torch.where(target == 1, error.clamp_max(0), error)
        error = torch.where(target == 0, error.clamp_min(0), error)
        bits = group.losses.bits(soft, matrices)
        n_pixels = target.shape[-1] * target.shape[-2]
        return error.square().mean((1, 2, 3)) + self._rd_lambda / n_pixels * bits

    def entry(self, rd_lambda: float) -> dict[str, Any]:
        """The prior as priors.json has it."""
        shape = replace(self._groups[-1].shape, n_levels=MAX_LEVELS)
        named = {name: matrix.double() for name, matrix in zip(self.names, self._masters, strict=True)}
        return entry_of(named, shape, rd_lambda)


def entry_of(named: dict[str, torch.Tensor], shape: LatentPyramid, rd_lambda: float) -> dict[str, Any]:
    """A prior as priors.json has it; the exponents leave as much room again for what files add.

    Args:
        named: The matrices in units of one.
        shape: The architecture with all levels.
        rd_lambda: λ that it was fitted for.
    """
    exponents = {}
    for name, matrix in named.items():
        if (
            name == "synthesis0"
        ):  # under the smallest gain its constants are eight times as large beside the rest
            matrix = torch.cat([2 * matrix[:, :-1], 8 * matrix[:, -1:]], dim=1)
        largest = _largest_row_sum(shape, name, matrix)
        room = math.floor(math.log2(largest_row_sum(name) / 2 / largest))
        exponents[name] = min(LARGEST_EXPONENT.get(name, 12), room)
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


def nearest(channels: int, rd_lambda: float, start: Path | None) -> Prior:
    """The prior to begin with."""
    known = priors() if start is None else read_priors(start.read_text(encoding="utf-8"))
    mine = [prior for prior in known if prior.channels == channels]
    return min(mine, key=lambda prior: abs(math.log(prior.rd_lambda / rd_lambda)))


def fit(arguments: argparse.Namespace) -> None:
    """Make one set of networks; what there is after each tenth pass is written too."""
    torch.set_num_threads(arguments.threads)
    start = nearest(arguments.channels, arguments.rd_lambda, arguments.start)
    crops = read_crops(arguments.crops, arguments.channels)
    shared = SharedFit(crops, start, arguments.rd_lambda, arguments.device, arguments.crops_per_step)
    began = time.monotonic()
    for index, cost in enumerate(shared.run(arguments.passes, arguments.minutes), 1):
        print(
            f"pass {index} of {arguments.passes}: cost {cost:.4f}, {time.monotonic() - began:.0f} s",
            flush=True,
        )
        if index % 10 == 0:
            write([shared.entry(arguments.rd_lambda)], arguments.out)
    write([shared.entry(arguments.rd_lambda)], arguments.out)


def join(arguments: argparse.Namespace) -> None:
    """Write sets of networks into one file, in the order given."""
    entries = [entry for path in arguments.sets for entry in json.loads(path.read_text(encoding="utf-8"))]
    write(entries, arguments.out)


def main(words: Sequence[str] | None = None) -> None:
    """Make sets of networks, or join them."""
    parser = argparse.ArgumentParser(prog="benchmarks.prior", description="Networks shared by photographs.")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("fit", help="make one set of networks")
    one.add_argument("crops", type=Path, help="folder of crops, all of one size")
    one.add_argument("--channels", type=int, choices=(1, 3), default=3)
    one.add_argument("--rd-lambda", type=float, default=1e-3)
    one.add_argument("--passes", type=int, default=150)
    one.add_argument("--minutes", type=float, help="time in which rates decay, in place of so many passes")
    one.add_argument("--start", type=Path, help="file of the prior to begin with, in place of inr's")
    one.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    one.add_argument("--threads", type=int, default=2)
    one.add_argument("--crops-per-step", type=int, default=8)
    one.add_argument("--out", type=Path, required=True)
    one.set_defaults(run=fit)
    several = commands.add_parser("join", help="write sets into one file")
    several.add_argument("sets", type=Path, nargs="+")
    several.add_argument("--out", type=Path, required=True)
    several.set_defaults(run=join)
    arguments = parser.parse_args(words)
    arguments.run(arguments)


if __name__ == "__main__":
    main()

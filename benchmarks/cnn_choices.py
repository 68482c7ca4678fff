"""What each part of family `cnn` and of its fit is worth: the same crops fitted with and without it, in pairs.

    python -m benchmarks.cnn_choices --images kodak --names kodim02 kodim08 --out NAME [--against ../before]

Every figure is of a file and of what it decodes to: cost = 1000 · (MSE + λ · bpp), lower is better. A pair is one
crop with one seed, fitted as chosen and otherwise; the page has the mean of the ratios of their costs and its
standard error. `--against` names a checkout of another commit, whose `inr.encode` is one more way to fit. Writes
OUT.json and OUT.md.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import frame, journal
from benchmarks.frame import number, table, timed
from benchmarks.rd.measuring import Pixels, list_images, read_pixels
from inr.bitstream import Container, pack
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.losses import losses_on
from inr.cnn.fit.presets import choose_pyramid
from inr.cnn.fit.trainer import PyramidFit, PyramidSettings
from inr.decoder import decode
from inr.metrics import mse

Mask = Callable[[LatentPyramid, str, torch.Tensor], None]
OTHER = "the other commit"

_THE_OTHER = """
import json, sys, time, numpy as np, torch
torch.set_num_threads(1)
from inr import CodecConfig, decode, encode
pixels, (rd_lambda, n_steps, seed) = np.load(sys.argv[1]), json.loads(sys.argv[2])
started = time.process_time()
config = CodecConfig(model="cnn", preset="draft", rd_lambda=rd_lambda, seed=seed)
data = encode(pixels, config, n_steps=n_steps, device="cpu").bitstream
seconds = time.process_time() - started
error = np.square(decode(data).pixels / 255.0 - pixels / 255.0).mean()
print(json.dumps([len(data), float(error), seconds]))
"""


def _parents(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    if name == "parents":
        constants = [grid.columns.stop - 1 for grid in shape.grids]
        kept[:, [n for n in range(kept.shape[1]) if n not in constants]] = 0


def _hyperlatents(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    if name == "parents":
        for grid in shape.grids:
            for n, place in enumerate(grid.parents):
                if shape.grids[place].is_hyper:
                    kept[:, grid.first_column + n] = 0
    if name == "latents":
        sizes = [math.prod(size) for size in shape.grid_shapes]
        kept[sum(sizes[: shape.n_levels]) :] = 0


def _filters(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    if name == "filters":
        kept[:] = 0


def _linear_paths(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    if name in ("context0", "parents"):
        kept[shape.prior.context_neurons :] = 0
    if name == "synthesis0":
        kept[shape.prior.synthesis_neurons :] = 0


def _level_biases(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    if name == "parents":
        kept[:] = 0


@dataclass(frozen=True)
class Choice:
    """One way to fit: its differences from the chosen one.

    Attributes:
        name: The choice in words.
        settings: Changes of `PyramidSettings`.
        without: Weights and latents that stay what they begin as, by their mask.
        one_sided: False if samples beyond the ends of the scale count as errors.
        more_neurons: Neurons beyond the prior's in the context model's layers and in the synthesis.
        seed: Added to the seed.
        steps_factor: Factor of the number of steps.
        in_general: True if it is a choice of the fit and not of the form.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    without: tuple[Mask, ...] = ()
    one_sided: bool = True
    more_neurons: tuple[int, int] = (0, 0)
    seed: int = 0
    steps_factor: float = 1.0


CHOICES = (
    Choice("as chosen"),
    Choice("another seed", seed=100),
    Choice("error on both sides", one_sided=False),
    Choice("nothing beside the first form", without=(_level_biases, _hyperlatents, _filters, _linear_paths)),
    Choice("no parents, biases per level alone", without=(_parents, _hyperlatents)),
    Choice("no hyperlatents", without=(_hyperlatents,)),
    Choice("no filters", without=(_filters,)),
    Choice("no linear paths", without=(_linear_paths,)),
    Choice("4 and 8 neurons more", more_neurons=(4, 8)),
    Choice("8 synthesis neurons more", more_neurons=(0, 8)),
    Choice(
        "noise .22 to .15, T .35 to .08",
        {"widest": 0.22, "narrowest": 0.15, "warmest": 0.35, "coldest": 0.08},
    ),
    Choice("noise .22 to .15", {"widest": 0.22, "narrowest": 0.15}),
    Choice("noise .23 to .18", {"widest": 0.23, "narrowest": 0.18}),
    Choice("T .35 to .08", {"warmest": 0.35, "coldest": 0.08}),
    Choice("T .3 to .1", {"warmest": 0.3}),
    Choice("twice the steps", steps_factor=2.0),
    Choice("half the steps", steps_factor=0.5),
    Choice("networks' rate 1.5e-2", {"network_rate": 1.5e-2}),
    Choice("networks' rate 7e-3", {"network_rate": 7e-3}),
    Choice("latents' rate .25", {"latent_rate": 0.25}),
    Choice("latents' rate .16", {"latent_rate": 0.16}),
    Choice("tail a twentieth", {"tail_fraction": 0.05}),
    Choice("tail a fifth", {"tail_fraction": 0.2}),
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A file: its choice, its crop and seed, its bytes, cost and the processor time of the fit."""

    choice: str
    image: str
    seed: int
    n_bytes: int
    network_bytes: float | None
    cost: float
    encode_seconds: float


@dataclass(frozen=True)
class Result:
    """Every choice on every crop and seed."""

    results: Sequence[Measured]


@dataclass(frozen=True)
class Trial:
    """A choice to try on a crop; `choice` is its place in `CHOICES`, or that of the other commit behind them."""

    image: Path
    side: int
    choice: int
    rd_lambda: float
    n_steps: int
    seed: int
    code: str
    other: Path | None = None

    @property
    def name(self) -> str:
        """The choice in words."""
        return CHOICES[self.choice].name if self.choice < len(CHOICES) else OTHER

    @property
    def key(self) -> str:
        """See `benchmarks.journal.Point`."""
        return (
            f"{self.image.stem} {self.side} {self.name}, λ={self.rd_lambda:g}, {self.n_steps} steps, "
            f"seed {self.seed}, {self.code}"
        )

    def measure(self) -> Measured:
        """Fit, write the file, and decode it."""
        pixels = centre_crop(read_pixels(self.image), self.side)
        if self.choice == len(CHOICES):
            n_bytes, error, seconds = self._fit_elsewhere(pixels)
            of_networks = None
        else:
            (data, decoded, of_networks), seconds = timed(lambda: self._fit_here(pixels))
            error, n_bytes = mse(reference=pixels, decoded=decoded), len(data)
        rate = 8 * n_bytes / (pixels.shape[0] * pixels.shape[1])
        return Measured(
            choice=self.name,
            image=self.image.stem,
            seed=self.seed,
            n_bytes=n_bytes,
            network_bytes=of_networks,
            cost=1000 * (error + self.rd_lambda * rate),
            encode_seconds=seconds,
        )

    def _fit_here(self, pixels: Pixels) -> tuple[bytes, Pixels, float]:
        choice = CHOICES[self.choice]
        shape = _wider(choose_pyramid(pixels, self.rd_lambda), choice.more_neurons)
        settings = PyramidSettings(n_steps=round(self.n_steps * choice.steps_factor), **choice.settings)
        with losses_on("cpu", shape) as losses:
            generator = torch.Generator().manual_seed(self.seed + choice.seed)
            fit = PyramidFit(pixels, shape, settings, losses, self.rd_lambda, generator, lambda _: True)
            _hold(fit, shape, choice)
            fit.together()
            fit.round_latents()
            exponents = fit.choose_exponents()
            fit.networks_alone(exponents)
            network = fit.finish(exponents).network
        sections = network.sections()
        height, width, channels = pixels.shape
        parts = sections.architecture, sections.tensors, sections.payload
        data = pack(Container("cnn", width, height, channels, *parts))
        known_to_decoders = choice.more_neurons == (0, 0)
        decoded = decode(data).pixels if known_to_decoders else network.render()
        bits = sum(size.bits for size in network.sizes() if size.name in shape.matrices)
        return data, decoded, bits / 8 + len(sections.tensors)

    def _fit_elsewhere(self, pixels: Pixels) -> tuple[int, float, float]:
        assert self.other is not None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pixels.npy"
            np.save(path, pixels)
            words = [sys.executable, "-c", _THE_OTHER, str(path)]
            words.append(json.dumps([self.rd_lambda, self.n_steps, self.seed]))
            where = {**os.environ, "PYTHONPATH": str(self.other), "OMP_NUM_THREADS": "1"}
            done = subprocess.run(words, cwd=self.other, env=where, check=True, capture_output=True)
        n_bytes, error, seconds = json.loads(done.stdout.splitlines()[-1])
        return n_bytes, error, seconds


def _hold(fit: PyramidFit, shape: LatentPyramid, choice: Choice) -> None:
    """Have a fit leave alone what a choice does without."""
    tensors = {**dict(zip(shape.matrices, fit.matrices, strict=True)), "latents": fit.latents}
    for name, tensor in tensors.items():
        kept = torch.ones_like(tensor)
        for mask in choice.without:
            mask(shape, name, kept)
        if not bool(kept.all()):
            tensor.register_hook(lambda gradient, kept=kept: gradient * kept)
    if not choice.one_sided:
        fit.least.fill_(-math.inf)
        fit.most.fill_(math.inf)


def _wider(shape: LatentPyramid, more: tuple[int, int]) -> LatentPyramid:
    """The architecture with more neurons, whose results begin as nothing."""
    if more == (0, 0):
        return shape
    draw, known = np.random.default_rng(0), shape.prior
    hidden, wide = known.context_neurons, known.synthesis_neurons
    matrices, exponents = dict(known.matrices), known.exponents

    def rows(name: str, at: int, n: int, n_inputs: int) -> None:
        matrix = matrices[name]
        new = draw.normal(0, n_inputs**-0.5, (n, matrix.shape[1])) * 2.0 ** exponents[name]
        matrices[name] = np.insert(matrix, at, new.astype(np.int32), axis=0)

    rows("context0", hidden, more[0], 64)
    rows("context1", hidden, more[0], hidden)
    rows("synthesis0", wide, more[1], 16)
    matrices["parents"] = np.insert(matrices["parents"], [hidden] * more[0], 0, axis=0)
    for name, at, n in (
        ("context1", hidden, more[0]),
        ("context2", hidden, more[0]),
        ("synthesis1", wide, more[1]),
    ):
        matrices[name] = np.insert(matrices[name], [at] * n, 0, axis=1)
    wider = replace(
        known,
        context_neurons=hidden + more[0],
        synthesis_neurons=wide + more[1],
        matrices=matrices,
    )
    return replace(shape, prior=wider)


def centre_crop(pixels: Pixels, side: int) -> Pixels:
    """The middle of an image: uint8 [side, side, channels], or less where it is smaller."""
    height, width, _ = pixels.shape
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of images")
    parser.add_argument("--names", nargs="+", required=True, help="stems of the images to take")
    parser.add_argument("--side", type=int, default=256, help="side of the crop in their middle, in pixels")
    parser.add_argument("--rd-lambda", type=float, default=0.001)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2, help="processes at once, of one thread each")
    parser.add_argument("--only", nargs="*", help="choices to measure, beside the first")
    parser.add_argument("--against", type=Path, metavar="DIR", help="checkout of another commit")


def measure(arguments: argparse.Namespace) -> Result:
    """Try every choice on every crop with every seed."""
    code = frame.codec_digest()[:16]
    wanted = [
        n
        for n, choice in enumerate(CHOICES)
        if n == 0 or arguments.only is None or choice.name in arguments.only
    ]
    trials = [
        Trial(image, arguments.side, n, arguments.rd_lambda, arguments.steps, seed, code, arguments.against)
        for n in (*wanted, *([len(CHOICES)] if arguments.against else []))
        for image in list_images(arguments.images, arguments.names)
        for seed in range(arguments.seeds)
    ]
    path = frame.result_file(arguments.out, ".jsonl")
    return Result(journal.measured(trials, Measured, path, n_processes=arguments.jobs, n_threads=1))


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    return [
        "# What each part of family cnn and of its fit is worth",
        "",
        f"{', '.join(arguments.names)}, the middle {arguments.side} x {arguments.side} pixels; λ = "
        f"{arguments.rd_lambda:g}; {arguments.steps} steps; {arguments.seeds} seeds; one thread each,",
        f"{arguments.jobs} at once. Each row is the mean, over pairs of fits of one crop with one seed, of the",
        "ratio of its cost to that as chosen, and its standard error. Below zero: the row is better.",
        *table(("fit", "pairs", "cost, %", "± %", "networks, bytes", "time, ratio"), rows_of(result.results)),
    ]


def rows_of(results: Sequence[Measured]) -> Iterator[list[str]]:
    """A row for each choice beside the first."""
    chosen = {(found.image, found.seed): found for found in results if found.choice == CHOICES[0].name}
    for choice in dict.fromkeys(found.choice for found in results):
        mine = [found for found in results if found.choice == choice]
        ratios = [100 * (found.cost / chosen[found.image, found.seed].cost - 1) for found in mine]
        times = [found.encode_seconds / chosen[found.image, found.seed].encode_seconds for found in mine]
        error = statistics.stdev(ratios) / math.sqrt(len(ratios)) if len(ratios) > 1 else None
        of_networks = [found.network_bytes for found in mine if found.network_bytes is not None]
        yield [
            choice,
            str(len(mine)),
            number(statistics.mean(ratios), 2),
            number(error, 2),
            number(statistics.mean(of_networks) if of_networks else None, 0),
            number(statistics.median(times), 2),
        ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.cnn_choices", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

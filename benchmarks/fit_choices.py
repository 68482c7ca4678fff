"""The worth of each choice in a fit: the same images at one λ, one choice changed at a time.

    python -m benchmarks.fit_choices --images kodak --names kodim03 kodim20 kodim24 --out NAME

Images that no other claim is measured on. Every figure is of a file and of what it decodes to:
cost = 1000 · (MSE + λ · bpp), lower is better, beside the chosen settings in the same run. A fit
of one image scatters by about 2 % with its seed. Writes OUT.json and OUT.md.
"""

import argparse
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import frame, journal
from benchmarks.frame import number, table, timed
from benchmarks.rd.measuring import Pixels, list_images, measures_of, read_pixels
from benchmarks.rd.results import FilePoint, cost_of
from inr.bitstream import Container, pack
from inr.decoder import decode
from inr.mlp.architecture import CoordinateMLP
from inr.mlp.fit.encoder import network_of
from inr.mlp.fit.muon import MatrixOptimizer, Muon
from inr.mlp.fit.presets import choose_architecture
from inr.mlp.fit.trainer import FitSettings, RoundedFit, fit

Stacks = Sequence[torch.Tensor]


class _Stepwise:
    """An optimiser of torch's kind as a MatrixOptimizer, over single matrices."""

    def __init__(
        self, groups: Stacks, make: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]
    ) -> None:
        matrices = [matrix for group in groups for matrix in group.view(-1, *group.shape[-2:])]
        self._parameters = [torch.nn.Parameter(matrix) for matrix in matrices]
        self._optimizer = make(self._parameters)

    def step(self, gradients: Stacks, rate: float) -> None:
        """Take one step; a group's rate is relative to the settings' matrix rate."""
        flat = [matrix for group in gradients for matrix in group.reshape(-1, *group.shape[-2:])]
        for parameter, gradient in zip(self._parameters, flat, strict=True):
            parameter.grad = gradient
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()


def adam(groups: Stacks) -> MatrixOptimizer:
    """Adam on the matrices too."""
    return _Stepwise(groups, lambda parameters: torch.optim.Adam(parameters, betas=(0.9, 0.99)))


def soap(groups: Stacks) -> MatrixOptimizer:
    """SOAP (arXiv 2409.11321), as the package pytorch-optimizer has it."""
    from pytorch_optimizer import SOAP

    return _Stepwise(
        groups,
        lambda parameters: SOAP(parameters, betas=(0.95, 0.95), weight_decay=0.0, precondition_frequency=10),
    )


@dataclass(frozen=True)
class Choice:
    """One way to fit: its differences from the chosen one."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    width_factor: float = 1.0
    optimizer: Callable[[Stacks], MatrixOptimizer] = Muon
    seed: int = 0
    steps_factor: float = 1.0


CHOICES = (
    Choice("as chosen"),
    Choice("another seed", seed=1),
    Choice("Adam, 0.002", {"matrix_rate": 0.002}, optimizer=adam),
    Choice("Adam, 0.005", {"matrix_rate": 0.005}, optimizer=adam),
    Choice("SOAP, 0.003", {"matrix_rate": 0.003}, optimizer=soap),
    Choice("SOAP, 0.01", {"matrix_rate": 0.01}, optimizer=soap),
    Choice("Muon, 0.02", {"matrix_rate": 0.02}),
    Choice("Muon, 0.08", {"matrix_rate": 0.08}),
    Choice("batches of 16384, half the steps", {"batch_pixels": 16384}, steps_factor=0.5),
    Choice("step rate 0.01", {"step_rate": 0.01}),
    Choice("hard tail 2 %", {"hard_fraction": 0.02}),
    Choice("hard tail 10 %", {"hard_fraction": 0.1}),
    Choice("width x 0.8", width_factor=0.8),
    Choice("width x 1.25", width_factor=1.25),
    Choice("4 layers, as many weights", network={"depth": 4}, width_factor=math.sqrt(5 / 3)),
    Choice("8 layers, as many weights", network={"depth": 8}, width_factor=math.sqrt(5 / 7)),
    Choice("12 frequencies", network={"n_frequencies": 12}),
    Choice("16 frequencies", network={"n_frequencies": 16}),
)


@dataclass(frozen=True, kw_only=True)
class Fitted(FilePoint):
    """A choice on an image: its file, and the size of its networks. The file is decoded once."""

    choice: str
    width: int


@dataclass(frozen=True)
class Result:
    """Every choice on every image."""

    results: Sequence[Fitted]


@dataclass(frozen=True)
class Trial:
    """A choice to try on an image; `choice` is its place in `CHOICES`."""

    image: Path
    choice: int
    rd_lambda: float
    n_steps: int
    code: str

    @property
    def key(self) -> str:
        """See `benchmarks.journal.Point`."""
        name = CHOICES[self.choice].name
        return f"{self.image.stem} {name}, λ={self.rd_lambda:g}, {self.n_steps} steps, {self.code[:16]}"

    def measure(self) -> Fitted:
        """Fit, write the file, and decode it."""
        choice, pixels = CHOICES[self.choice], read_pixels(self.image)
        network = choose_architecture(pixels, self.rd_lambda)
        neurons = 4 * round(network.n_neurons * choice.width_factor / 4)
        network = replace(network, n_neurons=neurons, **choice.network)
        n_steps = round(self.n_steps * choice.steps_factor)
        fitted, seconds = timed(
            lambda: fit(
                pixels,
                network,
                FitSettings(n_steps=n_steps, **choice.settings),
                rd_lambda=self.rd_lambda,
                seed=choice.seed,
                device="cpu",
                goes_on=lambda _: True,
                matrix_optimizer=choice.optimizer,
            )
        )
        assert fitted is not None  # it was to go on
        data = write_file(pixels, network, fitted)
        decoded, decode_seconds = timed(lambda: decode(data))
        return Fitted(
            **measures_of(self.image, pixels, data, decoded.pixels),
            choice=choice.name,
            width=neurons,
            setting=self.rd_lambda,
            encode_seconds=seconds,
            decode_seconds=decode_seconds,
        )


def write_file(pixels: Pixels, network: CoordinateMLP, fitted: RoundedFit) -> bytes:
    """The bitstream of a fit."""
    height, width, channels = pixels.shape
    sections = network_of(network, fitted.symbols, fitted.step_indices, pixels.shape).sections()
    architecture, tensors, payload = sections.architecture, sections.tensors, sections.payload
    return pack(Container("mlp", width, height, channels, architecture, tensors, payload))


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of images")
    parser.add_argument("--names", nargs="+", required=True, help="stems of the images to take")
    parser.add_argument("--rd-lambda", type=float, default=0.004)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2, help="processes at once, of one thread each")
    parser.add_argument("--only", nargs="*", help="choices to measure, beside the first")


def measure(arguments: argparse.Namespace) -> Result:
    """Try every choice on every image."""
    code = frame.codec_digest()
    trials = [
        Trial(image, number, arguments.rd_lambda, arguments.steps, code)
        for number, choice in enumerate(CHOICES)
        for image in list_images(arguments.images, arguments.names)
        if number == 0 or arguments.only is None or choice.name in arguments.only
    ]
    path = frame.result_file(arguments.out, ".jsonl")
    return Result(journal.measured(trials, Fitted, path, n_processes=arguments.jobs, n_threads=1))


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    return [
        "# What each choice in a fit is worth",
        "",
        f"{', '.join(arguments.names)}; λ = {arguments.rd_lambda:g}; {arguments.steps} steps of at most 8192",
        f"pixels, one thread each, {arguments.jobs} at once. Means over the images, from file bytes and",
        "decoded files. Cost is MSE + λ · bpp, as the mean change against the settings as chosen;",
        "“another seed” shows what is noise.",
        *table(("choice", "bpp", "PSNR, dB", "cost, %", "time, ratio"), summary_rows(result.results)),
    ]


def summary_rows(results: Sequence[Fitted]) -> Iterator[list[str]]:
    """A row per choice: mean bpp and PSNR, cost and time relative to the first choice on the same image."""
    base = {fitted.image: fitted for fitted in results if fitted.choice == CHOICES[0].name}
    for choice in dict.fromkeys(fitted.choice for fitted in results):
        mine = [fitted for fitted in results if fitted.choice == choice]
        costs = [cost_of(fitted) / cost_of(base[fitted.image]) for fitted in mine]
        times = [fitted.encode_seconds / base[fitted.image].encode_seconds for fitted in mine]
        yield [
            choice,
            number(statistics.mean(fitted.bpp for fitted in mine), 4),
            number(statistics.mean(fitted.psnr_db for fitted in mine), 2),
            number(100 * (statistics.mean(costs) - 1), 1),
            number(statistics.median(times), 2),
        ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.fit_choices", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

"""What each choice in a fit is worth: the same images at one λ, one choice changed at a time.

    python -m benchmarks.fit_choices --images kodak --names kodim03 kodim20 kodim24 --out NAME

Images that no other claim is measured on. Every figure is of a file and of what it decodes to:
cost = 1000 · (MSE + λ · bpp), lower is better, beside the chosen settings in the same run. A fit
of one image scatters by about 2 % with its seed. Writes OUT.json and OUT.md.
"""

import argparse
import dataclasses
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.provenance import headline, provenance, result_file
from benchmarks.rd import limit_threads, read_pixels
from benchmarks.rd_report import number, table
from inr.bitstream import Container, pack
from inr.decoder import decode
from inr.metrics import bpp, mse
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


@dataclasses.dataclass(frozen=True)
class Choice:
    """One way to fit: what differs from the chosen one."""

    name: str
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    network: dict[str, Any] = dataclasses.field(default_factory=dict)
    width_factor: float = 1.0
    optimizer: Callable[[Stacks], MatrixOptimizer] = Muon


CHOICES = (
    Choice("as chosen"),
    Choice("another seed", {"seed": 1}),
    Choice("Adam, 0.002", {"matrix_rate": 0.002}, optimizer=adam),
    Choice("Adam, 0.005", {"matrix_rate": 0.005}, optimizer=adam),
    Choice("SOAP, 0.003", {"matrix_rate": 0.003}, optimizer=soap),
    Choice("SOAP, 0.01", {"matrix_rate": 0.01}, optimizer=soap),
    Choice("Muon, 0.02", {"matrix_rate": 0.02}),
    Choice("Muon, 0.08", {"matrix_rate": 0.08}),
    Choice("batches of 16384, half the steps", {"batch_pixels": 16384, "halved": True}),
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


def write_file(pixels: NDArray[np.uint8], network: CoordinateMLP, fitted: RoundedFit) -> bytes:
    """The bitstream of a fit."""
    height, width, channels = pixels.shape
    sections = network_of(network, fitted.symbols, fitted.step_indices, pixels.shape).sections()
    architecture, tensors, payload = sections.architecture, sections.tensors, sections.payload
    return pack(Container("mlp", width, height, channels, architecture, tensors, payload))


def measure(path: Path, index: int, rd_lambda: float, n_steps: int) -> dict[str, Any]:
    """One choice on one image."""
    choice, pixels = CHOICES[index], read_pixels(path)
    network = choose_architecture(pixels, rd_lambda)
    neurons = 4 * round(network.n_neurons * choice.width_factor / 4)
    network = dataclasses.replace(network, n_neurons=neurons, **choice.network)
    changed = dict(choice.settings)
    seed = changed.pop("seed", 0)
    if changed.pop("halved", False):
        n_steps //= 2
    started = time.perf_counter()
    fitted = fit(
        pixels,
        network,
        FitSettings(n_steps=n_steps, **changed),
        rd_lambda=rd_lambda,
        seed=seed,
        device="cpu",
        goes_on=lambda _: True,
        matrix_optimizer=choice.optimizer,
    )
    seconds = time.perf_counter() - started
    assert fitted is not None  # it was to go on
    bitstream = write_file(pixels, network, fitted)
    error = mse(reference=pixels, decoded=decode(bitstream).pixels)
    rate = bpp(n_bytes=len(bitstream), width=pixels.shape[1], height=pixels.shape[0])
    return {
        "choice": choice.name,
        "image": path.stem,
        "width": network.n_neurons,
        "bpp": rate,
        "psnr_db": -10 * math.log10(error),
        "cost": 1000 * (error + rd_lambda * rate),
        "fit_seconds": seconds,
    }


def summary_rows(results: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    """A row per choice: mean bpp and PSNR, cost and time relative to the first choice on the same image."""
    base = {result["image"]: result for result in results if result["choice"] == CHOICES[0].name}
    for choice in CHOICES:
        mine = [result for result in results if result["choice"] == choice.name]
        if mine:
            ratios = [result["cost"] / base[result["image"]]["cost"] for result in mine]
            times = [result["fit_seconds"] / base[result["image"]]["fit_seconds"] for result in mine]
            yield [
                choice.name,
                number(statistics.mean(result["bpp"] for result in mine), 4),
                number(statistics.mean(result["psnr_db"] for result in mine), 2),
                number(100 * (statistics.mean(ratios) - 1), 1),
                number(statistics.median(times), 2),
            ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks.fit_choices", description="What each choice is worth.")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--names", nargs="+", required=True)
    parser.add_argument("--rd-lambda", type=float, default=0.004)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="choices to measure, beside the first")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    wanted = [i for i, c in enumerate(CHOICES) if i == 0 or options.only is None or c.name in options.only]
    pool = ProcessPoolExecutor(options.jobs, get_context("spawn"), limit_threads, (1,))
    with pool:
        futures = [
            pool.submit(measure, options.images / f"{name}.png", i, options.rd_lambda, options.steps)
            for i in wanted
            for name in options.names
        ]
        results = []
        for future in futures:
            results.append(future.result())
            print(results[-1], file=sys.stderr, flush=True)
    origin = provenance("benchmarks.fit_choices", sys.argv[1:] if arguments is None else arguments)
    page = [
        "# What each choice in a fit is worth",
        "",
        *headline(origin),
        "",
        f"{', '.join(options.names)}; λ = {options.rd_lambda:g}; {options.steps} steps of at most 8192",
        f"pixels, one thread each, {options.jobs} at once. Means over the images, from file bytes and",
        "decoded files. Cost is MSE + λ · bpp, as the mean change against the settings as chosen;",
        "“another seed” shows what is noise.",
        *table(["choice", "bpp", "PSNR, dB", "cost, %", "time, ratio"], summary_rows(results)),
    ]
    saved = json.dumps({**origin, "results": results}, indent=1)
    result_file(options.out, ".json").write_text(saved + "\n", encoding="utf-8")
    result_file(options.out, ".md").write_text("\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

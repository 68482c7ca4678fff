"""The course of entropy and PSNR over a fit, for several λ and both families: the data of Fig. 5.

    python -m benchmarks.training --images kodak --out benchmarks/results/fig5

fits one crop at each λ and writes the reports of each fit to OUT.json: rate (Eq. 4) and PSNR as the fit
itself sees them at that step. In family `cnn` PSNR drops where latents and networks are rounded, in the
last tenth of a fit.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks import frame
from benchmarks.frame import number, table
from benchmarks.journal import limit_threads
from benchmarks.rd.measuring import Pixels, crop, list_images, read_pixels
from inr.config import MODELS, PRESETS, CodecConfig

Item = TypeVar("Item")

BOX = (200, 100, 456, 356)  # left, top, right, bottom: 256 x 256
LAMBDAS = (0.0005, 0.002, 0.008, 0.032)
KEPT = 60  # reports of a fit, so that a figure stays small


@dataclass(frozen=True)
class FitHistory:
    """One fit: its reports as pairs (step, estimated bpp) and (step, dB), and the file that it became."""

    model: str
    rd_lambda: float
    n_steps: int
    estimated_bpp: Sequence[tuple[float, float]]
    psnr_db: Sequence[tuple[float, float]]
    file_bpp: float
    file_psnr_db: float


@dataclass(frozen=True)
class Result:
    """The fits of one image with one preset, which Fig. 5 names."""

    image: str
    preset: str
    fits: Sequence[FitHistory]


def fit_history(pixels: Pixels, config: CodecConfig) -> FitHistory:
    """The history of one fit."""
    from inr import encode

    encoded = encode(pixels, config, device="cpu")
    last = encoded.history[-1].attempt  # a fit that collapsed was begun again; its reports are left out
    reports = thinned([report for report in encoded.history if report.attempt == last], KEPT)
    return FitHistory(
        model=config.model,
        rd_lambda=encoded.rd_lambda,
        n_steps=reports[-1].n_steps,
        estimated_bpp=[(report.step, round(report.estimated_bpp, 4)) for report in reports],
        psnr_db=[(report.step, round(report.psnr_db, 3)) for report in reports],
        file_bpp=encoded.rate_bpp,
        file_psnr_db=encoded.psnr_db,
    )


def thinned(items: Sequence[Item], n_kept: int) -> list[Item]:
    """At most `n_kept` of them, evenly spread, the first and the last among them."""
    if len(items) <= n_kept:
        return list(items)
    return [items[round(n * (len(items) - 1) / (n_kept - 1))] for n in range(n_kept)]


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of images")
    parser.add_argument("--name", default="kodim15", help="stem of the image")
    parser.add_argument("--box", type=int, nargs=4, default=BOX, help="left, top, right, bottom of the crop")
    parser.add_argument("--lambdas", type=float, nargs="+", default=LAMBDAS)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--preset", default="draft", choices=PRESETS)
    parser.add_argument("--threads", type=int, default=1)


def measure(arguments: argparse.Namespace) -> Result:
    """The history of every fit."""
    limit_threads(arguments.threads)
    (image,) = list_images(arguments.images, [arguments.name])
    pixels = read_pixels(crop(image, arguments.box, arguments.work))
    (height, width, _), (left, top, *_) = pixels.shape, arguments.box
    configs = [
        CodecConfig(model=model, preset=arguments.preset, rd_lambda=rd_lambda)
        for model in arguments.models
        for rd_lambda in arguments.lambdas
    ]
    fits = [fit_history(pixels, config) for config in configs]
    return Result(f"{arguments.name}, {width}x{height} at {left},{top}", arguments.preset, fits)


def page(result: Result, _: argparse.Namespace) -> list[str]:
    """The lines of the page: what each fit came to; the figure shows its way there."""
    rows = [
        [
            fit.model,
            f"{fit.rd_lambda:g}",
            str(fit.n_steps),
            number(fit.file_bpp, 4),
            number(fit.file_psnr_db, 2),
        ]
        for fit in result.fits
    ]
    title = f"# Fits of {result.image}, preset {result.preset}"
    return [title, *table(("model", "λ", "steps", "bpp of the file", "PSNR, dB"), rows)]


def main(words: Sequence[str] | None = None) -> None:
    """Fit and write the result."""
    frame.run("benchmarks.training", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()

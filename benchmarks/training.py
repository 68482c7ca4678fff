"""How entropy and PSNR move over a fit, for several λ and both families: the data of the patent's Fig. 5.

    python -m benchmarks.training --images kodak --out benchmarks/results/fig5

fits one crop at each λ and writes every report of each fit to OUT.json: rate (Eq. 4) and PSNR as the fit
itself sees them at that step. In family `cnn` PSNR drops where latents and networks are rounded, in the
last tenth of a fit.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.provenance import provenance, result_file
from benchmarks.rd import limit_threads, list_images
from benchmarks.rd_report import to_json
from inr.config import MODELS, PRESETS, CodecConfig

BOX = (200, 100, 456, 356)  # left, top, right, bottom: 256 x 256
NAME = "kodim15"
LAMBDAS = (0.0005, 0.002, 0.008, 0.032)
KEPT = 60  # reports of a fit, so that a figure stays small


def fit_history(pixels: NDArray[np.uint8], config: CodecConfig) -> dict[str, Any]:
    """One fit: its reports as pairs (step, estimated bpp) and (step, dB), and what the file came to."""
    from inr import encode

    encoded = encode(pixels, config, device="cpu")
    last = encoded.history[-1].attempt  # a fit that collapsed was begun again; its reports are left out
    reports = thinned([report for report in encoded.history if report.attempt == last], KEPT)
    return {
        "model": config.model,
        "rd_lambda": config.rd_lambda,
        "n_steps": reports[-1].n_steps,
        "estimated_bpp": [[report.step, round(report.estimated_bpp, 4)] for report in reports],
        "psnr_db": [[report.step, round(report.psnr_db, 3)] for report in reports],
        "file_bpp": encoded.rate_bpp,
        "file_psnr_db": encoded.psnr_db,
    }


def thinned(reports: Sequence[Any], n_kept: int) -> list[Any]:
    """At most `n_kept` of them, evenly spread, the first and the last among them."""
    if len(reports) <= n_kept:
        return list(reports)
    return [reports[round(n * (len(reports) - 1) / (n_kept - 1))] for n in range(n_kept)]


def main(words: Sequence[str] | None = None) -> None:
    """Fits and writes OUT.json."""
    given = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(prog="benchmarks.training", description="The data of Fig. 5.")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of images")
    parser.add_argument("--name", default=NAME, help="stem of the image")
    parser.add_argument("--box", type=int, nargs=4, default=BOX, help="left, top, right, bottom of the crop")
    parser.add_argument("--lambdas", type=float, nargs="+", default=LAMBDAS)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--preset", default="draft", choices=PRESETS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, metavar="NAME", help="writes NAME.json")
    arguments = parser.parse_args(given)
    limit_threads(arguments.threads)
    (image,) = list_images(arguments.images, [arguments.name])
    with Image.open(image) as opened:
        pixels = np.asarray(opened.convert("RGB").crop(tuple(arguments.box)))
    left, top, _, _ = arguments.box
    fits = []
    for model in arguments.models:
        for rd_lambda in arguments.lambdas:
            print(f"{model} λ={rd_lambda:g}", file=sys.stderr, flush=True)
            config = CodecConfig(model=model, preset=arguments.preset, rd_lambda=rd_lambda)
            fits.append(fit_history(pixels, config))
    report = {
        **provenance("benchmarks.training", given),
        "image": f"{arguments.name}, {pixels.shape[1]}x{pixels.shape[0]} at {left},{top}",
        "preset": arguments.preset,
        "fits": fits,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    result_file(arguments.out, ".json").write_text(to_json(report), encoding="utf-8")


if __name__ == "__main__":
    main()

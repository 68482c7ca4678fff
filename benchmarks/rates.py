"""How long fits take and how large their files are, by preset, λ and size: what `inr plan` goes by at first.

    python -m benchmarks.rates --out tasks/rates

A crop of a real photograph in two sizes and a whole one, on one thread, which is what a worker of the
flow has. The seconds are those of that thread, so they hold on a machine that does other work beside.
Writes tasks/plan/rates.json, which the package carries; a store's own rows come before it.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.provenance import provenance, result_file
from benchmarks.rd import limit_threads, read_pixels
from benchmarks.samples import SHIPPED, make_crops
from inr.config import MODELS, PRESETS, CodecConfig

LAMBDAS = {"mlp": (0.0015, 0.006, 0.025), "cnn": (0.0003, 0.001, 0.004)}
SIDES = {"draft": (64, 192), "standard": (64, 192), "best": (64, 128)}
# By model and preset; nobody waits for those of the others: `cnn` with `standard` takes a quarter of an hour.
WHOLE = {
    ("mlp", "draft"): ("coffee.png",),
    ("mlp", "standard"): ("coffee.png",),
    ("cnn", "draft"): ("coffee.png",),
}


@dataclass(frozen=True)
class Job:
    """One fit to time."""

    model: str
    preset: str
    rd_lambda: float
    path: Path


def jobs(models: Sequence[str], presets: Sequence[str], folder: Path) -> Iterator[Job]:
    """Every fit, small ones first; `folder` is filled with the crops."""
    for preset in presets:
        crops = [make_crops(folder / str(side), n_images=1, side=side)[0] for side in SIDES[preset]]
        for model in models:
            for path in (*crops, *(SHIPPED / name for name in WHOLE.get((model, preset), ()))):
                for rd_lambda in LAMBDAS[model]:
                    yield Job(model, preset, rd_lambda, path)


def measure(job: Job) -> dict[str, Any]:
    """Encodes once; returns a point as tasks/plan/rates.json has it."""
    from inr import encode

    pixels = read_pixels(job.path)
    config = CodecConfig(model=job.model, preset=job.preset, rd_lambda=job.rd_lambda)
    started = time.thread_time()
    encoded = encode(pixels, config, device="cpu")
    return {
        "model": job.model,
        "preset": job.preset,
        "rd_lambda": job.rd_lambda,
        "n_pixels": pixels.shape[0] * pixels.shape[1],
        "seconds": round(time.thread_time() - started, 2),
        "n_bytes": len(encoded.bitstream),
        "psnr_db": round(encoded.psnr_db, 2),
    }


def merged(known: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points known, less those of a model and preset that were measured anew, and the new ones."""
    replaced = {(point["model"], point["preset"]) for point in new}
    return [point for point in known if (point["model"], point["preset"]) not in replaced] + list(new)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.rates", description="Rates for `inr plan`.")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--out", type=Path, required=True, metavar="NAME", help="writes NAME.json")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Measures, and writes the table; points of other models and presets in it stay."""
    given = sys.argv[1:] if words is None else list(words)
    arguments = parse(given)
    limit_threads(1)
    file = result_file(arguments.out, ".json")
    known = json.loads(file.read_text(encoding="utf-8"))["points"] if file.exists() else []
    points = []
    with tempfile.TemporaryDirectory() as folder:
        for job in jobs(arguments.models, arguments.presets, Path(folder)):
            points.append(measure(job))
            print(json.dumps(points[-1]), flush=True)
    report = {**provenance("benchmarks.rates", given), "points": merged(known, points)}
    file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

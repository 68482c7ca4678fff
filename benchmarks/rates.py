"""Seconds of fits and bytes of their files, by preset, λ and size: `inr plan` goes by them at first.

    python -m benchmarks.rates --out tasks/plan/rates

A crop of a real photograph in two sizes and a whole one, on one thread, which is what a worker of the
flow has. The seconds are those of that thread, so they hold on a machine that does other work beside.
Writes tasks/plan/rates.json, which the package carries; a store's own rows come before it.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.frame import origin_of, read, result_file, to_json
from benchmarks.journal import limit_threads
from benchmarks.rd.measuring import read_pixels
from benchmarks.samples import SHIPPED, make_crops
from inr.config import MODELS, PRESETS, CodecConfig
from tasks.plan.estimate import SHORT_STEPS

LAMBDAS = {"mlp": (0.0015, 0.006, 0.025), "cnn": (0.0003, 0.001, 0.004)}
SIDES = {"draft": (64, 192), "standard": (64, 192), "best": (64, 128)}
# Fitted by these; nobody waits for the others: `cnn` with `standard` takes a quarter of an hour.
WHOLE = "coffee.png"
WARMING_STEPS = 50  # of a fit that does not count: the first one of a process loads what others find loaded
FITTED_WHOLE = (("mlp", "draft"), ("mlp", "standard"), ("cnn", "draft"))


@dataclass(frozen=True)
class Rate:
    """One fit, as tasks/plan/rates.json has it; its preset may be a number of steps, see `Recipe.length`."""

    model: str
    preset: str
    rd_lambda: float
    n_pixels: int
    seconds: float
    n_bytes: int
    psnr_db: float


def fits(models: Sequence[str], presets: Sequence[str], folder: Path) -> Iterator[tuple[CodecConfig, Path]]:
    """Every fit, small images first; `folder` is filled with the crops."""
    for preset in presets:
        crops = [make_crops(folder / str(side), n_images=1, side=side)[0] for side in SIDES[preset]]
        for model in models:
            whole = [SHIPPED / WHOLE] if (model, preset) in FITTED_WHOLE else []
            for path in (*crops, *whole):
                for rd_lambda in LAMBDAS[model]:
                    yield CodecConfig(model=model, preset=preset, rd_lambda=rd_lambda), path


def short_fits(models: Sequence[str], folder: Path) -> Iterator[tuple[CodecConfig, Path, int]]:
    """Every fit of fewer steps than a preset has, with its steps; they are of crops alone."""
    for config, path in fits(models, ["draft"], folder):
        if path != SHIPPED / WHOLE:
            for n_steps in SHORT_STEPS[config.model]:
                yield config, path, n_steps


def measure(
    config: CodecConfig, path: Path, n_steps: int | None = None, *, preset: str | None = None
) -> Rate:
    """Encode an image once; `n_steps` as for `inr.encode`, `preset` as the table is to have it."""
    from inr import encode

    pixels = read_pixels(path)
    started = time.thread_time()
    encoded = encode(pixels, config, n_steps=n_steps, device="cpu")
    return Rate(
        model=config.model,
        preset=preset or config.preset,
        rd_lambda=encoded.rd_lambda,
        n_pixels=pixels.shape[0] * pixels.shape[1],
        seconds=round(time.thread_time() - started, 2),
        n_bytes=len(encoded.bitstream),
        psnr_db=round(encoded.psnr_db, 2),
    )


def merged(known: Sequence[Rate], new: Sequence[Rate]) -> list[Rate]:
    """The rates known, less those of a model and preset that were measured anew, and the new ones."""
    replaced = {(rate.model, rate.preset) for rate in new}
    return [rate for rate in known if (rate.model, rate.preset) not in replaced] + list(new)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and write the table; rates of other models and presets in it stay."""
    given = sys.argv[1:] if words is None else list(words)
    parser = argparse.ArgumentParser(prog="benchmarks.rates")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--short", action="store_true", help="fits of fewer steps than presets have, alone")
    parser.add_argument("--steps", type=int, help="of each fit, in place of the preset's")
    parser.add_argument("--work", type=Path, default=Path("build/rates"), metavar="DIR", help="for the crops")
    parser.add_argument("--out", type=Path, required=True, metavar="NAME", help="writes NAME.json")
    arguments = parser.parse_args(given)
    limit_threads(1)
    file = result_file(arguments.out, ".json")
    known = json.loads(file.read_text(encoding="utf-8"))["points"] if file.exists() else []
    usual = ((*fit, None) for fit in fits(arguments.models, arguments.presets, arguments.work))
    found, warm = [], set[str]()
    for config, path, n_steps in short_fits(arguments.models, arguments.work) if arguments.short else usual:
        if config.model not in warm:
            measure(config, path, WARMING_STEPS)
            warm.add(config.model)
        preset = f"{n_steps} steps" if n_steps else None
        found.append(measure(config, path, arguments.steps or n_steps, preset=preset))
        print(json.dumps(asdict(found[-1])), flush=True)
    points = merged([read(Rate, values) for values in known], found)
    values = {**asdict(origin_of("benchmarks.rates", given)), "points": [asdict(point) for point in points]}
    file.write_text(to_json(values), encoding="utf-8")


if __name__ == "__main__":
    main()

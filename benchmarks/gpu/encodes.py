"""Whole encodes: of one image, of many, at several λ, and of a large one."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from benchmarks.gpu.trial import LAMBDA, Row, Trial
from inr import Encoded, decode

MORE_COST = 1.005  # than on the CPU, at most
MOST_SECONDS = 10.0  # of one Kodak image by standard
MOST_SECONDS_EACH = 2.4  # of many by standard, which makes 1 500 an hour
MOST_SECONDS_OF_LARGE = 120.0  # of 12 megapixels by standard


def _cost(encoded: Encoded) -> float:
    return 1000 * (10 ** (-encoded.psnr_db / 10) + encoded.rd_lambda * encoded.rate_bpp)


def single(trial: Trial) -> Iterator[Row]:
    """The first image encoded alone, by the presets draft and standard."""
    alone = {trial.first: trial.images[trial.first]}
    _, seconds = trial.encode(alone, "draft", n_steps=20)
    yield Row("single", "first encode of 20 steps, with what is compiled for it, s", seconds)
    for preset, known in trial.costs.items():
        [encoded], seconds = trial.encode(alone, preset)
        most = MOST_SECONDS if preset == "standard" and not trial.is_dry else None
        yield Row("single", f"{preset}: whole encode, s", seconds, most)
        yield Row("single", f"{preset}: bytes", len(encoded.bitstream))
        yield Row("single", f"{preset}: PSNR, dB", encoded.psnr_db)
        most = None if known is None else MORE_COST * known
        yield Row("single", f"{preset}: cost, 1000 · (MSE + λ · bpp)", _cost(encoded), most)
        differ = int(np.count_nonzero(decode(encoded.bitstream).pixels != encoded.pixels))
        yield Row("single", f"{preset}: samples that the CPU decodes to others", differ, 0)
    yield from trial.memory("single")


def batch(trial: Trial) -> Iterator[Row]:
    """All images at once, by the preset standard."""
    n_images = len(trial.images)
    found, seconds = trial.encode(trial.images, "standard")
    yield Row("batch", f"{n_images} images by standard, s", seconds)
    most = None if trial.is_dry else MOST_SECONDS_EACH
    yield Row("batch", "seconds an image", seconds / n_images, most)
    yield Row("batch", "images an hour", 3600 * n_images / seconds)
    yield Row("batch", "mean cost, 1000 · (MSE + λ · bpp)", float(np.mean([_cost(each) for each in found])))
    yield Row("batch", "images without a file", n_images - len(found), 0)
    yield from trial.memory("batch")


def curve(trial: Trial) -> Iterator[Row]:
    """Some images at other λ, by the preset standard."""
    images = {name: trial.images[name] for name in trial.curve}
    for rd_lambda in trial.lambdas:
        found, seconds = trial.encode(images, "standard", rd_lambda=rd_lambda)
        yield Row("curve", f"λ = {rd_lambda:g}: {len(images)} images, s", seconds)
        yield Row("curve", f"λ = {rd_lambda:g}: images without a file", len(images) - len(found), 0)
    yield from trial.memory("curve")


def large(trial: Trial) -> Iterator[Row]:
    """An image of 12 megapixels, by the preset standard."""
    size = (40, 30) if trial.is_dry else (4000, 3000)
    pixels = Image.fromarray(trial.images[trial.first]).resize(size, Image.Resampling.BICUBIC)
    [encoded], seconds = trial.encode({"large": np.asarray(pixels)}, "standard")
    yield Row("large", f"{size[0]}x{size[1]}, s", seconds, None if trial.is_dry else MOST_SECONDS_OF_LARGE)
    yield Row("large", "bits per pixel", encoded.rate_bpp)
    yield from trial.memory("large")


def best(trial: Trial) -> Iterator[Row]:
    """The first image by the preset best, at λ of the others and at the first of `lambdas`."""
    for rd_lambda in (LAMBDA, *trial.lambdas[:1]):
        alone = {trial.first: trial.images[trial.first]}
        [encoded], seconds = trial.encode(alone, "best", rd_lambda=rd_lambda)
        yield Row("best", f"λ = {rd_lambda:g}: whole encode, s", seconds)
        yield Row("best", f"λ = {rd_lambda:g}: cost, 1000 · (MSE + λ · bpp)", _cost(encoded))

"""Fits of whole images by one choice, on a card, measured on what their files hold."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import frame
from benchmarks.cnn_choices.choices import Choice
from benchmarks.cnn_choices.held import HeldFits, prior_without
from benchmarks.prior.shared_fit import SharedFit
from benchmarks.rd.measuring import Pixels, read_pixels
from inr.bitstream import Container, pack
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.fit.fused.fits import fitted
from inr.cnn.fit.presets import choose_pyramid
from inr.cnn.prior import NO_GAIN, Prior
from inr.metrics import mse


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A file: its choice, its image and seed, its bytes and cost, and the seconds of its share of a batch.

    `conditions` are those of the run, so that no other run is taken for it.
    """

    conditions: str
    choice: str
    image: str
    seed: int
    n_bytes: int
    network_bytes: float
    cost: float
    encode_seconds: float


@dataclass(frozen=True)
class Run:
    """What all choices share.

    Attributes:
        images: Images of one size, by name: uint8 [height, width, channels].
        crops: Crops that priors are fitted to: uint8 [side, side, channels].
        rd_lambda: λ of the loss.
        n_steps: Steps of a fit.
        n_prior_steps: Steps of a prior's fit.
        seeds: Seeds of the fits.
        device: The device.
    """

    images: dict[str, Pixels]
    crops: Sequence[Pixels]
    rd_lambda: float
    n_steps: int
    n_prior_steps: int
    seeds: Sequence[int]
    device: str

    @property
    def conditions(self) -> str:
        """What a result depends on beside its choice, image and seed."""
        return (
            f"λ={self.rd_lambda:g}, {self.n_steps} steps, priors of {self.n_prior_steps} steps and "
            f"{len(self.crops)} crops, {len(self.images)} images, {len(self.seeds)} seeds, code "
            f"{frame.codec_digest()[:16]}"
        )

    def shape(self) -> LatentPyramid:
        """The architecture for the images as inr chooses it."""
        return choose_pyramid(next(iter(self.images.values())), self.rd_lambda)


def fitted_prior(run: Run, choice: Choice) -> Prior:
    """The networks of a choice, fitted to the crops from those in the tree."""
    known = run.shape().prior
    height, width, channels = run.crops[0].shape
    whole = LatentPyramid(
        channels=channels, width=width, height=height, n_levels=known.n_levels, prior=known, gain=NO_GAIN
    )
    start = prior_without(known, whole, choice)
    shared = SharedFit(
        run.crops, start, run.rd_lambda, run.n_prior_steps, device=run.device, make=partial(HeldFits, choice)
    )
    for _ in shared.run():
        pass
    return shared.prior()


def measured(run: Run, choice: Choice, prior: Prior) -> list[Measured]:
    """Fit every image with every seed in one batch, write the files, and render what they hold."""
    names = [name for _ in run.seeds for name in run.images]
    seeds = [seed for seed in run.seeds for _ in run.images]
    pixels = [run.images[name] for name in names]
    shape = replace(run.shape(), prior=prior, gain=NO_GAIN)
    settings = PyramidSettings(n_steps=round(run.n_steps * choice.steps_factor), **choice.settings)
    started = time.monotonic()
    fits = HeldFits(
        choice, pixels, shape, settings, rd_lambdas=[run.rd_lambda] * len(pixels),
        seeds=[n + choice.seed for n in seeds], device=torch.device(run.device),
    )  # fmt: skip
    results = fitted(fits, lambda _: True)
    seconds = (time.monotonic() - started) / len(pixels)
    assert results is not None
    found = []
    for name, seed, image, result in zip(names, seeds, pixels, results, strict=True):
        sections = result.network.sections()
        parts = sections.architecture, sections.tensors, sections.payload
        height, width, channels = image.shape
        data = pack(Container("cnn", width, height, channels, *parts))
        bits = sum(size.bits for size in result.network.sizes() if size.name in shape.matrices)
        error = mse(reference=image, decoded=result.network.render())
        found.append(
            Measured(
                conditions=run.conditions,
                choice=choice.name,
                image=name,
                seed=seed,
                n_bytes=len(data),
                network_bytes=bits / 8 + len(sections.tensors),
                cost=1000 * (error + run.rd_lambda * 8 * len(data) / (height * width)),
                encode_seconds=seconds,
            )
        )
    return found


def read_images(paths: Sequence[Path]) -> dict[str, Pixels]:
    """Images by name, upright ones turned, so that all are of one size."""
    found = {}
    for path in paths:
        pixels = read_pixels(path)
        upright = pixels.shape[0] > pixels.shape[1]
        found[path.stem] = np.ascontiguousarray(np.rot90(pixels)) if upright else pixels
    return found

"""A fit of one crop by one choice, measured on the file that it becomes."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.cnn_choices.changes import hold, wider
from benchmarks.cnn_choices.choices import CHOICES
from benchmarks.frame import timed
from benchmarks.rd.measuring import Pixels, read_pixels
from inr.bitstream import Container, pack
from inr.cnn.fit.losses import losses_on
from inr.cnn.fit.presets import choose_pyramid
from inr.cnn.fit.schedule import PyramidSettings
from inr.cnn.fit.trainer import PyramidFit
from inr.decoder import decode
from inr.metrics import mse

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
class Trial:
    """A choice to try on a crop.

    Attributes:
        image: File of the image.
        side: Side of the crop in its middle.
        choice: Its place in `CHOICES`, or their number for the other commit.
        rd_lambda: λ of the loss.
        n_steps: Steps of the fit as chosen.
        seed: Seed of the fit as chosen.
        code: Digest of the codec's source.
        other: Checkout of the other commit.
    """

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
        shape = wider(choose_pyramid(pixels, self.rd_lambda), choice.more_neurons)
        settings = PyramidSettings(n_steps=round(self.n_steps * choice.steps_factor), **choice.settings)
        with losses_on("cpu", shape) as losses:
            generator = torch.Generator().manual_seed(self.seed + choice.seed)
            fit = PyramidFit(pixels, shape, settings, losses, self.rd_lambda, generator, lambda _: True)
            hold(fit, shape, choice)
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


def centre_crop(pixels: Pixels, side: int) -> Pixels:
    """The middle of an image: uint8 [side, side, channels], or less where it is smaller."""
    height, width, _ = pixels.shape
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])

"""What the parts of the benchmark go by, and what they find."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import frame
from benchmarks.rd import made
from inr import CodecConfig, Encoded, EncodeRequest, InrError, encode_many

Pixels = NDArray[np.uint8]

LAMBDA = 1e-3


@dataclass(frozen=True)
class Row:
    """A number that was measured.

    Attributes:
        part: What it belongs to.
        name: What it is, with its unit.
        value: The number.
        most: What it may be at most; None: it is no check.
    """

    part: str
    name: str
    value: float
    most: float | None = None

    @property
    def passes(self) -> bool:
        """True unless it is more than it may be, or no number."""
        return self.most is None or self.value <= self.most


@dataclass(frozen=True)
class Trial:
    """What the parts go by.

    Attributes:
        device: "cuda", or "cpu" for a dry run.
        images: By name, uint8 [height, width, 3]; the first one is encoded alone.
        costs: For a preset, the CPU's cost of the first image, if known.
        n_steps: Steps of every fit, in place of its preset's; None leaves these.
        curve: Names of the images that are encoded at `lambdas` too.
        lambdas: Those λ.
        files: The folder that keeps files, for `benchmarks.rd --made`; None keeps none.
    """

    device: Literal["cpu", "cuda"]
    images: Mapping[str, Pixels]
    costs: Mapping[str, float | None]
    n_steps: int | None = None
    curve: Sequence[str] = ()
    lambdas: Sequence[float] = ()
    files: Path | None = None

    @property
    def is_dry(self) -> bool:
        """True where there is no card."""
        return self.device == "cpu"

    @property
    def card(self) -> str:
        """The card's name."""
        return "none" if self.is_dry else torch.cuda.get_device_name()

    @property
    def first(self) -> str:
        """Name of the image that is encoded alone."""
        return next(iter(self.images))

    def wait(self) -> None:
        """Wait for the card."""
        if not self.is_dry:
            torch.cuda.synchronize()

    def memory(self, part: str) -> Iterator[Row]:
        """The most memory that torch held since the last call."""
        if not self.is_dry:
            yield Row(part, "most memory of torch, GiB", torch.cuda.max_memory_allocated() / 2**30)
            torch.cuda.reset_peak_memory_stats()

    def encode(
        self,
        images: Mapping[str, Pixels],
        preset: str,
        *,
        rd_lambda: float = LAMBDA,
        n_steps: int | None = None,
    ) -> tuple[list[Encoded], float]:
        """Encode images together, and keep their files: each that has one, and seconds for all."""
        config = CodecConfig(model="cnn", preset=preset, rd_lambda=rd_lambda)
        n_steps = self.n_steps or n_steps
        requests = [EncodeRequest(pixels, config, n_steps=n_steps) for pixels in images.values()]
        outcomes, seconds = frame.timed(lambda: encode_many(requests, device=self.device))
        found = []
        for name, outcome in zip(images, outcomes, strict=True):
            if isinstance(outcome, InrError):
                print(f"{name}: {outcome}", flush=True)
                continue
            found.append(outcome)
            if self.files is not None and n_steps is None:
                each = seconds / len(images)
                made.keep(self.files, name, outcome, preset=preset, encode_seconds=each, device=self.card)
        return found, seconds

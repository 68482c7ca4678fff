"""A third model family: the mean colour of each of a few columns. It needs three lines to join the others."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from inr import families
from inr.bitstream import FAMILIES, Container, Reader
from inr.coding.coder import PayloadReader, PayloadWriter
from inr.coding.tensors import Uniform
from inr.config import PRESETS
from inr.encoder import FITTERS
from inr.errors import InrError
from inr.fit.requests import FitReport, FitRequest, Fitted, Fitter, OnReports
from inr.network import Sections, TensorSize

N_STEPS = 4
LEVELS = Uniform(0, 255)


@dataclass(frozen=True, eq=False)
class ToyNetwork:
    """Colours, uint8 values as int32 [columns · channels], of an image of that width and height."""

    family: ClassVar[str] = "toy"

    width: int
    height: int
    channels: int
    colours: np.ndarray

    @classmethod
    def read(cls, container: Container) -> "ToyNetwork":
        reader = Reader(container.architecture, "architecture")
        n_columns = reader.byte("columns", 1, 255)
        reader.end()
        colours = LEVELS.read(PayloadReader(container.payload), (n_columns * container.channels,))
        return cls(container.width, container.height, container.channels, colours)

    @property
    def symbols(self) -> list[np.ndarray]:
        return [self.colours]

    @property
    def architecture(self) -> dict[str, int]:
        return {"n_columns": self.colours.size // self.channels}

    @property
    def n_parameters(self) -> int:
        return self.colours.size

    @property
    def multiply_adds_per_pixel(self) -> int:
        return 0

    def sections(self) -> Sections:
        writer = PayloadWriter()
        LEVELS.write(writer, self.colours)
        return Sections(bytes([self.architecture["n_columns"]]), b"", writer.to_bytes())

    def render(self) -> np.ndarray:
        row = self.colours.reshape(-1, self.channels).astype(np.uint8)
        column_of = np.arange(self.width) * len(row) // self.width
        return np.repeat(row[column_of][None], self.height, axis=0)

    def sizes(self) -> list[TensorSize]:
        bits = LEVELS.bits(self.colours)
        return [TensorSize("colours", self.colours.shape, 1.0, self.colours.size, 0, bits)]


def toy_network(pixels: np.ndarray, n_columns: int) -> ToyNetwork:
    height, width, channels = pixels.shape
    column_of = np.arange(width) * n_columns // width
    colours = [pixels[:, column_of == n].mean((0, 1)) for n in range(n_columns)]
    return ToyNetwork(width, height, channels, np.rint(np.concatenate(colours)).astype(np.int32))


@dataclass
class ToyFitter:
    """Fits requests in step. A smaller λ takes more columns.

    Attributes:
        collapses: Whether the fit of a request comes apart.
        seen: Number of requests of each call, and the step of each report.
    """

    collapses: Callable[[FitRequest], bool] = lambda request: False
    seen: list[list[int]] = field(default_factory=list)

    def fit(
        self, requests: Sequence[FitRequest], *, device: str, on_reports: OnReports
    ) -> list[Fitted | InrError]:
        running = dict(enumerate(requests))
        results: dict[int, Fitted | InrError] = {}
        self.seen.append([len(requests)])
        for step in range(1, N_STEPS + 1):
            self.seen[-1].append(len(running))
            reports = {
                n: FitReport(step, request.n_steps or N_STEPS, 1.0, 20.0) for n, request in running.items()
            }
            results |= on_reports(reports) if reports else {}
            running = {n: request for n, request in running.items() if n not in results}
        for n, request in running.items():
            n_columns = min(request.pixels.shape[1], max(1, round(0.01 / request.rd_lambda)))
            network = toy_network(request.pixels, n_columns)
            results[n] = Fitted(network, math.nan if self.collapses(request) else 32.0)
        return [results[n] for n in range(len(requests))]


@contextmanager
def toy_family(fitter: ToyFitter) -> Iterator[None]:
    """The family joins: an id, a reader, a fitter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, 200, "toy")
        patch.setitem(families.READERS, "toy", ToyNetwork.read)
        patch.setitem(FITTERS, "toy", Fitter(fitter.fit, dict.fromkeys(PRESETS, N_STEPS), 1))
        yield

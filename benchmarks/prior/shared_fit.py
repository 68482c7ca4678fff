"""Networks that files are to be differences from: fitted to many crops at once.

Every crop has latents, and networks, of its own, and the difference of its networks from the shared ones
costs bits in its loss, as in the fit of a file. All crops take a step; then the shared networks take one
along the mean gradient, and every crop's networks go along with them. So the shared networks become those
from which fits get far for few bits.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from benchmarks.prior.crops import Crop
from benchmarks.prior.entries import entry_of
from benchmarks.prior.on_cpu import CompiledFits, SharedSoap
from benchmarks.prior.start import deepened, of_luminance
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.schedule import NETWORK_SHARES, PyramidSettings
from inr.cnn.fit.fused.trainer import FusedFits
from inr.cnn.fit.fused.weights.soap import FusedSoap
from inr.cnn.grids import MAX_LEVELS, grids_of, kept_columns
from inr.cnn.prior import NO_GAIN, Prior, read_priors

N_LEVELS = (7, 7, 7, 8, 9)  # of the crops in turn: an image has as many as its size asks for
REPORT_STEPS = 10  # between reports
SHARED_RATE, OWN_RATE = 1e-2, 1e-2  # of the shared networks' steps, and of the differences'


class SharedFit:
    """Networks for all crops, and latents and differences for each.

    Args:
        crops: uint8 [height, width, channels] each, all of one size.
        start: The prior to begin with.
        rd_lambda: λ of the loss.
        n_steps: Steps of each crop.
        device: "cuda", or "cpu", where a step of a crop of 256x256 takes some 12 ms on two cores.
        make: Makes the fits of crops alike by kernels; takes the arguments of `FusedFits`, in whose place it
            stands.
    """

    def __init__(
        self,
        crops: Sequence[Crop],
        start: Prior,
        rd_lambda: float,
        n_steps: int,
        *,
        device: str,
        make: Callable[..., FusedFits] | None = None,
    ) -> None:
        self._rd_lambda, self._n_steps, self._device = rd_lambda, n_steps, torch.device(device)
        named = deepened(start, rd_lambda, torch.Generator().manual_seed(0))
        integers = {
            name: (matrix * 2.0 ** start.exponents[name]).round().int().numpy()
            for name, matrix in named.items()
        }
        self._prior = replace(start, n_levels=MAX_LEVELS, matrices=integers)
        self.names, self._shapes = tuple(named), [tuple(matrix.shape) for matrix in named.values()]
        self.shared = torch.cat([matrix.flatten() for matrix in named.values()])[None].to(device)
        height, width, channels = crops[0].shape
        self._shape = LatentPyramid(
            channels=channels,
            width=width,
            height=height,
            n_levels=MAX_LEVELS,
            prior=self._prior,
            gain=NO_GAIN,
        )
        is_compiled = make is None and self._device.type == "cpu"
        self._soap = SharedSoap(self._shape) if is_compiled else self._fused_soap()
        self._rates = torch.zeros((), device=device)
        levels = [N_LEVELS[n % len(N_LEVELS)] for n in range(len(crops))]
        self._groups: list[tuple[FusedFits | CompiledFits, torch.Tensor]] = []
        maker = make or (CompiledFits if is_compiled else FusedFits)
        for n_levels in sorted(set(levels)):
            mine = [n for n, its in enumerate(levels) if its == n_levels]
            shape = replace(self._shape, n_levels=n_levels)
            fits = maker(
                [crops[n] for n in mine],
                shape,
                PyramidSettings(n_steps=n_steps, tail_fraction=0.0, network_rate=OWN_RATE),
                rd_lambdas=[rd_lambda] * len(mine),
                seeds=mine,
                device=self._device,
            )
            self._groups.append((fits, self._places(n_levels).to(device)))
        self._spread()

    def _fused_soap(self) -> FusedSoap:
        blocks = [(grid.columns.start, grid.columns.stop) for grid in grids_of(MAX_LEVELS)]
        return FusedSoap(
            list(self._shape.matrices.values()),
            1,
            self._device,
            rates=[NETWORK_SHARES.get(name, 1.0) for name in self.names],
            splits={self.names.index("parents"): blocks},
        )

    def _places(self, n_levels: int) -> torch.Tensor:
        """Places among the shared weights of those that a pyramid of so many levels has."""
        columns, found, start = kept_columns(n_levels, MAX_LEVELS), [], 0
        for name, (rows, width) in zip(self.names, self._shapes, strict=True):
            places = torch.arange(start, start + rows * width).view(rows, width)
            start += rows * width
            if name == "parents":
                places = places[:, columns]
            elif name in ("filters", "upsampling"):
                places = places[: n_levels - 1]
            elif name == "synthesis0":
                places = torch.cat([places[:, :n_levels], places[:, -1:]], dim=1)
            found.append(places.flatten())
        return torch.cat(found)

    def _spread(self) -> None:
        """Let every crop's networks be the shared ones."""
        for fits, places in self._groups:
            fits.known.copy_(self.shared[0, places])
            fits.weights.copy_(fits.known.expand_as(fits.weights))

    def run(self) -> Iterator[tuple[int, float]]:
        """Take all steps, rates decaying along a cosine.

        Yields:
            Now and then, and at the end: steps taken, and the geometric mean of the crops' costs in the last
            of them, 1000 · (MSE + λ · bpp).
        """
        n_crops = sum(fits.n_images for fits, _ in self._groups)
        for index in range(self._n_steps):
            gradient = torch.zeros_like(self.shared)
            logarithms = torch.zeros((), device=self._device)
            for fits, places in self._groups:
                fits.take_step(index)
                costs = fits.costs  # whose logarithms count, so that smooth crops do as much as detailed ones
                gradient[0].index_add_(0, places, (fits.by_weight / costs[:, None]).sum(0) / n_crops)
                logarithms += costs.log().sum()
            before = self.shared.clone()
            self._rates.fill_(SHARED_RATE * 0.5 * (1 + math.cos(math.pi * index / self._n_steps)))
            self._soap.step(self.shared, gradient, self._rates, refresh=self._soap.refreshes(index))
            change = (self.shared - before)[0]
            for fits, places in self._groups:
                fits.known += change[places]
                fits.weights += change[places]
            if (index + 1) % REPORT_STEPS == 0 or index + 1 == self._n_steps:
                yield index + 1, 1000 * math.exp(float(logarithms) / n_crops)

    def state(self) -> dict[str, Any]:
        """Everything that a fit at another λ can go on from."""
        latents = {fits.architecture.n_levels: fits.latents.cpu() for fits, _ in self._groups}
        return {"rd_lambda": self._rd_lambda, "latents": latents, "shared": self.matrices()}

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Take over networks and latents of a fit at another λ to the same crops, in RGB if these are grey.

        Latents are in units of a step that goes with the root of λ, as in `presets.choose_pyramid`.
        """
        finer = math.sqrt(state["rd_lambda"] / self._rd_lambda)
        named = {name: matrix.clone() for name, matrix in state["shared"].items()}
        named["synthesis0"][:, :-1] /= finer
        if len(named["synthesis1"]) > self._shape.channels:
            named = of_luminance(named, self._prior)
        self.shared.copy_(torch.cat([named[name].flatten() for name in self.names])[None])
        self._spread()
        for fits, _ in self._groups:
            fits.latents.copy_(state["latents"][fits.architecture.n_levels] * finer)

    def matrices(self) -> dict[str, torch.Tensor]:
        """The shared networks by name, on the host."""
        parts = torch.split(self.shared[0].cpu(), [rows * columns for rows, columns in self._shapes])
        return {
            name: part.view(shape).clone()
            for name, part, shape in zip(self.names, parts, self._shapes, strict=True)
        }

    def entry(self) -> dict[str, Any]:
        """The prior as priors.json has it."""
        named = {name: matrix.double() for name, matrix in self.matrices().items()}
        return entry_of(named, self._shape, self._rd_lambda)

    def prior(self) -> Prior:
        """The prior as a decoder would have it, by the number 1."""
        [prior] = read_priors(json.dumps([self.entry()]))
        return prior

"""Fits of family `cnn` on a graphics card: many images of one size in step, without a word from the host.

The stretches are those of ../trainer.py. Each kind of step is recorded once as a CUDA graph and then played;
between reports nothing is read back. On a CPU, where tests run the kernels in Triton's interpreter, steps are
simply called.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.arithmetic import MAX_LATENT
from inr.cnn.fit.common.beginning import begun
from inr.cnn.fit.common.moving import Measured
from inr.cnn.fit.common.schedule import LATENT_BETAS, NETWORK_SHARES, PyramidSettings
from inr.cnn.fit.common.weights import ASSUMED_EXPONENT, NetworkWeights
from inr.cnn.fit.fused import latent_kernels as kernels
from inr.cnn.fit.fused.context.bits import FusedContext
from inr.cnn.fit.fused.image.samples import FusedImage
from inr.cnn.fit.fused.lambdas import Lambdas
from inr.cnn.fit.fused.recorder import Recorder
from inr.cnn.fit.fused.rows import rows_of
from inr.cnn.fit.fused.weights.soap import FusedSoap
from inr.cnn.fit.fused.weights.weight_bits import WeightBits
from inr.cnn.network import CnnNetwork
from inr.fit.hidden import sample_weights
from inr.fit.steering import Aim, is_look

_BLOCK = 1024  # latents or samples of a program


class FusedFits:
    """Fits on their way.

    Args:
        images: uint8 [height, width, channels] each, all of one size.
        architecture: The architecture of each image's network.
        settings: Length and rates.
        rd_lambdas: λ of each image's loss.
        seeds: Seed of each image's noise.
        device: The device.
        visible: For each image bool [height, width], or None; see `FitRequest`.
        aims: For each image, see `FitRequest`.
        begins: For each image, see `FitRequest`.
        exact: Multiply in float32 throughout.

    Attributes:
        lambdas: λ of each image as it is now.
    """

    def __init__(
        self,
        images: Sequence[NDArray[np.uint8]],
        architecture: LatentPyramid,
        settings: PyramidSettings,
        *,
        rd_lambdas: Sequence[float],
        seeds: Sequence[int],
        device: torch.device,
        visible: Sequence[NDArray[np.bool_] | None] | None = None,
        aims: Sequence[Aim | None] | None = None,
        begins: Sequence[CnnNetwork | None] | None = None,
        exact: bool = False,
    ) -> None:
        self.architecture, self.settings, self._device = architecture, settings, device
        self.n_images, self.seeds = len(images), list(seeds)
        self.lambdas = Lambdas(rd_lambdas, aims or [None] * len(images), architecture, device)
        stacked = np.ascontiguousarray(np.moveaxis(np.stack(images), -1, 1))
        self._targets = torch.from_numpy(stacked).to(device)  # [B, channels, height, width]
        self._shares = self._sample_shares(visible or [None] * len(images))
        self._context = FusedContext(architecture, device, batch=len(images), exact=exact)
        self._image = FusedImage(architecture, device, exact=exact)
        self._seeds = torch.tensor(self.seeds, dtype=torch.int64, device=device)
        begun_each = [begun(architecture, begin) for begin in begins or [None] * len(images)]
        self.latents = torch.stack([latents for latents, _ in begun_each]).to(device)
        self._moments = [torch.zeros_like(self.latents) for _ in range(2)]
        self._softened = torch.zeros_like(self.latents)
        self._begin_networks([weights for _, weights in begun_each])
        self._schedule = torch.tensor(rows_of(settings), dtype=torch.float32, device=device)
        self._counter = torch.full((1,), settings.first_step, dtype=torch.int64, device=device)
        self._begin_costs()
        self.recorder = Recorder(device)

    def _begin_networks(self, begun_weights: Sequence[NetworkWeights]) -> None:
        """Let the networks of all images be those that they begin with."""
        matrices, batch, device = self.architecture.matrices, self.n_images, self._device
        names, self._shapes = list(matrices), list(matrices.values())
        self.known = begun_weights[0].known.to(device)
        flat = [torch.cat([matrix.detach().flatten() for matrix in each.matrices]) for each in begun_weights]
        self.weights = torch.stack(flat).to(device)
        self.by_weight = torch.zeros_like(self.weights)  # gradients of cost by way of what the networks do
        self._tried = torch.zeros_like(self.weights)
        blocks = [(grid.columns.start, grid.columns.stop) for grid in self.architecture.grids]
        rates = [NETWORK_SHARES.get(name, 1.0) for name in names]
        splits = {names.index("parents"): blocks}
        self._soap = FusedSoap(self._shapes, batch, device, rates=rates, splits=splits)
        self._weight_bits = WeightBits(self._shapes, batch, device)
        assumed = 2.0**ASSUMED_EXPONENT
        self.factors = torch.full((batch, len(names)), assumed, device=device)  # 2**exponent of matrices

    def _begin_costs(self) -> None:
        batch, device = self.n_images, self._device
        self.bits, self.mse = torch.zeros(batch, device=device), torch.zeros(batch, device=device)
        self._network_bits = torch.zeros_like(self.bits)
        self._best = torch.full((batch,), math.inf, device=device)
        self._best_latents, self._best_weights = self.latents.clone(), self.weights.clone()

    def _sample_shares(self, visible: Sequence[NDArray[np.bool_] | None]) -> torch.Tensor | None:
        if all(each is None for each in visible):
            return None
        channels, height, width = self._targets.shape[1:]
        shares = [
            np.ones((height, width, channels), np.float32) if each is None else sample_weights(each, channels)
            for each in visible
        ]
        stacked = np.ascontiguousarray(np.moveaxis(np.stack(shares), -1, 1))
        return torch.from_numpy(stacked).to(self._device)

    def matrices(self, weights: torch.Tensor) -> list[torch.Tensor]:
        """Views of flat weights [B, weights] as matrices [B, rows, columns], in wire order."""
        parts = torch.split(weights, [math.prod(shape) for shape in self._shapes], dim=-1)
        return [torch.unflatten(part, -1, shape) for part, shape in zip(parts, self._shapes, strict=True)]

    @property
    def costs(self) -> torch.Tensor:
        """The loss of each image in the last step: float32 [B]."""
        return self.mse + self.lambdas.per_bit * self.bits

    def take_step(self, index: int) -> None:
        """Take step `index` of the stretch in which latents and networks are fitted together."""
        refresh = self._soap.refreshes(index - self.settings.first_step)
        self._play("together", self._together_step, refresh)

    def _play(self, kind: str, step: Callable[[bool], None], refresh: bool) -> None:
        self.recorder.play(f"{kind}, bases refreshed" if refresh else kind, lambda: step(refresh))

    def _distortion(self, samples: torch.Tensor) -> torch.Tensor:
        """Set the mean squared errors; return their gradients for the samples."""
        errors = torch.empty_like(samples)
        n_samples = samples[0].numel()
        n_blocks = -(-n_samples // _BLOCK)
        partial = torch.empty(self.n_images, n_blocks, device=self._device)
        shares = self._targets if self._shares is None else self._shares
        kernels.distortion[(n_blocks, self.n_images)](
            samples, self._targets, shares, errors, partial, n_samples, self._shares is not None, _BLOCK
        )
        torch.sum(partial, 1, out=self.mse)
        return errors

    def _together_step(self, refresh: bool) -> None:
        n_latents, n_blocks = self.architecture.n_latents, -(-self.architecture.n_latents // _BLOCK)
        kernels.soften[(n_blocks, self.n_images)](
            self.latents, self._schedule, self._counter, self._seeds, self._softened, n_latents, _BLOCK
        )
        matrices = self.matrices(self.weights)
        own = matrices[: len(CONTEXT_MATRICES)]
        bits, by_bits, of_context = self._context.with_gradients(self._softened, own, quick=True)
        samples, saved = self._image.forward(self._softened, matrices)
        errors = self._distortion(samples)
        by_distortion, of_image = self._image.backward(saved, errors)
        weight_bits, of_weights, _ = self._weight_bits(self.weights, self.known, self.factors, rounded=False)
        self.bits.copy_(bits + weight_bits)
        kernels.update_latents[(n_blocks, self.n_images)](
            self.latents, by_bits, by_distortion, self.lambdas.shares, *self._moments, self._schedule,
            self._counter, self._seeds, n_latents, self.lambdas.epsilons, *LATENT_BETAS, _BLOCK,
        )  # fmt: skip
        self._update_weights(of_context, of_image, of_weights, refresh)

    def _update_weights(
        self,
        of_context: Sequence[torch.Tensor],
        of_image: Sequence[torch.Tensor],
        of_weights: torch.Tensor,
        refresh: bool,
    ) -> None:
        self._collect(of_context, of_image)
        gradients = torch.addcmul(self.by_weight, of_weights, self.lambdas.per_bit[:, None])
        rate = self._schedule.index_select(0, self._counter)[0, kernels.WEIGHTS_RATE]
        self._soap.step(self.weights, gradients, rate, refresh=refresh)
        self._counter += 1

    def _collect(self, of_context: Sequence[torch.Tensor], of_image: Sequence[torch.Tensor]) -> None:
        """Set the gradients of the cost by way of what the networks do."""
        parts = [matrix.flatten(1) * self.lambdas.per_bit[:, None] for matrix in of_context]
        torch.cat([*parts, *(matrix.flatten(1) for matrix in of_image)], dim=1, out=self.by_weight)

    def _tail_step(self, refresh: bool) -> None:
        weight_bits, of_weights, rounded = self._weight_bits(
            self.weights, self.known, self.factors, rounded=True
        )
        matrices = self.matrices(rounded)
        bits, _, of_context = self._context.with_gradients(self.latents, matrices[: len(CONTEXT_MATRICES)])
        samples, saved = self._image.forward(self.latents, matrices)
        _, of_image = self._image.backward(saved, self._distortion(samples))
        self.bits.copy_(bits + weight_bits)
        better = self._note_cost()
        torch.where(better[:, None], self.weights, self._best_weights, out=self._best_weights)
        self._update_weights(of_context, of_image, of_weights, refresh)

    def _note_cost(self) -> torch.Tensor:
        """Note the costs that are the least so far; return whose they are, bool [B]."""
        cost = self.costs
        better = cost < self._best
        torch.where(better, cost, self._best, out=self._best)
        return better

    def _look(self) -> None:
        """Keep the state of each image for which none before was better with its latents rounded."""
        self._evaluate_rounded()
        better = self._note_cost()[:, None]
        torch.where(better, self.latents, self._best_latents, out=self._best_latents)
        torch.where(better, self.weights, self._best_weights, out=self._best_weights)

    def _evaluate_rounded(self) -> None:
        """Set bits and mean squared errors of the state with its latents rounded."""
        self._evaluate(self.latents.round(), self.weights)
        weight_bits, _, _ = self._weight_bits(self.weights, self.known, self.factors, rounded=False)
        self._network_bits.copy_(weight_bits)
        self.bits += weight_bits

    def _steer(self, progress: float) -> None:
        """Move the λ of each image by what its rounded state is like."""
        self.recorder.play("rounded", self._evaluate_rounded)
        self.lambdas.look(progress, self.mse, self.bits - self._network_bits, self._network_bits)

    def _evaluate(self, latents: torch.Tensor, weights: torch.Tensor) -> None:
        """Set bits of the latents, and mean squared errors."""
        matrices = self.matrices(weights)
        of_latents = self._context.latent_bits(latents, matrices[: len(CONTEXT_MATRICES)])
        torch.sum(of_latents, 1, out=self.bits)
        self._distortion(self._image.forward(latents, matrices)[0])

    def measured(self, latents: torch.Tensor, weights: torch.Tensor) -> Measured:
        """What latents [B, latents] lead to under weights [B, weights], latent by latent, pixel by pixel."""
        matrices = self.matrices(weights)
        bits = self._context.latent_bits(latents, matrices[: len(CONTEXT_MATRICES)])
        slopes = self._distortion(self._image.forward(latents, matrices)[0])
        squares = slopes.square() * (slopes[0].numel() / 4)  # a slope is 2 · share · error / samples
        if self._shares is not None:
            squares = torch.where(self._shares > 0, squares / self._shares, 0.0)
        return Measured(bits, squares.sum(1).flatten(1))

    def together(self, on_report: Callable[[int], bool]) -> bool:
        """Fit latents and networks; return whether the fits go on."""
        settings, n_steps = self.settings, self.settings.n_together
        for index in range(settings.first_step, n_steps):
            self.take_step(index)
            if (index + 1) % settings.report_steps == 0 and not on_report(index + 1):
                return False
            if self.lambdas.is_steered and is_look(index, settings.n_steps):
                self._steer((index + 1) / settings.n_steps)
            if settings.is_check(index, steered=self.lambdas.is_steered):
                self.recorder.play("look", self._look)
        if n_steps:
            found = self._best.isfinite()[:, None]
            torch.where(found, self._best_latents, self.latents, out=self.latents)
            torch.where(found, self._best_weights, self.weights, out=self.weights)
        return True

    def round_latents(self) -> None:
        """Round the latents for good."""
        self.latents.copy_(self.latents.round().clamp(-MAX_LATENT, MAX_LATENT))

    def costs_of_exponents(self, number: int, exponents: Sequence[int]) -> torch.Tensor:
        """Cost of each image with one matrix rounded to steps of each exponent: float32 [exponents, B]."""
        at = sum(math.prod(shape) for shape in self._shapes[:number])
        place = slice(at, at + math.prod(self._shapes[number]))
        costs = []
        for exponent in exponents:
            factors = torch.zeros_like(self.factors)
            factors[:, number] = 2.0**exponent if exponent else 0.0
            bits, _, rounded = self._weight_bits(self.weights, self.known, factors, rounded=True)
            weights = self.weights.clone()
            weights[:, place] = rounded[:, place]
            matrices = self.matrices(weights)
            if number < len(CONTEXT_MATRICES):
                own = matrices[: len(CONTEXT_MATRICES)]
                of_latents = self._context.latent_bits(self.latents, own)
                costs.append(self.lambdas.per_bit * (bits + of_latents.sum(1)))
            else:
                self._distortion(self._image.forward(self.latents, matrices)[0])
                costs.append(self.mse + self.lambdas.per_bit * bits)
        return torch.stack(costs)

    def try_weights(self, weights: torch.Tensor) -> None:
        """Set bits of the latents, and errors, under weights [B, weights]."""
        self._tried.copy_(weights)
        self.recorder.play("trial", lambda: self._evaluate(self.latents, self._tried))

    def gradients(self, weights: torch.Tensor) -> torch.Tensor:
        """Gradients of the cost for latents, under weights [B, weights]: float32 [B, latents].

        Bits of the latents, errors and `by_weight` are set, too.
        """
        matrices = self.matrices(weights)
        own = matrices[: len(CONTEXT_MATRICES)]
        bits, by_bits, of_context = self._context.with_gradients(self.latents, own)
        samples, saved = self._image.forward(self.latents, matrices)
        by_distortion, of_image = self._image.backward(saved, self._distortion(samples))
        self.bits.copy_(bits)
        self._collect(of_context, of_image)
        return by_distortion + self.lambdas.per_bit[:, None] * by_bits

    def networks_alone(self, on_report: Callable[[int], bool]) -> bool:
        """Fit the networks with rounded weights; return whether the fits go on."""
        first, n_steps = self.settings.n_together, self.settings.n_steps
        self._best.fill_(math.inf)
        for index in range(first, n_steps):
            self._play("tail", self._tail_step, self._soap.refreshes(index))
            if (index + 1) % self.settings.report_steps == 0 and not on_report(index + 1):
                return False
        found = self._best.isfinite()[:, None]
        torch.where(found, self._best_weights, self.weights, out=self.weights)
        return True

"""θ: every weight of one network in one flat vector, its quantisation steps, and their rate.

One vector makes Eq. 2 to 4 a handful of operations a step, whatever the depth.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from inr.bitstream import MAX_SYMBOL
from inr.fit.entropy import constant_and_slope, context_scales, increment_bits
from inr.mlp.architecture import CoordinateMLP
from inr.mlp.fit.symmetry import canonicalize
from inr.mlp.steps import nearest_quarter_levels, nearest_step_index

OFFSET_STEP = 2.0**-9  # the output's offsets: half a level of 255
_FIRST_GAIN, _HIDDEN_GAIN = 0.5, 0.7


class Parameters:
    """θ, its quantisation steps, and what follows from them, for one fit.

    Args:
        network: The architecture.
        mean_colour: float32 [channels] in [0, 1], where the output's offsets begin.
        initial_step: Step that every tensor begins with, in radians.
        generator: Draws the initial weights; its device is θ's.

    Attributes:
        theta: float32 [n_parameters], matrices and vectors in wire order.
        learned_log_steps: float32 [n_tensors - 1], natural logarithms of their steps.
    """

    def __init__(
        self,
        network: CoordinateMLP,
        mean_colour: torch.Tensor,
        initial_step: float,
        generator: torch.Generator,
    ) -> None:
        self.network = network
        self.specs = network.specs
        self.sizes = [math.prod(spec.shape) for spec in self.specs]
        device = generator.device
        tensors = _initial_tensors(network, mean_colour, generator)
        self.theta = torch.cat([tensor.flatten() for tensor in tensors]).requires_grad_()
        # Every tensor's step is learned but that of the output's offsets, a few bits in all.
        log_step = math.log(initial_step)
        self.learned_log_steps = torch.full(
            (len(self.specs) - 1,), log_step, device=device, requires_grad=True
        )
        self._offset_log_step = torch.full((1,), math.log(OFFSET_STEP), device=device)
        self._owner = torch.repeat_interleave(
            torch.arange(len(self.specs), device=device), torch.tensor(self.sizes, device=device)
        )
        self._constant = torch.zeros((), device=device)
        self._slope = torch.zeros_like(self.theta.detach())

    @property
    def log_steps(self) -> torch.Tensor:
        """Natural logarithm of each tensor's step; radians for sine layers, full scale for the output."""
        return torch.cat([self.learned_log_steps, self._offset_log_step])

    def split(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """Views of a flat vector as the network's tensors."""
        parts = torch.split(flat, self.sizes)
        return [part.view(spec.shape) for part, spec in zip(parts, self.specs, strict=True)]

    def matrix_groups(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """The sine layers' matrices in a flat vector, as stacks: the first alone, the hidden ones together.

        Hidden layers lie at equal distances, so one strided view reaches all of them.
        """
        first = self.split(flat)[0]
        n_hidden, neurons = self.network.depth - 1, self.network.n_neurons
        if n_hidden == 0:
            return [first]
        start = flat.storage_offset() + self.sizes[0] + self.sizes[1]
        return [
            first,
            flat.as_strided((n_hidden, neurons, neurons), (neurons * neurons + neurons, neurons, 1), start),
        ]

    def in_steps(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Step of every weight, and θ in units of it."""
        steps = self.log_steps.exp()[self._owner]
        return steps, self.theta / steps

    @torch.no_grad()
    def refresh_scales(self) -> None:
        """Derive every weight's law from the rounded weights before it."""
        _, y = self.in_steps()
        constants, slopes = [], []
        for spec, tensor in zip(self.specs, self.split(y.round()), strict=True):
            if spec.is_matrix:
                constant, slope = constant_and_slope(context_scales(tensor))
                constants.append(constant.sum())
                slopes.append(slope.flatten())
            else:
                slopes.append(torch.zeros_like(tensor))
        self._constant = torch.stack(constants).sum()
        self._slope = torch.cat(slopes)

    def rate_bits(self, y: torch.Tensor) -> torch.Tensor:
        """Eq. 4: bits of weights `y` in units of their steps, under the current laws.

        Those of phases depend on their step alone: sorted, they divide a quarter turn.
        """
        neurons = self.network.n_neurons
        quarter_levels = (math.pi / 2) * (-self.learned_log_steps[1::2]).exp()
        phase_bits = neurons * increment_bits(quarter_levels / neurons)
        return self._constant + (self._slope * y.abs()).sum() + phase_bits.sum()

    @torch.no_grad()
    def freeze_steps(self) -> list[int]:
        """Snap every step to one that the format has, and return what stands for each in the file."""
        units = [2 * math.pi] * (len(self.specs) - 2) + [1.0, 1.0]
        indices, snapped = [], []
        for spec, unit, step in zip(self.specs, units, self.log_steps.exp().tolist(), strict=True):
            nearest = nearest_quarter_levels if spec.is_phase else nearest_step_index
            indices.append(nearest(step / unit))
            snapped.append(spec.step(indices[-1]) * unit)
        self.learned_log_steps.copy_(torch.tensor(snapped[:-1]).log())
        self.learned_log_steps.requires_grad_(False)
        return indices

    @torch.no_grad()
    def symbols(self, step_indices: Sequence[int]) -> list[NDArray[np.int32]]:
        """The rounded weights, in wire order and canonical form, for the frozen steps."""
        steps = self.log_steps.exp()
        tensors = []
        for spec, tensor, step, index in zip(
            self.specs, self.split(self.theta.detach()), steps, step_indices, strict=True
        ):
            rounded = (tensor / step).round()
            rounded = rounded % (4 * index) if spec.is_phase else rounded.clamp(-MAX_SYMBOL, MAX_SYMBOL)
            tensors.append(rounded.to(torch.int32).cpu().numpy())
        return canonicalize(tensors, step_indices[1:-1:2])


def _initial_tensors(
    network: CoordinateMLP, mean_colour: torch.Tensor, generator: torch.Generator
) -> list[torch.Tensor]:
    """Uniform weights, phases anywhere.

    Below SIREN's variance of 2 / fan-in (arXiv 2006.09661, section 3.2). Each gain came out 1 % lower in
    cost, but on two images and one seed, which is within the scatter: full size would do as well.
    """

    def uniform(shape: tuple[int, ...], bound: float) -> torch.Tensor:
        return (torch.rand(shape, generator=generator, device=generator.device) * 2 - 1) * bound

    tensors = []
    for spec in network.specs:
        if spec.name == "output.weight":
            tensors.append(uniform(spec.shape, math.sqrt(1 / network.n_neurons)))
        elif spec.name == "output.offset":
            tensors.append(mean_colour)
        elif spec.is_matrix:
            gain = _FIRST_GAIN if spec.name == "sine0.weight" else _HIDDEN_GAIN
            tensors.append(uniform(spec.shape, gain * math.sqrt(6 / spec.shape[1])))
        else:
            tensors.append(uniform(spec.shape, math.pi))
    return tensors

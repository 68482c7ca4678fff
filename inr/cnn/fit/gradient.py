"""Family `cnn` as differentiable functions: bits of the latents, and the image that they stand for.

On a GPU, and for tests, the plain operations of torch. On a CPU with numba, fit_kernels.py with the
work cut into jobs: each job is the same whatever the number of threads, and their results are added in
order, so a fit gives the same numbers on any of them.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray

from inr.cnn.architecture import LatentPyramid
from inr.cnn.context import NEIGHBOURS, PAD

MIN_LOG_SPREAD, MAX_LOG_SPREAD = -4.0, 6.0  # log2 of a Laplace law's spread in symbols
_BLOCKS = 4  # jobs that the finest levels are cut into
_ROWS_PER_JOB_PIXELS = 4096

Floats = NDArray[np.float32]
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class PlainLosses:
    """Bits and image by the operations of torch, on any device.

    Args:
        architecture: Of the network; matrices are given in its wire order, in units of one.
    """

    def __init__(self, architecture: LatentPyramid) -> None:
        self._architecture = architecture
        self._sizes = [height * width for height, width in architecture.level_shapes]

    def _levels(self, latents: torch.Tensor) -> list[torch.Tensor]:
        parts = torch.split(latents, self._sizes)
        return [part.view(shape) for part, shape in zip(parts, self._architecture.level_shapes, strict=True)]

    def bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bits of all latents, float32 [latents] in wire order of levels, finest first: a scalar."""
        inputs = torch.cat([_neighbours(level) for level in self._levels(latents)], dim=1)
        for matrix in matrices[:2]:
            inputs = torch.relu(matrix[:, :-1] @ inputs + matrix[:, -1:])
        centre, log_spread = matrices[2][:, :-1] @ inputs + matrices[2][:, -1:]
        return laplace_bits(latents, centre, log_spread)

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Samples in [0, 1], not clipped: float32 [channels, height, width]."""
        named = dict(zip(self._architecture.matrices, matrices, strict=True))
        levels = self._levels(latents)
        stack = levels[-1][None]
        for n in reversed(range(len(levels) - 1)):
            height, width = levels[n].shape
            stack = torch.cat([levels[n][None], _double(stack, named["upsampling"][n])[:, :height, :width]])
        first, second = named["synthesis0"], named["synthesis1"]
        hidden = torch.relu(first[:, :-1] @ stack.flatten(1) + first[:, -1:])
        samples = (second[:, :-1] @ hidden + second[:, -1:]).view(-1, *stack.shape[1:])
        for n in range(1, self._architecture.n_residuals + 1):
            samples = samples + _convolution(samples, named[f"residual{n - 1}"])
            samples = torch.relu(samples) if n < self._architecture.n_residuals else samples
        return samples


def laplace_bits(latents: torch.Tensor, centre: torch.Tensor, log_spread: torch.Tensor) -> torch.Tensor:
    """Bits of values under Laplace laws, each taken over the unit interval around the value: a scalar."""
    rate = torch.exp2(-log_spread.clamp(MIN_LOG_SPREAD, MAX_LOG_SPREAD))
    distance = (latents - centre).abs()
    near = distance < 0.5
    outer, inner = torch.exp(-(0.5 + distance) * rate), torch.exp(-(0.5 - distance).clamp_min(0) * rate)
    around = torch.where(near, 1 - 0.5 * (outer + inner), 1.0).clamp_min(1e-9)
    beyond = (distance - 0.5) * rate - torch.log(0.5 * (1 - torch.exp(-rate)))
    return torch.where(near, -torch.log(around), beyond).sum() / math.log(2)


def _neighbours(level: torch.Tensor) -> torch.Tensor:
    height, width = level.shape
    padded = functional.pad(level, (PAD, PAD, PAD, 0))
    views = [padded[PAD + y :, PAD + x :][:height, :width].flatten() for y, x in NEIGHBOURS]
    return torch.stack(views)


def _double(planes: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    for axis in (1, 2):
        size = planes.shape[axis]
        padded = functional.pad(planes.movedim(axis, -1), (2, 2), mode="replicate")
        views = [padded[..., n : n + size] for n in range(5)]
        before = sum(taps[n] * views[n] for n in range(4))
        after = sum(taps[3 - n] * views[n + 1] for n in range(4))
        assert isinstance(before, torch.Tensor)
        assert isinstance(after, torch.Tensor)
        planes = torch.stack([before, after], dim=-1).flatten(-2).movedim(-1, axis)
    return planes


def _convolution(samples: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    channels = len(samples)
    padded = functional.pad(samples[None], (1, 1, 1, 1), mode="replicate")
    kernel = matrix[:, :-1].reshape(channels, channels, 3, 3)
    return functional.conv2d(padded, kernel, matrix[:, -1])[0]


class CompiledLosses:
    """The same, on a CPU, by compiled loops.

    Args:
        architecture: Of the network.
        kernels: inr.cnn.fit.kernels.
        pool: Where jobs run beside each other; None for one after another.
    """

    def __init__(
        self, architecture: LatentPyramid, kernels: ModuleType, pool: ThreadPoolExecutor | None
    ) -> None:
        self.architecture, self.kernels, self._pool = architecture, kernels, pool
        self.shapes = architecture.level_shapes
        self.starts = np.cumsum([0] + [height * width for height, width in self.shapes])
        self.context_jobs = [
            (level, int(edges[n]), int(edges[n + 1]))
            for level, (height, width) in enumerate(self.shapes)
            for edges in [_cut(height, min(_BLOCKS, height * width // _ROWS_PER_JOB_PIXELS))]
            for n in range(len(edges) - 1)
        ]
        height, width = self.shapes[0]
        self.row_edges = _cut(height, min(_BLOCKS, height // 2))
        self.pixel_edges = _cut(height * width, min(_BLOCKS, height * width // _ROWS_PER_JOB_PIXELS))

    def map(self, job: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
        """Answers of all jobs, in order."""
        return list(self._pool.map(job, items)) if self._pool else [job(item) for item in items]

    def bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """As `PlainLosses.bits`."""
        # torch leaves `Function.apply` without types, here and below.
        result: torch.Tensor = _Bits.apply(self, latents, *matrices[:3])  # type: ignore[no-untyped-call]
        return result

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """As `PlainLosses.image`."""
        named = dict(zip(self.architecture.matrices, matrices, strict=True))
        no_filters = torch.zeros(0, 4)
        samples: torch.Tensor = _Pixelwise.apply(  # type: ignore[no-untyped-call]
            self, latents, named.get("upsampling", no_filters), named["synthesis0"], named["synthesis1"]
        )
        for n in range(1, self.architecture.n_residuals + 1):
            rectify = n < self.architecture.n_residuals
            samples = _Residual.apply(self, samples, named[f"residual{n - 1}"], rectify)  # type: ignore[no-untyped-call]
        return samples


def _cut(length: int, n_parts: int) -> NDArray[np.int64]:
    return np.linspace(0, length, max(1, n_parts) + 1).astype(np.int64)


def _zeros(*shape: int) -> Floats:
    return np.zeros(shape, dtype=np.float32)


def _split(matrix: torch.Tensor, rows: int = 0, columns: int = 0) -> tuple[Floats, Floats]:
    """Weights and biases of a matrix, padded with zeros to multiples of `rows` and `columns` if given."""
    both = matrix.detach().numpy()
    n_rows, n_columns = both.shape[0], both.shape[1] - 1
    padded = _zeros(-(-n_rows // (rows or 1)) * (rows or 1), -(-n_columns // (columns or 1)) * (columns or 1))
    bias = _zeros(len(padded))
    padded[:n_rows, :n_columns], bias[:n_rows] = both[:, :-1], both[:, -1]
    return padded, bias


def _joined(weight: Floats, bias: Floats, like: torch.Tensor) -> torch.Tensor:
    """The gradient of a matrix from those of its padded weights and biases."""
    rows, columns = like.shape
    return torch.from_numpy(np.concatenate([weight[:rows, : columns - 1], bias[:rows, None]], axis=1))


class _Bits(torch.autograd.Function):
    """Bits and their gradients come out of one pass, so `backward` only scales them."""

    @staticmethod
    def forward(
        ctx: Any, losses: CompiledLosses, latents: torch.Tensor, *matrices: torch.Tensor
    ) -> torch.Tensor:
        kernels, lanes = losses.kernels, losses.kernels.LANES
        weights, biases = zip(*map(_split, matrices), strict=True)
        transposed = tuple(np.ascontiguousarray(weight.T) for weight in weights)
        hidden, n_inputs = weights[0].shape
        values = latents.detach().numpy()
        planes, gradients = [], []
        for n, (height, width) in enumerate(losses.shapes):
            plane = _zeros(PAD + height, width + 2 * PAD)
            plane[PAD:, PAD:-PAD] = values[losses.starts[n] : losses.starts[n + 1]].reshape(height, width)
            planes.append(plane)
            gradients.append(np.zeros_like(plane))
        offsets = [np.array(column) for column in zip(*NEIGHBOURS, strict=True)]

        def job(item: tuple[int, int, int]) -> tuple[float, Floats, list[Floats], list[Floats]]:
            level, top, bottom = item
            first = max(0, top - PAD)
            plane = planes[level][first:]
            gradient = _zeros(bottom - first + PAD, plane.shape[1])
            by_weight, by_bias = [_zeros(*w.shape) for w in weights], [_zeros(*b.shape) for b in biases]
            scratch = tuple(
                _zeros(size, lanes) for size in (n_inputs, hidden, hidden, 2, 2, hidden, hidden, n_inputs, 6)
            )
            nats = kernels.context_rows(
                plane, gradient, top - first, bottom - first, losses.shapes[level][1], *offsets, PAD,
                weights, transposed, (*biases, _zeros(max(hidden, n_inputs))), tuple(by_weight),
                tuple(by_bias), scratch, np.zeros(lanes, np.int32),
            )  # fmt: skip
            return nats, gradient, by_weight, by_bias

        total = 0.0
        sums = [[_zeros(*w.shape) for w in weights], [_zeros(*b.shape) for b in biases]]
        answers = losses.map(job, losses.context_jobs)
        for (level, top, _), (nats, gradient, by_weight, by_bias) in zip(
            losses.context_jobs, answers, strict=True
        ):
            total += nats
            first = max(0, top - PAD)
            gradients[level][first : first + len(gradient)] += gradient
            for kind, parts in zip(sums, (by_weight, by_bias), strict=True):
                for so_far, part in zip(kind, parts, strict=True):
                    so_far += part
        by_latent = np.concatenate([gradient[PAD:, PAD:-PAD].ravel() for gradient in gradients])
        by_matrix = [_joined(w, b, matrix) for w, b, matrix in zip(*sums, matrices, strict=True)]
        ctx.save_for_backward(torch.from_numpy(by_latent), *by_matrix)
        return torch.tensor(total / math.log(2), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        scale = upstream[0] / math.log(2)
        return None, *[scale * gradient for gradient in ctx.saved_tensors]


class _Pixelwise(torch.autograd.Function):
    """Latents → stack of levels at full size → the two layers of the synthesis."""

    @staticmethod
    def forward(
        ctx: Any, losses: CompiledLosses, latents: torch.Tensor, filters: torch.Tensor, *layers: torch.Tensor
    ) -> torch.Tensor:
        kernels = losses.kernels
        taps = filters.detach().numpy()
        stacks = _stacks(losses, latents.detach().numpy(), taps)
        inputs = stacks[0].reshape(len(stacks[0]), -1)
        first, second = _split(layers[0], columns=4), _split(layers[1], rows=4)
        channels = losses.architecture.channels
        samples = np.empty((channels, inputs.shape[1]), dtype=np.float32)
        edges = losses.pixel_edges

        def job(n: int) -> None:
            scratch = tuple(_zeros(size, kernels.LANES) for size in (len(inputs), len(first[0]), 4))
            kernels.synthesis_rows(inputs, samples, edges[n], edges[n + 1], *first, *second, scratch)

        losses.map(job, range(len(edges) - 1))
        ctx.kept = losses, stacks, taps, first, second, layers
        return torch.from_numpy(samples.reshape(channels, *losses.shapes[0]))

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        losses, stacks, taps, first, second, layers = ctx.kept
        kernels = losses.kernels
        inputs = stacks[0].reshape(len(stacks[0]), -1)
        by_sample = np.ascontiguousarray(upstream[0].numpy()).reshape(len(upstream[0]), -1)
        by_input = np.empty_like(inputs)
        transposed = [np.ascontiguousarray(layer[0].T) for layer in (first, second)]
        none = _zeros(max(len(first[0]), len(inputs)))
        edges = losses.pixel_edges

        def job(n: int) -> tuple[Floats, ...]:
            gradients = tuple(np.zeros_like(array) for array in (*first, *second))
            sizes = (len(inputs), len(first[0]), 4, len(first[0]), len(inputs))
            kernels.synthesis_rows_back(
                inputs, by_sample, by_input, edges[n], edges[n + 1], first[0], transposed[0], first[1],
                transposed[1], none, *gradients, tuple(_zeros(size, kernels.LANES) for size in sizes),
            )  # fmt: skip
            return gradients

        sums = [sum(parts) for parts in zip(*losses.map(job, range(len(edges) - 1)), strict=True)]
        by_latent, by_tap = _stacks_back(losses, stacks, by_input.reshape(stacks[0].shape), taps)
        return (
            None,
            torch.from_numpy(by_latent),
            torch.from_numpy(by_tap),
            _joined(sums[0], sums[1], layers[0]),
            _joined(sums[2], sums[3], layers[1]),
        )


def _stacks(losses: CompiledLosses, latents: Floats, taps: Floats) -> list[Floats]:
    """Of each level, itself and all coarser ones at its size; the finest in a multiple of four planes."""
    n_levels = len(losses.shapes)
    stacks: list[Floats] = []
    for n in reversed(range(n_levels)):
        own = latents[losses.starts[n] : losses.starts[n + 1]].reshape(losses.shapes[n])
        n_planes = n_levels - n
        stack = _zeros(n_planes if n else -(-n_planes // 4) * 4, *own.shape)
        stack[0] = own
        if stacks:
            source, filter_taps = stacks[0], taps[n]

            def job(
                k: int, source: Floats = source, stack: Floats = stack, taps: Floats = filter_taps
            ) -> None:
                losses.kernels.upsample(
                    source[k : k + 1], stack[k + 1 : k + 2], taps, _zeros(source.shape[2] + 5)
                )

            losses.map(job, range(len(source)))
        stacks.insert(0, stack)
    return stacks


def _stacks_back(
    losses: CompiledLosses, stacks: list[Floats], by_stack: Floats, taps: Floats
) -> tuple[Floats, Floats]:
    by_latent, by_tap = _zeros(int(losses.starts[-1])), np.zeros_like(taps)
    for n in range(len(losses.shapes)):
        by_latent[losses.starts[n] : losses.starts[n + 1]] = by_stack[0].ravel()
        if n + 1 == len(losses.shapes):
            break
        source, outer = stacks[n + 1], by_stack
        by_source = np.zeros_like(source)

        def job(
            k: int,
            source: Floats = source,
            outer: Floats = outer,
            by_source: Floats = by_source,
            taps: Floats = taps[n],
        ) -> Floats:
            by_these, width = _zeros(4), source.shape[2]
            part = slice(k, k + 1)
            losses.kernels.upsample_back(
                source[part], outer[k + 1 : k + 2], by_source[part], taps, by_these, _zeros(width + 5),
                _zeros(width + 6),
            )  # fmt: skip
            return by_these

        by_tap[n] = sum(losses.map(job, range(len(source))))
        by_stack = by_source
    return by_latent, by_tap


class _Residual(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, losses: CompiledLosses, samples: torch.Tensor, matrix: torch.Tensor, rectify: bool
    ) -> torch.Tensor:
        before = np.ascontiguousarray(samples.detach().numpy())
        channels, after = len(before), np.empty_like(before)
        weight, bias = _split(matrix)
        kernel = weight.reshape(channels, channels, 3, 3)
        edges = losses.row_edges
        losses.map(
            lambda n: losses.kernels.head_forward(
                before, after, kernel, bias, rectify, edges[n], edges[n + 1]
            ),
            range(len(edges) - 1),
        )
        ctx.kept = losses, before, after, kernel, rectify, matrix
        return torch.from_numpy(after)

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        losses, before, after, kernel, rectify, matrix = ctx.kept
        outer = upstream[0].contiguous().numpy().copy()  # rectification is undone in place
        by_sample = np.zeros_like(before)
        edges = losses.row_edges

        def job(n: int) -> tuple[Floats, Floats]:
            by_kernel, by_bias = np.zeros_like(kernel), _zeros(len(kernel))
            losses.kernels.head_backward(
                before, after, outer, by_sample, kernel, by_kernel, by_bias, rectify, edges[n], edges[n + 1]
            )
            return by_kernel, by_bias

        # A job reaches one row beyond its own: every second one runs first.
        answers = losses.map(job, range(0, len(edges) - 1, 2)) + losses.map(job, range(1, len(edges) - 1, 2))
        by_kernel = np.sum([part for part, _ in answers], axis=0)
        by_bias = np.sum([part for _, part in answers], axis=0)
        return (
            None,
            torch.from_numpy(by_sample),
            _joined(by_kernel.reshape(len(kernel), -1), by_bias, matrix),
            None,
        )

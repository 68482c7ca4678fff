"""The twin of plain_losses.py on a CPU, by compiled loops whose work is cut into jobs.

Each job is the same whatever the number of threads, and their results are added in order, so a fit gives the
same numbers on any number of them.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.arithmetic import NEIGHBOURS, PAD
from inr.cnn.fit import context_kernels, synthesis_kernels
from inr.cnn.fit.elementary_kernels import LANES

_BLOCKS = 4  # jobs that the finest levels are cut into
_ROWS_PER_JOB_PIXELS = 4096

Floats = NDArray[np.float32]
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class CompiledLosses:
    """Bits and image by compiled loops.

    Args:
        architecture: The network's architecture; matrices come in its wire order, in units of one.
        pool: Runs jobs beside each other; without one they run one after another.
    """

    def __init__(self, architecture: LatentPyramid, pool: ThreadPoolExecutor | None) -> None:
        self.architecture, self._pool = architecture, pool
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
        """See `PlainLosses.bits`."""
        # torch leaves `Function.apply` without types, here and below.
        result: torch.Tensor = _Bits.apply(self, latents, *matrices[: len(CONTEXT_MATRICES)])  # type: ignore[no-untyped-call]
        return result

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """See `PlainLosses.image`."""
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
        weights, biases = zip(*map(_split, matrices), strict=True)
        transposed = tuple(np.ascontiguousarray(weight.T) for weight in weights)
        hidden, n_inputs = weights[0].shape
        planes = _padded_planes(losses, latents.detach().numpy())
        gradients = [np.zeros_like(plane) for plane in planes]
        offsets = [np.array(column) for column in zip(*NEIGHBOURS, strict=True)]

        def job(item: tuple[int, int, int]) -> tuple[float, Floats, list[Floats], list[Floats]]:
            level, top, bottom = item
            first = max(0, top - PAD)
            plane = planes[level][first:]
            gradient = _zeros(bottom - first + PAD, plane.shape[1])
            by_weight, by_bias = [_zeros(*w.shape) for w in weights], [_zeros(*b.shape) for b in biases]
            scratch = tuple(
                _zeros(size, LANES) for size in (n_inputs, hidden, hidden, 2, 2, hidden, hidden, n_inputs, 6)
            )
            nats = context_kernels.context_rows(
                plane, gradient, top - first, bottom - first, losses.shapes[level][1], *offsets, PAD,
                weights, transposed, (*biases, _zeros(max(hidden, n_inputs))), tuple(by_weight),
                tuple(by_bias), scratch, np.zeros(LANES, np.int32),
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


def _padded_planes(losses: CompiledLosses, latents: Floats) -> list[Floats]:
    """The levels with zeros around them, where neighbours may lie."""
    planes = []
    for n, (height, width) in enumerate(losses.shapes):
        planes.append(_zeros(PAD + height, width + 2 * PAD))
        level = latents[losses.starts[n] : losses.starts[n + 1]]
        planes[-1][PAD:, PAD:-PAD] = level.reshape(height, width)
    return planes


class _Pixelwise(torch.autograd.Function):
    """Latents → stack of levels at full size → the two layers of the synthesis."""

    @staticmethod
    def forward(
        ctx: Any, losses: CompiledLosses, latents: torch.Tensor, filters: torch.Tensor, *layers: torch.Tensor
    ) -> torch.Tensor:
        taps = filters.detach().numpy()
        stacks = _stacks(losses, latents.detach().numpy(), taps)
        inputs = stacks[0].reshape(len(stacks[0]), -1)
        first, second = _split(layers[0], columns=4), _split(layers[1], rows=4)
        channels = losses.architecture.channels
        samples = np.empty((channels, inputs.shape[1]), dtype=np.float32)
        edges = losses.pixel_edges

        def job(n: int) -> None:
            scratch = tuple(_zeros(size, LANES) for size in (len(inputs), len(first[0]), 4))
            synthesis_kernels.synthesis_rows(
                inputs, samples, edges[n], edges[n + 1], *first, *second, scratch
            )

        losses.map(job, range(len(edges) - 1))
        ctx.kept = losses, stacks, taps, first, second, layers
        return torch.from_numpy(samples.reshape(channels, *losses.shapes[0]))

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        losses, stacks, taps, first, second, layers = ctx.kept
        inputs = stacks[0].reshape(len(stacks[0]), -1)
        by_sample = np.ascontiguousarray(upstream[0].numpy()).reshape(len(upstream[0]), -1)
        by_input = np.empty_like(inputs)
        transposed = [np.ascontiguousarray(layer[0].T) for layer in (first, second)]
        none = _zeros(max(len(first[0]), len(inputs)))
        edges = losses.pixel_edges

        def job(n: int) -> tuple[Floats, ...]:
            gradients = tuple(np.zeros_like(array) for array in (*first, *second))
            sizes = (len(inputs), len(first[0]), 4, len(first[0]), len(inputs))
            synthesis_kernels.synthesis_rows_back(
                inputs, by_sample, by_input, edges[n], edges[n + 1], first[0], transposed[0], first[1],
                transposed[1], none, *gradients, tuple(_zeros(size, LANES) for size in sizes),
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
    """Each level with all coarser ones at its size; the finest in a multiple of four planes."""
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
                synthesis_kernels.upsample(
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
            synthesis_kernels.upsample_back(
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
            lambda n: synthesis_kernels.head_forward(
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
            synthesis_kernels.head_backward(
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

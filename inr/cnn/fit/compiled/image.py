"""The image that latents stand for and its gradients by compiled loops, a job for each plane or block of rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from inr.cnn.fit.compiled import plane_kernels, synthesis_kernels
from inr.cnn.fit.compiled.elementary_kernels import LANES
from inr.cnn.fit.compiled.losses import CompiledLosses, Floats, joined, split, zeros


@dataclass(frozen=True)
class _Stacks:
    """Planes on their way to the synthesis.

    Attributes:
        own: Each level's latents, finest first.
        stacks: For each level its filtered plane and all coarser ones at its size: [planes, height, width];
            the finest has a multiple of four planes.
    """

    own: list[Floats]
    stacks: list[Floats]


class Pixelwise(torch.autograd.Function):
    """Latents → stack of levels at full size → the two layers of the synthesis."""

    @staticmethod
    def forward(
        ctx: Any,
        losses: CompiledLosses,
        latents: torch.Tensor,
        filters: torch.Tensor,
        upsampling: torch.Tensor,
        *layers: torch.Tensor,
    ) -> torch.Tensor:
        taps = filters.detach().numpy(), upsampling.detach().numpy()
        stacks = _stacks(losses, latents.detach().numpy(), *taps)
        inputs = stacks.stacks[0].reshape(len(stacks.stacks[0]), -1)
        first, second = split(layers[0], rows=4, columns=4), split(layers[1], rows=4)
        channels = losses.architecture.channels
        samples = np.empty((channels, inputs.shape[1]), dtype=np.float32)
        edges = losses.pixel_edges

        def job(n: int) -> None:
            scratch = tuple(zeros(size, LANES) for size in (len(inputs), len(first[0]), 4))
            synthesis_kernels.synthesis_rows(
                inputs, samples, edges[n], edges[n + 1], *first, *second, scratch
            )

        losses.map(job, range(len(edges) - 1))
        ctx.kept = losses, stacks, taps, first, second, layers
        return torch.from_numpy(samples.reshape(channels, *losses.shapes[0]))

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        losses, stacks, taps, first, second, layers = ctx.kept
        inputs = stacks.stacks[0].reshape(len(stacks.stacks[0]), -1)
        by_sample = np.ascontiguousarray(upstream[0].numpy()).reshape(len(upstream[0]), -1)
        by_input = np.empty_like(inputs)
        transposed = [np.ascontiguousarray(layer[0].T) for layer in (first, second)]
        none = zeros(max(len(first[0]), len(inputs)))
        edges = losses.pixel_edges

        def job(n: int) -> tuple[Floats, ...]:
            gradients = tuple(np.zeros_like(array) for array in (*first, *second))
            sizes = (len(inputs), len(first[0]), 4, len(first[0]), len(inputs))
            synthesis_kernels.synthesis_rows_back(
                inputs, by_sample, by_input, edges[n], edges[n + 1], first[0], transposed[0], first[1],
                transposed[1], none, *gradients, tuple(zeros(size, LANES) for size in sizes),
            )  # fmt: skip
            return gradients

        sums = [sum(parts) for parts in zip(*losses.map(job, range(len(edges) - 1)), strict=True)]
        by_latent, by_filter, by_upsampling = _stacks_back(
            losses, stacks, by_input.reshape(stacks.stacks[0].shape), *taps
        )
        return (
            None,
            torch.from_numpy(by_latent),
            torch.from_numpy(by_filter),
            torch.from_numpy(by_upsampling),
            joined(sums[0], sums[1], layers[0]),
            joined(sums[2], sums[3], layers[1]),
        )


def _blocks(height: int) -> list[tuple[int, int]]:
    edges = np.linspace(0, height, max(1, min(4, height // 16)) + 1).astype(int)
    return [(int(top), int(bottom)) for top, bottom in zip(edges, edges[1:], strict=False)]


def _stacks(losses: CompiledLosses, latents: Floats, filters: Floats, upsampling: Floats) -> _Stacks:
    n_levels = losses.architecture.n_levels
    own = [
        latents[losses.starts[n] : losses.starts[n + 1]].reshape(losses.shapes[n]) for n in range(n_levels)
    ]
    stacks: list[Floats] = []
    for n in reversed(range(n_levels)):
        n_planes = n_levels - n
        stack = zeros(n_planes if n else -(-n_planes // 4) * 4, *own[n].shape)
        if not stacks:
            stack[0] = own[n]
        else:
            _filter(losses, own[n], stack[0], filters[n])
            _double(losses, stacks[0], stack, upsampling[n])
        stacks.insert(0, stack)
    return _Stacks(own, stacks)


def _filter(losses: CompiledLosses, source: Floats, target: Floats, taps: Floats) -> None:
    def job(rows: tuple[int, int]) -> None:
        plane_kernels.filter_rows(source, target, taps, *rows, zeros(source.shape[1] + 6))

    losses.map(job, _blocks(len(source)))


def _double(losses: CompiledLosses, source: Floats, stack: Floats, taps: Floats) -> None:
    def job(k: int) -> None:
        plane_kernels.upsample(source[k : k + 1], stack[k + 1 : k + 2], taps, zeros(source.shape[2] + 5))

    losses.map(job, range(len(source)))


def _stacks_back(
    losses: CompiledLosses, stacks: _Stacks, by_stack: Floats, filters: Floats, upsampling: Floats
) -> tuple[Floats, Floats, Floats]:
    """Gradients of the latents and of both kinds of taps; `by_stack` is worked on in place."""
    by_latent = zeros(int(losses.starts[-1]))
    by_filter, by_upsampling = np.zeros_like(filters), np.zeros_like(upsampling)
    for n, own in enumerate(stacks.own):
        target = by_latent[losses.starts[n] : losses.starts[n + 1]].reshape(own.shape)
        if n + 1 == len(stacks.own):
            target[:] = by_stack[0]
            break
        by_source, by_upsampling[n] = _double_back(losses, stacks.stacks[n + 1], by_stack, upsampling[n])
        by_filter[n] = _filter_back(losses, own, by_stack[0], target, filters[n])
        by_stack = by_source
    return by_latent, by_filter, by_upsampling


def _filter_back(
    losses: CompiledLosses, source: Floats, by_plane: Floats, by_source: Floats, taps: Floats
) -> Floats:
    def lines(rows: tuple[int, int]) -> Floats:
        by_tap = zeros(4)
        scratch = zeros(3, source.shape[1] + 12)
        plane_kernels.filter_lines_back(source, by_plane, taps, by_tap, *rows, scratch)
        return by_tap

    def columns(rows: tuple[int, int]) -> None:
        plane_kernels.filter_columns_back(by_plane, by_source, taps, *rows)

    blocks = _blocks(len(source))
    by_taps: Floats = np.sum(losses.map(lines, blocks), axis=0)
    losses.map(columns, blocks)
    return by_taps


def _double_back(
    losses: CompiledLosses, source: Floats, by_stack: Floats, taps: Floats
) -> tuple[Floats, Floats]:
    by_source = np.zeros_like(source)

    def job(k: int) -> Floats:
        by_these, width = zeros(4), source.shape[2]
        part = slice(k, k + 1)
        plane_kernels.upsample_back(
            source[part], by_stack[k + 1 : k + 2], by_source[part], taps, by_these, zeros(width + 5),
            zeros(width + 6),
        )  # fmt: skip
        return by_these

    by_taps: Sequence[Floats] = losses.map(job, range(len(source)))
    return by_source, np.sum(by_taps, axis=0)


class Residual(torch.autograd.Function):
    """Samples plus their 3x3 convolution."""

    @staticmethod
    def forward(
        ctx: Any, losses: CompiledLosses, samples: torch.Tensor, matrix: torch.Tensor, rectify: bool
    ) -> torch.Tensor:
        before = np.ascontiguousarray(samples.detach().numpy())
        channels, after = len(before), np.empty_like(before)
        weight, bias = split(matrix)
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
            by_kernel, by_bias = np.zeros_like(kernel), zeros(len(kernel))
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
            joined(by_kernel.reshape(len(kernel), -1), by_bias, matrix),
            None,
        )

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
        before = np.pad(samples.detach().numpy(), ((0, 0), (1, 1), (1, 1)), mode="edge")
        channels, height, width = samples.shape
        after = np.empty((channels, height, width), dtype=np.float32)
        weight, bias = split(matrix)
        kernel = weight.reshape(channels, channels, 3, 3)
        losses.map(
            lambda rows: synthesis_kernels.head_forward(before, after, kernel, bias, rectify, *rows),
            _blocks(height),
        )
        ctx.kept = losses, before, after, kernel, rectify, matrix
        return torch.from_numpy(after)

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        losses, before, after, kernel, rectify, matrix = ctx.kept
        channels, height, width = after.shape
        outer = zeros(channels, height + 4, width + 4)
        np.multiply(upstream[0].numpy(), after > 0 if rectify else 1, out=outer[:, 2:-2, 2:-2])
        by_padded = np.empty_like(before)
        turned = np.ascontiguousarray(kernel[:, :, ::-1, ::-1].swapaxes(0, 1))

        def taps(rows: tuple[int, int]) -> tuple[Floats, Floats]:
            by_kernel, by_bias = np.zeros_like(kernel), zeros(channels)
            synthesis_kernels.head_taps_back(before, outer, by_kernel, by_bias, *rows)
            return by_kernel, by_bias

        losses.map(
            lambda rows: synthesis_kernels.head_samples_back(outer, by_padded, turned, *rows),
            _blocks(height + 2),
        )
        answers = losses.map(taps, _blocks(height))
        by_kernel = np.sum([part for part, _ in answers], axis=0)
        by_bias = np.sum([part for _, part in answers], axis=0)
        return (
            None,
            torch.from_numpy(_edges_folded(by_padded)),
            joined(by_kernel.reshape(channels, -1), by_bias, matrix),
            None,
        )


def _edges_folded(padded: Floats) -> Floats:
    """The gradient of planes from that of planes whose edges were repeated once: works in place."""
    for planes in (padded, padded.swapaxes(1, 2)):
        planes[:, 1] += planes[:, 0]
        planes[:, -2] += planes[:, -1]
    return np.ascontiguousarray(padded[:, 1:-1, 1:-1])

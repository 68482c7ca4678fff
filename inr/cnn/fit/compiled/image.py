"""The image that latents stand for and its gradients by compiled loops, a job for each plane or some rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from inr.cnn.fit.compiled.arrays import Floats, empty, joined, released, split, zeros
from inr.cnn.fit.compiled.jobs import Jobs, Span, blocks
from inr.cnn.fit.compiled.kernels import plane, synthesis
from inr.cnn.fit.compiled.kernels.elementary import LANES

_Layer = tuple[Floats, Floats]  # weights and constants


@dataclass(frozen=True)
class _Stacks:
    """Planes on their way to the synthesis.

    Attributes:
        own: Each level's latents, finest first.
        stacks: For each level its filtered plane and all coarser ones at its size: [planes, height, width].
    """

    own: list[Floats]
    stacks: list[Floats]


class Pixelwise(torch.autograd.Function):
    """Latents → stack of levels at full size → the two layers of the synthesis."""

    @staticmethod
    def forward(
        ctx: Any,
        jobs: Jobs,
        latents: torch.Tensor,
        filters: torch.Tensor,
        upsampling: torch.Tensor,
        *layers: torch.Tensor,
    ) -> torch.Tensor:
        """Samples before the residual layers: float32 [channels, height, width]."""
        taps = filters.detach().numpy(), upsampling.detach().numpy()
        stacks = _stacks(jobs, latents.detach().numpy(), *taps)
        inputs = stacks.stacks[0].reshape(len(stacks.stacks[0]), -1)
        first, second = split(layers[0], rows=4, columns=4), split(layers[1], rows=4)
        channels = jobs.architecture.channels
        samples = empty(channels, inputs.shape[1])

        def job(pixels: Span) -> None:
            scratch = _runs(jobs, "synthesis", first[0].shape[1], len(first[0]), 4)
            synthesis.synthesis_rows(inputs, samples, *pixels, *first, *second, scratch)

        jobs.run(job, jobs.of_pixels)
        ctx.kept = jobs, stacks, taps, first, second, layers
        return torch.from_numpy(samples.reshape(channels, *jobs.shapes[0]))

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        """Gradients of the latents, of both kinds of taps, and of the two layers' matrices."""
        jobs, stacks, taps, first, second, layers = released(ctx)
        by_first, by_second = _layers_back(jobs, stacks.stacks[0], upstream[0], first, second)
        by_latent, by_filter, by_upsampling = _stacks_back(jobs, stacks, *taps)
        return (
            None,
            torch.from_numpy(by_latent),
            torch.from_numpy(by_filter),
            torch.from_numpy(by_upsampling),
            joined(*by_first, layers[0]),
            joined(*by_second, layers[1]),
        )


def _layers_back(
    jobs: Jobs, stack: Floats, upstream: torch.Tensor, first: _Layer, second: _Layer
) -> tuple[_Layer, _Layer]:
    """Gradients of weights and constants of both layers; that of the stack takes the stack's place."""
    inputs = stack.reshape(len(stack), -1)
    by_sample = np.ascontiguousarray(upstream.numpy()).reshape(len(upstream), -1)
    transposed = [np.ascontiguousarray(layer[0].T) for layer in (first, second)]
    none = zeros(max(first[0].shape))

    def job(pixels: Span) -> tuple[Floats, ...]:
        gradients = tuple(zeros(*array.shape) for array in (*first, *second))
        neurons, padded = first[0].shape
        sizes = (padded, neurons, 4, neurons, padded)
        synthesis.synthesis_rows_back(
            inputs, by_sample, inputs, *pixels, first[0], transposed[0], first[1],
            transposed[1], none, *gradients, _runs(jobs, "synthesis back", *sizes),
        )  # fmt: skip
        return gradients

    sums = [sum(parts) for parts in zip(*jobs.run(job, jobs.of_pixels), strict=True)]
    return (sums[0], sums[1]), (sums[2], sums[3])


def _runs(jobs: Jobs, name: str, *sizes: int) -> tuple[Floats, ...]:
    """Arrays in which loops work, of so many rows each."""
    return tuple(jobs.zeros((name, n), size, LANES) for n, size in enumerate(sizes))


def _stacks(jobs: Jobs, latents: Floats, filters: Floats, upsampling: Floats) -> _Stacks:
    n_levels = jobs.architecture.n_levels
    own = [jobs.part(latents, n) for n in range(n_levels)]
    stacks: list[Floats] = []
    for n in reversed(range(n_levels)):
        n_planes = n_levels - n
        stack = empty(n_planes, *own[n].shape)
        if not stacks:
            stack[0] = own[n]
        else:
            _filter(jobs, own[n], stack[0], filters[n])
            _double(jobs, stacks[0], stack, upsampling[n])
        stacks.insert(0, stack)
    return _Stacks(own, stacks)


def _filter(jobs: Jobs, source: Floats, target: Floats, taps: Floats) -> None:
    def job(rows: Span) -> None:
        plane.filter_rows(source, target, taps, *rows, jobs.zeros("filter", source.shape[1] + 6))

    jobs.run(job, blocks(len(source)))


def _double(jobs: Jobs, source: Floats, stack: Floats, taps: Floats) -> None:
    def job(k: int) -> None:
        line = jobs.zeros("upsample", source.shape[2] + 5)
        plane.upsample(source[k : k + 1], stack[k + 1 : k + 2], taps, line)

    jobs.run(job, range(len(source)))


def _stacks_back(
    jobs: Jobs, stacks: _Stacks, filters: Floats, upsampling: Floats
) -> tuple[Floats, Floats, Floats]:
    """Gradients of the latents and of both kinds of taps; the first stack holds its own gradient by now.

    Stacks are let go one by one.
    """
    by_latent, by_stack = zeros(int(jobs.starts[-1])), stacks.stacks.pop(0)
    by_filter, by_upsampling = np.zeros_like(filters), np.zeros_like(upsampling)
    for n, own in enumerate(stacks.own):
        target = jobs.part(by_latent, n)
        if n + 1 == len(stacks.own):
            target[:] = by_stack[0]
            break
        by_source, by_upsampling[n] = _double_back(jobs, stacks.stacks.pop(0), by_stack, upsampling[n])
        by_filter[n] = _filter_back(jobs, own, by_stack[0], target, filters[n])
        by_stack = by_source
    return by_latent, by_filter, by_upsampling


def _filter_back(jobs: Jobs, source: Floats, by_plane: Floats, by_source: Floats, taps: Floats) -> Floats:
    def lines(rows: Span) -> Floats:
        by_tap = zeros(4)
        scratch = jobs.zeros("filter back", 3, source.shape[1] + 12)
        plane.filter_lines_back(source, by_plane, taps, by_tap, *rows, scratch)
        return by_tap

    def columns(rows: Span) -> None:
        plane.filter_columns_back(by_plane, by_source, taps, *rows)

    spans = blocks(len(source))
    by_taps: Floats = np.sum(jobs.run(lines, spans), axis=0)
    jobs.run(columns, spans)
    return by_taps


def _double_back(jobs: Jobs, source: Floats, by_stack: Floats, taps: Floats) -> tuple[Floats, Floats]:
    by_source = zeros(*source.shape)

    def job(k: int) -> Floats:
        by_these, width = zeros(4), source.shape[2]
        part = slice(k, k + 1)
        plane.upsample_back(
            source[part], by_stack[k + 1 : k + 2], by_source[part], taps, by_these,
            jobs.zeros("upsample back", width + 5), jobs.zeros("upsample back", width + 6),
        )  # fmt: skip
        return by_these

    by_taps: Sequence[Floats] = jobs.run(job, range(len(source)))
    return by_source, np.sum(by_taps, axis=0)


class Residual(torch.autograd.Function):
    """Samples plus their 3x3 convolution."""

    @staticmethod
    def forward(
        ctx: Any, jobs: Jobs, samples: torch.Tensor, matrix: torch.Tensor, rectify: bool
    ) -> torch.Tensor:
        """Samples after the layer, rectified if asked: float32 [channels, height, width]."""
        channels, height, width = samples.shape
        before, after = _edges_repeated(samples.detach().numpy()), empty(channels, height, width)
        weight, bias = split(matrix)
        kernel = weight.reshape(channels, channels, 3, 3)
        jobs.run(
            lambda rows: synthesis.head_forward(before, after, kernel, bias, rectify, *rows),
            blocks(height),
        )
        ctx.kept = jobs, before, after > 0 if rectify else 1, kernel, matrix
        return torch.from_numpy(after)

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        """Gradients of the samples and of the matrix."""
        jobs, before, mask, kernel, matrix = released(ctx)
        channels, height, width = upstream[0].shape
        outer = zeros(channels, height + 4, width + 4)
        np.multiply(upstream[0].numpy(), mask, out=outer[:, 2:-2, 2:-2])
        turned = np.ascontiguousarray(kernel[:, :, ::-1, ::-1].swapaxes(0, 1))

        def taps(rows: Span) -> tuple[Floats, Floats]:
            by_kernel, by_bias = zeros(*kernel.shape), zeros(channels)
            synthesis.head_taps_back(before, outer, by_kernel, by_bias, *rows)
            return by_kernel, by_bias

        answers = jobs.run(taps, blocks(height))
        by_padded = before  # in its place, for nothing needs it any more
        jobs.run(
            lambda rows: synthesis.head_samples_back(outer, by_padded, turned, *rows),
            blocks(height + 2),
        )
        by_kernel = np.sum([part for part, _ in answers], axis=0)
        by_bias = np.sum([part for _, part in answers], axis=0)
        return (
            None,
            torch.from_numpy(_edges_folded(by_padded)),
            joined(by_kernel.reshape(channels, -1), by_bias, matrix),
            None,
        )


def _edges_repeated(planes: Floats) -> Floats:
    """Planes with a line more at each side, which repeats the nearest one."""
    channels, height, width = planes.shape
    found = empty(channels, height + 2, width + 2)
    found[:, 1:-1, 1:-1] = planes
    found[:, 1:-1, 0], found[:, 1:-1, -1] = planes[:, :, 0], planes[:, :, -1]
    found[:, 0], found[:, -1] = found[:, 1], found[:, -2]
    return found


def _edges_folded(padded: Floats) -> Floats:
    """The gradient of planes from that of planes whose edges were repeated once: works in place."""
    for planes in (padded, padded.swapaxes(1, 2)):
        planes[:, 1] += planes[:, 0]
        planes[:, -2] += planes[:, -1]
    return padded[:, 1:-1, 1:-1]

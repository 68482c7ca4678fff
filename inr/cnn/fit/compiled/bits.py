"""Bits of the latents and their gradients by compiled loops, a job for each block of rows of a grid."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inr.cnn.arithmetic import NEIGHBOURS, PAD
from inr.cnn.fit.compiled.arrays import Floats, empty, padded, zeros
from inr.cnn.fit.compiled.jobs import Jobs
from inr.cnn.fit.compiled.kernels import context
from inr.cnn.fit.compiled.kernels.elementary import LANES

_OFFSETS = tuple(np.array(column) for column in zip(*NEIGHBOURS, strict=True))


@dataclass(frozen=True)
class _Networks:
    """The context model as the loops take it, for one grid: rows and inputs padded to multiples of four."""

    weights: tuple[Floats, ...]
    transposed: tuple[Floats, ...]
    biases: tuple[Floats, ...]


def _networks_of(jobs: Jobs, matrices: Sequence[torch.Tensor]) -> list[_Networks]:
    own, parents, hidden, last = (matrix.detach().numpy() for matrix in matrices)
    common = [padded(own), np.ascontiguousarray(hidden[:, :-1]), np.ascontiguousarray(last[:, :-1])]
    transposed = [np.ascontiguousarray(weight.T) for weight in common]
    biases = [np.ascontiguousarray(hidden[:, -1]), np.ascontiguousarray(last[:, -1]), zeros(64)]
    found = []
    for grid in jobs.architecture.grids:
        block = parents[:, grid.columns]
        weight, constant = padded(block[:, :-1]), zeros(len(common[0]))
        constant[: len(block)] = block[:, -1]
        found.append(
            _Networks((*common, weight), (*transposed, np.ascontiguousarray(weight.T)), (*biases, constant))
        )
    return found


@dataclass(frozen=True)
class _Answer:
    """What a job found: nats, and gradients of the grid's rows, of its parents' rows and of the networks."""

    nats: Floats  # [rows, columns]
    gradient: Floats
    by_parents: list[tuple[int, Floats]]
    by_weight: tuple[Floats, ...]
    by_bias: tuple[Floats, ...]


def _bits_of_rows(
    jobs: Jobs,
    planes: Sequence[Floats],
    latents: Floats,
    networks: _Networks,
    item: tuple[int, int, int],
) -> _Answer:
    place, top, bottom = item
    above = min(top, PAD)
    plane = planes[place][top - above :]
    gradient = zeros(bottom - top + above + PAD, plane.shape[1])
    nats = empty(bottom - top, plane.shape[1] - 2 * PAD)
    parents, n_buffer = jobs.kept(("parents", item), lambda: _parents_of(jobs, *item))
    by_parent = zeros(n_buffer)
    by_weight = tuple(zeros(*weight.shape) for weight in networks.weights)
    by_bias = (zeros(len(by_weight[1])), zeros(2), zeros(len(by_weight[0])))
    context.context_rows(
        plane, gradient, nats, (top, bottom, above), PAD, latents, parents, by_parent, _OFFSETS,
        networks.weights, networks.transposed, networks.biases, by_weight, by_bias,
        *_scratch_of(jobs, networks),
    )  # fmt: skip
    starts, widths, _, begins, firsts = parents
    parts = [
        (int(start + first * across), by_parent[begin:end])
        for start, across, first, begin, end in zip(
            starts, widths, firsts, begins, [*begins[1:], n_buffer], strict=False
        )
    ]
    return _Answer(nats, gradient, parts, by_weight, by_bias)


def _scratch_of(
    jobs: Jobs, networks: _Networks
) -> tuple[tuple[Floats, ...], tuple[Floats, ...], NDArray[np.int32]]:
    """Arrays in which the loops work: of runs of latents, of half as many, and of bits."""
    own, hidden, _, parents = (weight.shape for weight in networks.weights)
    sizes = (len(NEIGHBOURS), own[0], hidden[0], 2, 2, hidden[0], own[0], len(NEIGHBOURS), 6)
    halves = (parents[1], own[0], own[0], parents[1])
    return (
        tuple(jobs.zeros(("context", n), size, LANES) for n, size in enumerate(sizes)),
        tuple(jobs.zeros(("context", n), size, LANES // 2) for n, size in enumerate(halves)),
        jobs.kept("bits", lambda: np.zeros(LANES, np.int32)),
    )


def _parents_of(jobs: Jobs, place: int, top: int, bottom: int) -> tuple[tuple[NDArray[np.int64], ...], int]:
    """Where the parents of a job's rows lie, in the latents and in a buffer of their gradients."""
    grids = jobs.architecture.grids
    places = list(grids[place].parents)
    starts = jobs.starts[places].astype(np.int64)
    widths = np.array([jobs.shapes[n][1] for n in places], dtype=np.int64)
    shifts = np.array([grids[n].depth - grids[place].depth - 1 for n in places], dtype=np.int64)
    firsts = top // 2 >> shifts
    sizes = ((((bottom - 1) // 2) >> shifts) - firsts + 1) * widths
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return (starts, widths, shifts, edges[:-1], firsts), int(edges[-1])


def _answers(jobs: Jobs, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> list[_Answer]:
    flat = latents.detach().numpy()
    planes = _padded_planes(jobs, flat)
    networks = _networks_of(jobs, matrices)
    return jobs.run(lambda item: _bits_of_rows(jobs, planes, flat, networks[item[0]], item), jobs.of_context)


def latent_bits(jobs: Jobs, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    """Bits of each latent, from the matrices of the context model: float32 [latents]."""
    answers = _answers(jobs, latents, matrices)
    nats = np.concatenate([answer.nats.ravel() for answer in answers])  # jobs go grid by grid, row by row
    return torch.from_numpy(nats / np.float32(math.log(2)))


class Bits(torch.autograd.Function):
    """Bits and their gradients come out of one pass, so `backward` only scales them."""

    @staticmethod
    def forward(ctx: Any, jobs: Jobs, latents: torch.Tensor, *matrices: torch.Tensor) -> torch.Tensor:
        """Bits of all latents, from the matrices of the context model: a scalar."""
        answers = _answers(jobs, latents, matrices)
        by_latent = _by_latent(jobs, answers)
        by_matrix = _by_matrix(jobs, answers, matrices)
        ctx.save_for_backward(torch.from_numpy(by_latent), *by_matrix)
        total = sum(float(answer.nats.sum(dtype=np.float64)) for answer in answers)
        return torch.tensor(total / math.log(2), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        """Gradients of the latents and of the matrices."""
        scale = upstream[0] / math.log(2)
        return None, *[scale * gradient for gradient in ctx.saved_tensors]


def _by_latent(jobs: Jobs, answers: Sequence[_Answer]) -> Floats:
    total = zeros(int(jobs.starts[-1]))
    for (place, top, bottom), answer in zip(jobs.of_context, answers, strict=True):
        plane, above = jobs.part(total, place), min(top, PAD)
        plane[top - above : bottom] += answer.gradient[PAD:, PAD:-PAD]
        for start, part in answer.by_parents:
            total[start : start + len(part)] += part
    return total


def _by_matrix(
    jobs: Jobs, answers: Sequence[_Answer], matrices: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    own, parents, hidden, last = (np.zeros(tuple(matrix.shape), dtype=np.float32) for matrix in matrices)
    for (place, _, _), answer in zip(jobs.of_context, answers, strict=True):
        by_own, by_hidden, by_last, by_block = answer.by_weight
        of_hidden, of_last, of_block = answer.by_bias
        own += by_own[: len(own), : own.shape[1]]
        hidden[:, :-1] += by_hidden
        hidden[:, -1] += of_hidden
        last[:, :-1] += by_last
        last[:, -1] += of_last
        block = parents[:, jobs.architecture.grids[place].columns]
        block[:, :-1] += by_block[: len(block), : block.shape[1] - 1]
        block[:, -1] += of_block[: len(block)]
    return [torch.from_numpy(matrix) for matrix in (own, parents, hidden, last)]


def _padded_planes(jobs: Jobs, latents: Floats) -> list[Floats]:
    """The grids with zeros around them, where neighbours may lie."""
    planes = []
    for place, (height, width) in enumerate(jobs.shapes):
        planes.append(zeros(PAD + height, width + 2 * PAD))
        planes[-1][PAD:, PAD:-PAD] = jobs.part(latents, place)
    return planes

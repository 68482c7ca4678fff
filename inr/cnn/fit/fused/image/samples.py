"""The images that latents stand for, and their gradients, by kernels of a graphics card."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.fused.image import plane_back_kernels, plane_kernels, residual_kernels, synthesis_kernels
from inr.cnn.fit.fused.image.plan import MATRIX_COLUMNS, ImagePlan
from inr.cnn.fit.fused.image.plane_back_kernels import N_TAPS

TAPS_ROWS, MATRIX_ROWS = 1024, 128  # parts of gradients that a program adds at a time


@dataclass(frozen=True)
class Pass:
    """What the way back needs of a way forward.

    Attributes:
        latents: float32 [B, latents].
        matrices: filters, upsampling, synthesis0, synthesis1 and the residual layers' matrices.
        stacks: Stacks of all levels.
        samples: Samples before each residual layer.
    """

    latents: torch.Tensor
    matrices: Sequence[torch.Tensor]
    stacks: torch.Tensor
    samples: Sequence[torch.Tensor]


class FusedImage:
    """Images of one size from their latents, and gradients, on a graphics card.

    Args:
        architecture: The networks' architecture.
        device: The card; with Triton's interpreter the CPU.
        exact: Multiply in float32, or next to it, for the gradients of the pixelwise layers' matrices too.
    """

    def __init__(
        self, architecture: LatentPyramid, device: torch.device | str, *, exact: bool = False
    ) -> None:
        self._plan = ImagePlan(architecture, torch.device(device), "tf32x3" if exact else "tf32")

    def forward(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> tuple[torch.Tensor, Pass]:
        """Samples in [0, 1], not clipped: float32 [B, channels, height, width]; and what `backward` takes.

        Args:
            latents: float32 [B, latents], contiguous; hyperlatents do not matter.
            matrices: All matrices of each image in the architecture's wire order, in units of one: float32
                [B, rows, columns], whose rows lie one after another.
        """
        plan = self._plan
        named = dict(zip(plan.architecture.matrices, matrices, strict=True))
        none = latents.new_empty(0, N_TAPS)
        taps = [named.get(name, none) for name in ("filters", "upsampling")]
        residuals = [named[name] for name in plan.architecture.residual_matrices]
        stacks = _stacks(plan, latents, *taps)
        samples = [_synthesised(plan, latents, stacks, named["synthesis0"], named["synthesis1"])]
        for n, matrix in enumerate(residuals, 1):
            samples.append(_residual(plan, samples[-1], matrix, n < len(residuals)))
        used = [*taps, named["synthesis0"], named["synthesis1"], *residuals]
        return samples[-1], Pass(latents, used, stacks, samples[:-1])

    def backward(self, done: Pass, by_samples: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Gradients of latents, zero for hyperlatents, and of each image's own matrices, in wire order.

        Args:
            done: What `forward` gave.
            by_samples: Gradient of the samples, of their shape, contiguous.
        """
        plan, latents, matrices = self._plan, done.latents, done.matrices
        parts = latents.new_empty(len(latents), plan.sums(len(latents)).starts[-1])
        for n in reversed(range(len(done.samples))):
            by_samples = _residual_back(plan, done.samples[n], by_samples, matrices[4 + n], parts, n)
        by_latents = torch.empty_like(latents)
        by_latents[:, plan.latents_starts[-1] :] = 0
        by_stacks = torch.empty_like(done.stacks)
        values, gradients = (latents, done.stacks), (by_latents, by_stacks)
        _synthesised_back(plan, values, gradients, by_samples, matrices[2:4], parts)
        tap_parts = _stacks_back(plan, values, gradients, matrices[:2])
        found = _matrix_gradients(plan, parts, tap_parts)
        return by_latents, [gradient for gradient in found if gradient.numel()]


def _stride(matrix: torch.Tensor) -> int:
    """Elements between the matrices of two images."""
    return matrix.stride(0)


def _coarser(
    plan: ImagePlan, n: int, latents: torch.Tensor, stacks: torch.Tensor
) -> tuple[torch.Tensor, int]:
    """Where the stack below a level is, or its gradient: the coarsest one is that level's latents."""
    if n + 1 < len(plan.levels):
        return stacks, plan.levels[n + 1].stack_start
    return latents, plan.latents_starts[n + 1]


def _stacks(
    plan: ImagePlan, latents: torch.Tensor, filters: torch.Tensor, upsampling: torch.Tensor
) -> torch.Tensor:
    stacks = latents.new_empty(len(latents), plan.stacks_size)
    for n in reversed(range(len(plan.levels))):
        level, (coarse, coarse_start) = plan.levels[n], _coarser(plan, n, latents, stacks)
        plane_kernels.stack_level[(level.n_programs, len(latents))](
            latents, coarse, stacks, filters, upsampling, level.height, level.width, level.n_planes,
            level.latents_start, coarse_start, level.stack_start, N_TAPS * n, latents.stride(0),
            coarse.stride(0), stacks.stride(0), filters.stride(0), upsampling.stride(0),
            HALVED=n == 0, BLOCK=plane_kernels.BLOCK,
        )  # fmt: skip
    return stacks


def _stacks_back(
    plan: ImagePlan,
    values: tuple[torch.Tensor, torch.Tensor],
    gradients: tuple[torch.Tensor, torch.Tensor],
    taps: Sequence[torch.Tensor],
) -> torch.Tensor:
    """Set gradients of latents, from that of the finest stack; returns parts of the taps' gradients."""
    (latents, stacks), (by_latents, by_stacks) = values, gradients
    parts = latents.new_empty(len(latents), plan.n_tap_parts)
    for n, level in enumerate(plan.levels):
        coarse, coarse_start = _coarser(plan, n, latents, stacks)
        by_coarse, _ = _coarser(plan, n, by_latents, by_stacks)
        n_programs = level.n_doubling_back + level.n_own_blocks
        plane_back_kernels.stack_level_back[(n_programs, len(latents))](
            latents, coarse, by_latents, by_coarse, by_stacks, *taps, parts, level.height, level.width,
            level.n_planes, level.n_together, level.latents_start, coarse_start, coarse_start,
            level.stack_start, N_TAPS * n, level.part_start, latents.stride(0), coarse.stride(0),
            by_coarse.stride(0), by_stacks.stride(0), *map(_stride, taps), parts.stride(0),
            BLOCK=plane_kernels.BLOCK, num_stages=1,
        )  # fmt: skip
    return parts


def _synthesised(
    plan: ImagePlan, latents: torch.Tensor, stacks: torch.Tensor, first: torch.Tensor, second: torch.Tensor
) -> torch.Tensor:
    height, width = plan.architecture.height, plan.architecture.width
    samples = latents.new_empty(len(latents), plan.architecture.channels, height, width)
    stack = stacks if plan.levels else latents
    n_blocks = -(-height * width // synthesis_kernels.BLOCK)
    synthesis_kernels.synthesise[(n_blocks, len(latents))](
        stack, first, second, samples, height, width, stack.stride(0), _stride(first), _stride(second),
        **plan.networks, BLOCK=synthesis_kernels.BLOCK,
    )  # fmt: skip
    return samples


def _synthesised_back(
    plan: ImagePlan,
    values: tuple[torch.Tensor, torch.Tensor],
    gradients: tuple[torch.Tensor, torch.Tensor],
    by_samples: torch.Tensor,
    layers: Sequence[torch.Tensor],
    parts: torch.Tensor,
) -> None:
    """Set the gradient of the finest stack, and both matrices' parts."""
    stack, by_stack = (pair[1] if plan.levels else pair[0] for pair in (values, gradients))
    height, width = plan.architecture.height, plan.architecture.width
    sums, shapes = plan.sums(len(parts)), plan.shapes
    synthesis_kernels.synthesise_back[(sums.n_synthesis, len(parts))](
        stack, by_stack, by_samples, *layers, parts, height, width, stack.stride(0), by_stack.stride(0),
        *map(_stride, layers), parts.stride(0), *sums.starts[:2], math.prod(shapes[0]) + math.prod(shapes[1]),
        **plan.networks, CHUNKS=-(-shapes[0][0] // synthesis_kernels.CHUNK),
        TILE=synthesis_kernels.TILE, WEIGHTS=plan.precision, num_stages=1,
    )  # fmt: skip


def _residual(plan: ImagePlan, before: torch.Tensor, matrix: torch.Tensor, rectify: bool) -> torch.Tensor:
    after, (height, width) = torch.empty_like(before), before.shape[-2:]
    residual_kernels.residual[(-(-height * width // residual_kernels.BLOCK), len(before))](
        before, after, matrix, height, width, _stride(matrix), CHANNELS=plan.architecture.channels,
        RECTIFY=rectify, BLOCK=residual_kernels.BLOCK,
    )  # fmt: skip
    return after


def _residual_back(
    plan: ImagePlan,
    before: torch.Tensor,
    by_after: torch.Tensor,
    matrix: torch.Tensor,
    parts: torch.Tensor,
    n: int,
) -> torch.Tensor:
    """The gradient of samples before residual layer n; sets the matrix's parts."""
    by_before, (height, width) = torch.empty_like(before), before.shape[-2:]
    sums = plan.sums(len(before))
    residual_kernels.residual_back[(sums.n_residual, len(before))](
        before, by_before, by_after, matrix, parts, height, width, _stride(matrix), parts.stride(0),
        sums.starts[2 + n], CHANNELS=plan.architecture.channels, RECTIFIED=n > 0, TILE=residual_kernels.TILE,
        N_ROWS=residual_kernels.N_ROWS,
    )  # fmt: skip
    return by_before


def _matrix_gradients(plan: ImagePlan, parts: torch.Tensor, tap_parts: torch.Tensor) -> list[torch.Tensor]:
    """The gradients of filters, of upsampling and of the other matrices of each image, from their parts."""
    n_images, n_rows = len(parts), len(plan.levels)
    sums, taps = plan.sums(n_images), parts.new_empty(2, n_images, n_rows, N_TAPS)
    sizes = [n_images * math.prod(shape) for shape in plan.shapes]
    others = parts.new_empty(sum(sizes))
    if n_rows:
        synthesis_kernels.sum_parts[(2 * n_rows, n_images)](
            tap_parts, taps, sums.taps, tap_parts.stride(0), ROWS=TAPS_ROWS, COLUMNS=N_TAPS, num_warps=8
        )
    synthesis_kernels.sum_parts[(len(sums.matrices), n_images)](
        parts, others, sums.matrices, parts.stride(0), ROWS=MATRIX_ROWS, COLUMNS=MATRIX_COLUMNS
    )
    split = zip(torch.split(others, sizes), plan.shapes, strict=True)
    return [taps[0], taps[1], *(part.view(n_images, *shape) for part, shape in split)]

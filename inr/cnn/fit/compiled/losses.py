"""The twin of plain_losses.py on a CPU, by compiled loops whose work is cut into jobs.

Each job is the same whatever the number of threads, and their results are added in order, so a fit gives the
same numbers on any number of them.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid

_BLOCKS = 4  # jobs that the finest grids are cut into
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
        self.shapes = architecture.grid_shapes
        self.starts = np.cumsum([0] + [height * width for height, width in self.shapes])
        self.context_jobs = [
            (place, int(edges[n]), int(edges[n + 1]))
            for place, (height, width) in enumerate(self.shapes)
            for edges in [_cut(height, min(_BLOCKS, height * width // _ROWS_PER_JOB_PIXELS), multiple=2)]
            for n in range(len(edges) - 1)
        ]
        height, width = self.shapes[0]
        self.pixel_edges = _cut(height * width, min(_BLOCKS, height * width // _ROWS_PER_JOB_PIXELS))

    def map(self, job: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
        """Answers of all jobs, in order."""
        return list(self._pool.map(job, items)) if self._pool else [job(item) for item in items]

    def bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """See `PlainLosses.bits`."""
        from inr.cnn.fit.compiled.bits import Bits

        # torch leaves `Function.apply` without types, here and below.
        result: torch.Tensor = Bits.apply(self, latents, *matrices[: len(CONTEXT_MATRICES)])  # type: ignore[no-untyped-call]
        return result

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """See `PlainLosses.image`."""
        from inr.cnn.fit.compiled.image import Pixelwise, Residual

        named = dict(zip(self.architecture.matrices, matrices, strict=True))
        none = torch.zeros(0, 4)
        samples: torch.Tensor = Pixelwise.apply(  # type: ignore[no-untyped-call]
            self,
            latents,
            named.get("filters", none),
            named.get("upsampling", none),
            named["synthesis0"],
            named["synthesis1"],
        )
        residuals = self.architecture.residual_matrices
        for n, name in enumerate(residuals, 1):
            samples = Residual.apply(self, samples, named[name], n < len(residuals))  # type: ignore[no-untyped-call]
        return samples


def _cut(length: int, n_parts: int, multiple: int = 1) -> NDArray[np.int64]:
    """Edges of that many parts, all but the last one a multiple."""
    edges = np.linspace(0, -(-length // multiple), max(1, n_parts) + 1).astype(np.int64) * multiple
    return np.minimum(edges, length)


def zeros(*shape: int) -> Floats:
    """An array of float32 zeros."""
    return np.zeros(shape, dtype=np.float32)


def up_to(n: int, multiple: int) -> int:
    """The least multiple that is not below n."""
    return -(-n // multiple) * multiple


def split(matrix: torch.Tensor, rows: int = 1, columns: int = 1) -> tuple[Floats, Floats]:
    """Weights and constants of a matrix, padded with zeros to multiples of `rows` and `columns`."""
    both = matrix.detach().numpy()
    n_rows, n_columns = both.shape[0], both.shape[1] - 1
    padded = zeros(up_to(n_rows, rows), up_to(n_columns, columns))
    constants = zeros(len(padded))
    padded[:n_rows, :n_columns], constants[:n_rows] = both[:, :-1], both[:, -1]
    return padded, constants


def joined(weight: Floats, constants: Floats, like: torch.Tensor) -> torch.Tensor:
    """The gradient of a matrix from those of its padded weights and constants."""
    rows, columns = like.shape
    return torch.from_numpy(np.concatenate([weight[:rows, : columns - 1], constants[:rows, None]], axis=1))

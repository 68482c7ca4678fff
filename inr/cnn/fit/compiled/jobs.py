"""The work of a step of a fit, cut into jobs.

Each job is the same whatever the number of threads, and their results are added in order, so a fit gives the
same numbers on any number of them.
"""

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.compiled.arrays import Floats, zeros

_MOST_JOBS = 4  # that a grid, or the pixels, are cut into
_LEAST_POSITIONS = 4096  # of a job, where there is more than one
_LEAST_ROWS = 16

Span = tuple[int, int]
Item = TypeVar("Item")
Answer = TypeVar("Answer")
Kept = TypeVar("Kept")


class Jobs:
    """Jobs of the losses of one architecture.

    Args:
        architecture: The network's architecture.
        pool: Runs jobs beside each other; without one they run one after another.

    Attributes:
        architecture: The network's architecture.
        shapes: Rows and columns of each grid, in wire order.
        starts: Where each grid begins among all latents, and where the last one ends.
        of_context: Place, first row and end of the rows of each job of the context model.
        of_pixels: First pixel and end of each job of the synthesis.
    """

    def __init__(self, architecture: LatentPyramid, pool: ThreadPoolExecutor | None) -> None:
        self.architecture, self._pool, self._kept = architecture, pool, threading.local()
        self.shapes = architecture.grid_shapes
        self.starts = np.cumsum([0] + [height * width for height, width in self.shapes])
        self.of_context = [
            (place, *rows)
            for place, (height, width) in enumerate(self.shapes)
            for rows in _cut(height, height * width // _LEAST_POSITIONS, multiple=2)
        ]
        self.of_pixels = parts(architecture.height * architecture.width)

    def part(self, latents: Floats, place: int) -> Floats:
        """The part of all latents that is the grid at a place: [rows, columns], a view."""
        return latents[self.starts[place] : self.starts[place + 1]].reshape(self.shapes[place])

    def kept(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """What `make` gave when this thread first asked by that key, e.g. arrays for loops to work in."""
        known: dict[Hashable, Kept] = self._kept.__dict__.setdefault("known", {})
        if key not in known:
            known[key] = make()
        return known[key]

    def zeros(self, key: Hashable, *shape: int) -> Floats:
        """This thread's array of that key and shape, for loops to work in; zeros at first."""
        return self.kept((key, shape), lambda: zeros(*shape))

    def run(self, job: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
        """Answers of all jobs, in order."""
        return list(self._pool.map(job, items)) if self._pool else [job(item) for item in items]


def blocks(n_rows: int) -> Sequence[Span]:
    """First row and end of each job on the rows of a plane."""
    return _cut(n_rows, n_rows // _LEAST_ROWS)


def parts(n_values: int) -> Sequence[Span]:
    """First value and end of each job on values one by one."""
    return _cut(n_values, n_values // _LEAST_POSITIONS)


@lru_cache(maxsize=256)
def _cut(length: int, n_parts: int, multiple: int = 1) -> tuple[Span, ...]:
    """Spans of about that many equal parts, at most `_MOST_JOBS`, all edges but the last one multiples."""
    n_parts = max(1, min(_MOST_JOBS, n_parts))
    edges = np.linspace(0, -(-length // multiple), n_parts + 1).astype(np.int64) * multiple
    return tuple(pairwise(np.minimum(edges, length).tolist()))

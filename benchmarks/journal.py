"""Measured points as JSON lines, appended as they come, so that an interrupted run goes on where it was."""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol, TypeVar

from benchmarks.frame import Found, read

Measured = TypeVar("Measured", covariant=True)


class Point(Protocol[Measured]):
    """One measurement to make; picklable."""

    @property
    def key(self) -> str:
        """The name of the measurement, with everything that its result depends on."""

    def measure(self) -> Measured:
        """Make it; returns a flat dataclass."""


def measured(
    points: Sequence[Point[Found]],
    kind: type[Found],
    path: Path,
    *,
    n_processes: int = 1,
    n_threads: int | None = None,
) -> list[Found]:
    """Measure the points that a journal does not hold yet, in a pool of processes.

    Args:
        points: The measurements to make.
        kind: Class of their results.
        path: The journal.
        n_processes: Number of points measured at once.
        n_threads: Threads of each for arithmetic, with torch imported before the first point; None where
            points start processes of their own.

    Returns:
        The results, in the order of `points`.
    """
    done = entries(path)
    missing = [point for point in points if point.key not in done]
    _say(f"{len(points)} points, {len(points) - len(missing)} measured before")
    prepare = partial(limit_threads, n_threads) if n_threads else None
    with ProcessPoolExecutor(n_processes, get_context("spawn"), prepare) as pool:
        futures = {pool.submit(point.measure): point.key for point in missing}
        for n_done, future in enumerate(as_completed(futures), 1):
            key = futures[future]
            done[key] = asdict(future.result())
            append(path, key, done[key])
            _say(f"{n_done}/{len(missing)} {key}")
    return [read(kind, done[point.key]) for point in points]


def limit_threads(n_threads: int) -> None:
    """Give this process `n_threads` threads for its arithmetic, and import what is not to be timed."""
    os.environ["OMP_NUM_THREADS"] = str(n_threads)
    import torch

    torch.set_num_threads(n_threads)


def entries(path: Path) -> dict[str, dict[str, Any]]:
    """Results by key. A last line that an interruption cut short is left out."""
    results = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        results[entry["key"]] = entry["result"]
    return results


def append(path: Path, key: str, result: dict[str, Any]) -> None:
    """Add one line, on a line of its own also after one that was cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"key": key, "result": result})
    with path.open("a+b") as stream:
        if stream.tell():
            stream.seek(-1, 2)
            line = line if stream.read(1) == b"\n" else f"\n{line}"
        stream.write(f"{line}\n".encode())


def depends_on(*parts: str) -> str:
    """A short name for all that a measurement depends on."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

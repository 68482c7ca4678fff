"""Measured points as JSON lines, appended as they come, so that an interrupted run goes on where it was."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

Result = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One measurement.

    Attributes:
        key: Names the measurement and everything its result depends on.
        measure: A module-level function that takes `arguments` and returns JSON.
        arguments: Keyword arguments, picklable.
    """

    key: str
    measure: Callable[..., Result]
    arguments: Mapping[str, Any]


def read(path: Path) -> dict[str, Result]:
    """Results by key. A last line that an interruption cut short is left out."""
    results = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        results[entry["key"]] = entry["result"]
    return results


def append(path: Path, key: str, result: Result) -> None:
    """Adds one line, on a line of its own also after one that was cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"key": key, "result": result})
    with path.open("a+b") as stream:
        if stream.tell():
            stream.seek(-1, 2)
            line = line if stream.read(1) == b"\n" else f"\n{line}"
        stream.write(f"{line}\n".encode())


def run(
    jobs: Iterable[Job],
    path: Path,
    *,
    n_workers: int,
    prepare: Callable[..., None] | None = None,
    prepare_with: tuple[Any, ...] = (),
) -> dict[str, Result]:
    """Measures what `path` does not hold yet, `n_workers` at a time, each in a process of its own.

    Args:
        jobs: What to measure; a key that is there already costs nothing.
        path: The journal.
        n_workers: Processes.
        prepare: Called once in each process before its first measurement, if given.
        prepare_with: Its arguments.

    Returns:
        The results of `jobs` by key.
    """
    wanted = list(jobs)
    done = read(path)
    missing = [job for job in wanted if job.key not in done]
    _say(f"{len(wanted)} points, {len(wanted) - len(missing)} measured before")
    with ProcessPoolExecutor(n_workers, get_context("spawn"), prepare, prepare_with) as pool:
        futures = {pool.submit(job.measure, **job.arguments): job for job in missing}
        for n_done, future in enumerate(as_completed(futures), 1):
            key = futures[future].key
            done[key] = future.result()
            append(path, key, done[key])
            _say(f"{n_done}/{len(missing)} {key}")
    return {job.key: done[job.key] for job in wanted}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

"""A small archive made in this process, task by task, without a flow; and reading what an archive holds."""

import sqlite3
from bisect import bisect
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.processes import Cost
from tasks.catalogue.parts import read_history, read_images
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Stored
from tasks.originals.listing import SourceImage, list_source
from tasks.originals.reading import digest_source
from tasks.settings import RunOptions
from tasks.steps.commit import append
from tasks.steps.compress import compress_images
from tasks.steps.jobs import ArchiveJob
from tasks.steps.verify import verify_image
from tasks.store.locations import open_store

RUN_ID = "here"
N_SHOWN = 10


def archive_here(folder: Path, store: str, recipe: Recipe) -> None:
    """Archive every image of a folder, and verify it."""
    options = RunOptions(device="cpu", workers=1)
    job = ArchiveJob(run_id=RUN_ID, store=store, recipe=recipe, options=options)
    rows = []
    for file in list_source(str(folder)).files:
        digest, n_bytes = digest_source(file.uri, max_bytes=options.max_file_bytes)
        image = SourceImage(digest, file.uri, file.path, n_bytes)
        [stored] = compress_images([image], job)
        if isinstance(stored, Exception):
            raise stored
        assert isinstance(stored, Stored)  # nobody else archives into the store
        rows.append(verify_image(stored, job))
    append(open_store(store), rows)


def read_rows(store: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Columns of the table ``images`` of a store."""
    rows: list[dict[str, Any]] = read_images(open_store(str(store)), columns).to_pylist()
    return rows


def steps_of_fits(store: Path, run_id: str = RUN_ID) -> list[int]:
    """The numbers of steps that the fits of a run took, by their histories; each number once."""
    rows = read_history(open_store(str(store)), ("run_id", "n_steps")).to_pylist()
    return sorted({row["n_steps"] for row in rows if row["run_id"] == run_id})


def memory_over_time(cost: Cost, recorded: Sequence[float]) -> list[tuple[int, float, float]]:
    """Images done, resident MiB of the process and of the server: when each tenth of the images was done.

    Args:
        cost: A run with samples.
        recorded: Unix times at which its images were done, in any order.
    """
    done = sorted(recorded)
    samples = [(bisect(done, at), own, others) for at, own, others in cost.samples]
    goals = [len(done) * tenth // N_SHOWN for tenth in range(1, N_SHOWN + 1)]
    return [next((sample for sample in samples if sample[0] >= goal), samples[-1]) for goal in goals]


def database_mib(path: Path) -> float:
    """The size of an SQLite database, with what is still in its log."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
    return path.stat().st_size / 2**20


def copied(folder: Path) -> str:
    """The URL of a copy of a folder in S3."""
    store = open_store(f"s3://archive/{folder.name}")
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: store.put(name, (folder / name).read_bytes()), names))
    return store.url

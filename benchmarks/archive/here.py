"""A small archive made in this process, task by task, without a flow; and reading what an archive holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inr import CodecConfig, Contract
from tasks.catalogue.parts import read_history, read_images
from tasks.catalogue.recipe import Recipe
from tasks.originals.listing import SourceImage, list_source
from tasks.originals.reading import digest_source
from tasks.settings import RunOptions
from tasks.steps.commit import append
from tasks.steps.compress import compress_images
from tasks.steps.jobs import ArchiveJob
from tasks.steps.verify import verify_image
from tasks.store.locations import open_store

RUN_ID = "here"


def archive_here(folder: Path, store: str, config: CodecConfig, contract: Contract | None = None) -> None:
    """Archive every image of a folder, and verify it."""
    options = RunOptions(device="cpu", workers=1)
    job = ArchiveJob(run_id=RUN_ID, store=store, recipe=Recipe(config, contract), options=options)
    rows = []
    for file in list_source(str(folder)).files:
        digest, n_bytes = digest_source(file.uri, max_bytes=options.max_file_bytes)
        image = SourceImage(digest, file.uri, file.path, n_bytes)
        [stored] = compress_images([image], job)
        if isinstance(stored, Exception):
            raise stored
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

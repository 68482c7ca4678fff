"""The flow ``archive-batch``: one batch of an archive, in the process of its parent or on another host."""

from typing import Any

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.engine.images import archive_all, new_job
from inr import CodecConfig, Contract
from tasks.catalogue.recipe import Recipe
from tasks.errors import ImagesFailed
from tasks.plan.batches import read_batch, write_outcome
from tasks.report.summary import RunSummary
from tasks.settings import RunOptions
from tasks.store.locations import open_store


def run_name() -> str:
    """Which batch of which run this is, for Prefect's lists."""
    given = flow_run.parameters
    which = f"{given['number'] + 1} of {given['n_batches']}"
    return f"batch {which} into {given['store']}, run {given['run_id'][:8]}"


@flow(name="archive-batch", flow_run_name=run_name)
def archive_batch(
    store: str,
    folder: str,
    number: int,
    n_batches: int,
    run_id: str,
    config: CodecConfig,
    options: RunOptions,
    contract: Contract | None = None,
) -> Any:  # how many rows, or a failed state; Prefect unwraps the state before the caller sees it
    """Archive the images of a batch that a run of ``archive`` has put into the store.

    Args:
        store: Where the archive is, as this host names it.
        folder: Where in the store the run keeps its batches.
        number: Of the batch, from 0.
        n_batches: Of the run, for people.
        run_id: Of the run; its name in rows.
        config: How to encode.
        options: How to work, on this host.
        contract: What every image must reach, if anything.

    Returns:
        How many images were archived, where none failed. The rows are in the store too, for the parent.

    Raises:
        ImagesFailed: Some images are rows with status ``failed``; carries the summary of the batch.
        ObjectMissing: The run is over, and its batches are gone.
        CatalogueError, StorageError: The store cannot be used.
    """
    target = open_store(store)
    images, recipe = read_batch(target, folder, number), Recipe(config, contract)
    job = new_job(target.url, recipe, options, run_id)
    summary = RunSummary(
        run_id=run_id,
        source=folder,
        store=target.url,
        config=recipe.describe(),
        plan=f"batch {number + 1} of {n_batches}",
        n_planned=len(images),
    )
    rows = archive_all(((image, job) for image in images), summary, job.options)
    write_outcome(target, folder, number, rows)
    if summary.n_failed:
        return Failed(message=summary.headline(), data=ImagesFailed(summary.headline(), summary))
    return summary.n_archived

"""The flow ``archive-batch``: one batch of an archive, in the process of its parent or on another host."""

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.engine.images import archive_all, new_job
from flows.engine.runs import begin, ended
from tasks.catalogue.recipe import Recipe
from tasks.plan.batches import read_batch, write_outcome
from tasks.report.summary import RunSummary
from tasks.settings import RunOptions
from tasks.store.locations import open_store


def run_name() -> str:
    """The name of a run in Prefect's lists: which batch of which run it is."""
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
    recipe: Recipe,
    options: RunOptions,
) -> Any:  # RunSummary, or a failed state; Prefect unwraps the state before the caller sees it
    """Archive the images of a batch that a run of ``archive`` has put into the store.

    Args:
        store: The archive, as this host names it.
        folder: The place in the store where the run keeps its batches.
        number: Number of the batch, from 0.
        n_batches: Batches of the run, for people.
        run_id: Name of the run in rows.
        recipe: The encoding, and the quality that every image must reach, if any.
        options: The way of working, on this host.

    Returns:
        The `RunSummary` of the batch, where every image was archived. The rows are in the store too, for
        the parent.

    Raises:
        ImagesFailed: Some images are rows with status ``failed``; carries the summary of the batch.
        ObjectMissing: The run is over, and its batches are gone.
        CatalogueError, StorageError: The store cannot be used.
    """
    run, target = begin(options, run_id=run_id), open_store(store)
    images = read_batch(target, folder, number)
    job, which = new_job(run, target.url, recipe), f"batch {number + 1} of {n_batches}"
    summary = RunSummary(run_id, folder, target.url, recipe.describe(), which, n_planned=len(images))
    outcomes = archive_all(run, ((image, job) for image in images), summary)
    write_outcome(target, folder, number, outcomes)
    return ended(summary)

"""The flow ``archive-batch``: one batch of an archive, in the process of its parent or on another host."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.engine.cores import fits_on_card, n_fits
from flows.engine.images import archive_all, new_job, tags_of
from flows.engine.interrupts import handing_back
from flows.engine.runs import Run, begin, ended, tag
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Outcome
from tasks.plan.batches import Batch, read_batch, write_outcome
from tasks.plan.shares import Shares, weight_of
from tasks.report.summary import RunSummary
from tasks.settings import RunOptions
from tasks.steps.jobs import ArchiveJob
from tasks.steps.storing import carry
from tasks.store.locations import open_store
from tasks.store.objects import patient


def run_name() -> str:
    """The name of a run in Prefect's lists."""
    return name_of_batch(flow_run.parameters)


def name_of_batch(given: Mapping[str, Any]) -> str:
    """Which batch of which run it is, by its parameters; it has that name from its submission on."""
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
    seconds: float | None = None,
) -> Any:  # RunSummary, or a failed state; Prefect unwraps the state before the caller sees it
    """Archive the images of a batch that a run of ``archive`` has put into the store.

    Args:
        store: The archive, as this host names it.
        folder: The place in the store where the run keeps its batches.
        number: Number of the batch, from 0.
        n_batches: Batches of the run, for people.
        run_id: Name of the run in rows.
        recipe: The encoding, and the quality that every image must reach, if any.
        options: The way of working, as far as somebody said; the settings of this host say the rest.
        seconds: The time that its images share, where the recipe has them share one.

    Returns:
        The `RunSummary` of the batch, where every image was archived. The rows are in the store too, for
        the parent.

    Raises:
        ImagesFailed: Some images are rows with status ``failed``; carries the summary of the batch.
        ObjectMissing: The run is over, and its batches are gone.
        CatalogueError, StorageError: The store cannot be used.
    """
    run = begin(options, run_id=run_id)
    with handing_back(), patient(run.options.outage_seconds):
        target = open_store(store)
        batch = read_batch(target, folder, number)
        carry(target)
        job, which = new_job(run, target.url, recipe), f"batch {number + 1} of {n_batches}"
        tag([*tags_of(recipe, target.url), f"device:{'cuda' if fits_on_card(run.options) else 'cpu'}"])
        n_images = len(batch.images)
        summary = RunSummary(run_id, folder, target.url, recipe.describe(), which, n_planned=n_images)
        if seconds is None:
            outcomes = archive_all(run, ((image, job) for image in batch.images), summary)
        else:
            outcomes = _archive_in(seconds, run, batch, job, summary)
        write_outcome(target, folder, number, outcomes)
    return ended(summary)


def _archive_in(
    seconds: float, run: Run, batch: Batch, job: ArchiveJob, summary: RunSummary
) -> list[Outcome]:
    """Archive the images of a batch in some seconds, each in a share of what is left at its turn."""
    weights = {image.digest: weight_of(batch.n_pixels.get(image.digest, 0)) for image in batch.images}
    at_once = n_fits(run.options, on_card=fits_on_card(run.options))
    shares = Shares(run.started + seconds, at_once, weights)
    work = (
        (image, replace(job, seconds=shares.take(image.digest, time.perf_counter())))
        for image in batch.images
    )
    return archive_all(run, work, summary, lambda image: shares.end(image.digest))

"""The flow ``archive``: plan, cut into batches, have each done, report.

A batch is a run of `flows.batches.batch`, in this process or on another host. Whatever ends an image ends as
its row; the run's final state says whether there were failures.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from flows.batches.counting import SoFar
from flows.batches.dispatch import Watch, done_batches
from flows.engine import artifacts
from flows.engine.cores import fits_on_card, images_per_fit, n_fits
from flows.engine.handing import Purpose, taken
from flows.engine.images import commit, failures, new_job, tags_of
from flows.engine.interrupts import handing_back
from flows.engine.plain import in_parts
from flows.engine.runs import Run, begin, ended, tag
from inr import CodecConfig, Contract
from inr.errors import ConfigError
from tasks.catalogue.lookup import archived_among
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Outcome, now
from tasks.errors import BatchLost, CatalogueError, StorageError
from tasks.originals.patterns import Patterns
from tasks.plan.batches import (
    Batch,
    batches_of,
    forget_old_batches,
    kept_batches,
    new_folder,
    read_batch,
    read_outcome,
)
from tasks.plan.leases import held_images
from tasks.plan.planning import Plan, archived_in
from tasks.plan.shares import Shares, weight_of
from tasks.report.artifact import run_page
from tasks.report.markdown import markdown_cell, store_report
from tasks.report.pairs import Pair
from tasks.report.summary import RunSummary
from tasks.settings import RunOptions
from tasks.steps.commit import rename
from tasks.steps.jobs import ArchiveJob
from tasks.steps.storing import carry
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore, patient
from tasks.store.promises import require_promises

ROUNDS = 32


def run_name() -> str:
    """The name of a run in Prefect's lists: what it archives, where, and how."""
    given = flow_run.parameters
    config = given.get("config") or CodecConfig()
    budgets = given.get("seconds_per_image"), given.get("hours") is not None
    recipe = Recipe(config, given.get("contract"), given.get("n_steps"), *budgets)
    return f"archive {given['source']} into {given['store']}, {recipe.describe()}"


@flow(name="archive", flow_run_name=run_name)
def archive(
    source: str,
    store: str,
    config: CodecConfig | None = None,
    options: RunOptions | None = None,
    contract: Contract | None = None,
    n_steps: int | None = None,
    seconds_per_image: float | None = None,
    hours: float | None = None,
    include: list[str] | None = None,
    exclude: list[str] | None = None,
    retry_bad: bool = False,
    expect_at_least: int = 0,
) -> Any:  # RunSummary, or a failed state; Prefect unwraps the state before the caller sees it
    """Archive every image of a source that is not in the store under this config yet.

    Args:
        source: Folder or file, as a path or ``file:`` URI, or ``s3://bucket/prefix``.
        store: Folder of the archive, as a path or ``file:`` URI, made if it does not exist; or
            ``s3://bucket/prefix``, in a bucket that exists.
        config: The encoding; the defaults of `CodecConfig` if not given.
        options: The way of working; what they do not say, the settings of the environment do.
        contract: The quality that every image must reach, if any.
        n_steps: Optimiser steps of each fit; the preset's if not given.
        seconds_per_image: Time of each image in all, in seconds, into which its fits are fitted. It stands in
            place of the config's preset, which is then left as it is.
        hours: Time of the run, which its images share by their pixels. It stands in place of the preset, too.
            Batches of a deployment get their shares as if they were done one after the other.
        include: Patterns, of which a file must match one, see `tasks.originals.patterns`; all if not given.
        exclude: Patterns, of which a file must match none.
        retry_bad: Try files again that are known to be bad.
        expect_at_least: End with an error where fewer files are taken of the source, as of a disk that is
            not mounted; an empty source is no error by itself.

    Returns:
        The `RunSummary`, where every image was archived, but for originals that failed by their own fault.

    Raises:
        ImagesFailed: Some images failed by no fault of their own; carries the summary.
        ConfigError, CatalogueError, StorageError: Source or store cannot be used; or too few files are there.
    """
    if hours is not None and not (math.isfinite(hours) and hours > 0):
        raise ConfigError(f"hours: expected a number above 0, found {hours!r}")
    recipe = Recipe(config or CodecConfig(), contract, n_steps, seconds_per_image, hours is not None)
    patterns = Patterns(tuple(include or ()), tuple(exclude or ()))
    run = begin(options)
    with handing_back(), patient(run.options.outage_seconds):
        target = open_store(store)
        digest = recipe.archive_digest()
        purpose = Purpose(source, target.url, digest, patterns, retry_bad, expect_at_least)
        return _archived(run, purpose, target, recipe, hours)


def _archived(run: Run, purpose: Purpose, target: ObjectStore, recipe: Recipe, hours: float | None) -> Any:
    """The end of the flow, as it returns it."""
    require_promises(target)
    tag(tags_of(recipe, target.url))
    target.clean()
    forget_old_batches(target)
    carry(target)
    job = new_job(run, target.url, recipe)
    plan = taken(purpose) or purpose.plan(target, job.options, with_sizes=recipe.in_hours)
    get_run_logger().info(plan.describe())
    rename(target, purpose.archive_digest, plan.renamed)
    told = RunSummary.of(plan, purpose.source, target.url, recipe, run.run_id)
    failed = _archive_plan(run, target, plan, job, told, hours)
    summary = _by_the_catalogue(target, plan, job, told, failed)
    store_report(target, summary)
    worst = _store_page(target, summary, run.options)
    return ended(summary, run_page(summary, worst), artifacts.images(summary))


def _archive_plan(
    run: Run, store: ObjectStore, plan: Plan, job: ArchiveJob, summary: RunSummary, hours: float | None
) -> dict[str, bool]:
    """Record the files that cannot be read, then have the images done, batch by batch.

    Returns:
        The digest of each image that was said to have failed, and whether by its own fault.
    """
    folder = new_folder(run.run_id)
    with run.watched(summary) as show:
        so_far = SoFar(summary, show)
        with in_parts(run.options.batch_images, partial(commit, store.url)) as record:
            for failure in failures(plan.unreadable, job):
                record(failure)
                so_far.count([failure])
        batches = batches_of(plan.images, plan.n_pixels, _batch_size(run))
        seconds = _seconds_of_batches(run, batches, hours)
        parameters = partial(_parameters, job, folder, len(batches), seconds)
        alive = partial(_alive, store, batches, job.recipe.archive_digest())
        watch = Watch(_lines(), alive, so_far.hear)
        done = done_batches(len(batches), parameters, run.options, watch)
        with kept_batches(store, folder, batches), closing(done):
            for number, ending in done:
                so_far.end(number, _outcomes_of_batch(store, folder, number, job, ending))
    return so_far.failed


def _lines() -> Callable[[str], None]:
    """A function that takes a line about the batches, for the log of the run, and for a page of it."""
    lines, log = list[str](), get_run_logger()

    def say(line: str) -> None:
        log.warning(line)
        lines.append(f"- {now():%H:%M:%S} {markdown_cell(line)}\n")
        with suppress(Exception):  # the log has the line; no batch ends because a page cannot be kept
            artifacts.publish_page("What became of batches on other hosts (UTC)", "".join(lines), "batches")

    return say


def _alive(store: ObjectStore, batches: Sequence[Batch], archive_digest: str) -> Collection[int]:
    """Numbers of the batches of which an image is held now; all, where the store does not answer."""
    try:
        held = held_images(store, archive_digest)
    except StorageError:
        return range(len(batches))
    return {n for n, batch in enumerate(batches) if any(image.digest in held for image in batch.images)}


def _by_the_catalogue(
    store: ObjectStore, plan: Plan, job: ArchiveJob, told: RunSummary, failed: Mapping[str, bool]
) -> RunSummary:
    """The summary of a run as the catalogue has it, whatever its batches told.

    An image that was told to be archived, and is not, is a failure like any other.
    """
    digests = {image.digest for image in plan.images}
    archived = archived_among(store, job.recipe.archive_digest(), digests)
    known = {*archived, *failed}
    error = BatchLost(
        "a batch told that the image is archived, and the catalogue or the store does not have it"
    )
    untrue = [(image, error) for image in plan.images if image.digest not in known]
    if rows := list(failures(untrue, job)):
        commit(store.url, rows)
    for row in rows:
        told.add(row)
    return told.recounted(archived, told.n_bad - sum(failed.get(digest, False) for digest in archived))


def _batch_size(run: Run) -> int:
    """Images of a batch; here enough for its end, when workers run out of work, to be a small part of it."""
    options = run.options
    if options.deployment:
        return options.batch_images
    on_card = fits_on_card(options)
    in_flight = n_fits(options, on_card=on_card) * images_per_fit(options, on_card=on_card)
    return max(options.batch_images, ROUNDS * in_flight)


def _seconds_of_batches(
    run: Run, batches: Sequence[Batch], hours: float | None
) -> Callable[[int], float | None]:
    """The seconds of a batch that is submitted now, by its number; None where the run has no hours.

    Here it is a share of what is left. On other hosts, of which nobody knows how many there are, it is a
    share of the whole.
    """
    if hours is None:
        return lambda number: None
    weights = {str(n): sum(map(weight_of, batch.n_pixels.values())) for n, batch in enumerate(batches)}
    if run.options.deployment:
        whole = max(1, sum(weights.values()))
        return lambda number: hours * 3600 * weights[str(number)] / whole
    shares = Shares(run.started + hours * 3600, 1, weights)

    def of_one(number: int) -> float:
        shares.end(str(number - 1))
        return shares.take(str(number), time.perf_counter())

    return of_one


def _parameters(
    job: ArchiveJob, folder: str, n_batches: int, seconds: Callable[[int], float | None], number: int
) -> dict[str, Any]:
    """The parameters of `archive_batch`, as JSON has them; what nobody said, the host of a batch decides."""
    said = job.options.said()
    said.pop("deployment", None)
    return {
        "store": job.store,
        "folder": folder,
        "number": number,
        "n_batches": n_batches,
        "run_id": job.run_id,
        "recipe": asdict(job.recipe),
        "options": said,
        "seconds": seconds(number),
    }


def _outcomes_of_batch(
    store: ObjectStore, folder: str, number: int, job: ArchiveJob, ending: str
) -> Sequence[Outcome]:
    """The ending of a batch; where its run was lost, failures for its images that are not archived."""
    try:
        if (outcomes := read_outcome(store, folder, number)) is not None:
            return outcomes
    except CatalogueError as told:
        ending = f"{ending}; {told}"
    done = archived_in(store, job.recipe.archive_digest())
    error = BatchLost(f"batch {number + 1}: its run did not come to its end: {ending}")
    lost = [(image, error) for image in read_batch(store, folder, number).images if image.digest not in done]
    failed = list(failures(lost, job))
    if failed:
        commit(store.url, failed)
    return failed


def _store_page(store: ObjectStore, summary: RunSummary, options: RunOptions) -> Sequence[Pair]:
    """Leave the run's report as a page; an error there is no reason to fail what is archived.

    Returns:
        The images with the lowest PSNR, as the page shows them.
    """
    if not summary.n_done:
        return ()
    from tasks.report.html.render import store_page  # two seconds, and only a run with rows pays them

    try:
        return store_page(store, summary.run_id, options).pairs
    except Exception:  # whatever it is, the images are archived, and a page can be made later
        get_run_logger().exception("the run's report could not be made; inr report makes one at any time")
        return ()

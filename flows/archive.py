"""The flow ``archive``: plan, cut into batches, have each done, report.

A batch is a run of `flows.batch`, in this process or on another host. Whatever ends an image ends as
its row; the run's final state tells if there were failures.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.dispatch import done_batches
from flows.engine.artifacts import ProgressArtifact, publish_images, publish_page
from flows.engine.images import commit, new_job, unreadable_rows
from flows.engine.listening import relaying
from inr import CodecConfig, Contract
from tasks.catalogue import records
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Outcome, Planned
from tasks.errors import BatchLost, ImagesFailed
from tasks.plan.batches import (
    forget_batches,
    forget_old_batches,
    new_folder,
    read_batch,
    read_outcome,
    write_batches,
)
from tasks.plan.planning import Plan, archived_in, make_plan
from tasks.report.artifact import run_page
from tasks.report.pairs import Pair
from tasks.report.summary import RunSummary, store_report
from tasks.settings import RunOptions, load_settings
from tasks.steps.jobs import ArchiveJob
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore

ROUNDS = 32


def run_name() -> str:
    """What a run archives, for Prefect's lists."""
    given = flow_run.parameters
    config = given.get("config") or CodecConfig()
    recipe = Recipe(config, given.get("contract"))
    return f"archive {given['source']} into {given['store']}, {recipe.describe()}"


@flow(name="archive", flow_run_name=run_name)
def archive(
    source: str,
    store: str,
    config: CodecConfig | None = None,
    options: RunOptions | None = None,
    contract: Contract | None = None,
) -> Any:  # RunSummary, or a failed state; Prefect unwraps the state before the caller sees it
    """Archive every image of a source that is not in the store under this config yet.

    Args:
        source: Folder or file, as a path or ``file:`` URI, or ``s3://bucket/prefix``.
        store: Folder of the archive, as a path or ``file:`` URI, made if it does not exist; or
            ``s3://bucket/prefix``, in a bucket that exists.
        config: How to encode; the defaults of `CodecConfig` if not given.
        options: How to work; the settings of the environment if not given.
        contract: What every image must reach, if anything.

    Returns:
        The `RunSummary`, where every image was archived.

    Raises:
        ImagesFailed: Some images are rows with status ``failed``; carries the summary.
        ConfigError, CatalogueError, StorageError: Source or store cannot be used.
    """
    started = time.perf_counter()
    config, options = config or CodecConfig(), options or load_settings().options()
    target = open_store(store)
    target.clean()
    forget_old_batches(target)
    recipe = Recipe(config, contract)
    plan = make_plan(source, target, recipe.archive_digest(), options)
    get_run_logger().info(plan.describe())
    job = new_job(target.url, recipe, options)
    summary = new_summary(source, job, plan)
    _work(target, plan, job, options, summary)
    summary.wall_seconds = time.perf_counter() - started
    store_report(target, summary)
    worst = _store_page(target, summary, options)
    publish_page(summary.headline(), run_page(summary, worst))
    publish_images(summary)
    if summary.n_failed:
        return Failed(message=summary.headline(), data=ImagesFailed(summary.headline(), summary))
    return summary


def new_summary(source: str, job: ArchiveJob, plan: Plan) -> RunSummary:
    """The summary of a run that has done nothing yet."""
    return RunSummary(
        run_id=job.run_id,
        source=source,
        store=job.store,
        config=job.recipe.describe(),
        plan=plan.describe(),
        n_planned=plan.n_to_do,
        n_before=plan.n_archived,
    )


def _work(store: ObjectStore, plan: Plan, job: ArchiveJob, options: RunOptions, summary: RunSummary) -> None:
    """Have the plan done, batch by batch."""
    with relaying(summary, ProgressArtifact(summary).update) as tell_all:
        tell_all()
        for rows in unreadable_rows(plan, job):
            commit(store.url, rows)
            _count(rows, summary)
            tell_all()
        folder = new_folder(job.run_id)
        n_batches = write_batches(store, folder, plan.images, _batch_size(job.options))
        parameters = partial(_parameters, job, options, folder, n_batches)
        for number, ending in done_batches(n_batches, parameters, options.deployment):
            found = read_outcome(store, folder, number)
            if found is None:
                found = _rows_of_a_lost_batch(store, folder, number, job, ending)
                commit(store.url, found)
            _count(found, summary)
            tell_all()
    forget_batches(store, folder)


def _store_page(store: ObjectStore, summary: RunSummary, options: RunOptions) -> Sequence[Pair]:
    """Leave the run's report as a page; what keeps it from that is no reason to fail what is archived.

    Returns:
        The images with the lowest PSNR, as the page shows them.
    """
    if not summary.n_done:
        return ()
    from tasks.report.html.render import (
        store_page,  # two seconds, and only a run that did something pays them
    )

    try:
        return store_page(store, summary.run_id, options).pairs
    except Exception:
        get_run_logger().exception("the run's report could not be made; inr report makes one at any time")
        return ()


def _count(rows: Iterable[Outcome], summary: RunSummary) -> None:
    for record in rows:
        summary.add(record)


def _batch_size(options: RunOptions) -> int:
    """Images of a batch; here enough for its end, when workers run out of work, to be a small part of it."""
    return options.batch_images if options.deployment else max(options.batch_images, ROUNDS * options.workers)


def _parameters(
    job: ArchiveJob, options: RunOptions, folder: str, n_batches: int, number: int
) -> dict[str, Any]:
    """Those of `archive_batch`, as JSON has them."""
    return {
        "store": job.store,
        "folder": folder,
        "number": number,
        "n_batches": n_batches,
        "run_id": job.run_id,
        "config": asdict(job.recipe.config),
        "options": options.model_copy(update={"deployment": None}).model_dump(),
        "contract": asdict(job.recipe.contract) if job.recipe.contract else None,
    }


def _rows_of_a_lost_batch(
    store: ObjectStore, folder: str, number: int, job: ArchiveJob, ending: str
) -> list[Outcome]:
    """Rows of those images of a batch that are not archived, where its run did not come to its end."""
    done = archived_in(store, job.recipe.archive_digest())
    error = BatchLost(f"batch {number + 1}: its run did not come to its end: {ending}")
    return [
        records.Failed.of(Planned.of(job.run_id, job.recipe, image), error)
        for image in read_batch(store, folder, number)
        if image.digest not in done
    ]

"""Images through compression and verification into the catalogue, for every flow that archives some.

At most `workers` tasks are submitted at a time, so threads and memory stay flat however much there is
to do. Whatever ends an image ends as its row.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner

from flows.engine.artifacts import ProgressArtifact
from flows.engine.listening import tell
from flows.engine.workers import Step, n_threads, n_workers, outcomes, task_runner
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Archived, Failed, Listed, Outcome, Planned, Stored
from tasks.originals.listing import SourceImage
from tasks.plan.planning import Plan
from tasks.report.summary import RunSummary
from tasks.settings import RunOptions
from tasks.steps.commit import record_batch
from tasks.steps.compress import compress
from tasks.steps.deadlines import cancel
from tasks.steps.jobs import ArchiveJob
from tasks.steps.verify import verify

Work = tuple[SourceImage, ArchiveJob]


def new_job(
    store: str,
    recipe: Recipe,
    options: RunOptions,
    run_id: str | None = None,
) -> ArchiveJob:
    """What the images of this run have in common; cores are shared out among the workers."""
    workers = n_workers(options)
    return ArchiveJob(
        run_id=run_id or str(flow_run.id or uuid.uuid4()),
        store=store,
        recipe=recipe,
        options=options.model_copy(update={"workers": workers}),
        n_threads=n_threads(workers),
    )


def archive_all(work: Iterable[Work], summary: RunSummary, options: RunOptions) -> list[Outcome]:
    """Do the work, commit it in parts, and tell the summary as it goes; returns the rows.

    Args:
        work: Images, each with what its run wants of it; all of one run and one store, the summary's.
        summary: Counts every row.
        options: How many at a time, on which engine, and how many rows a part has.
    """
    tell(summary)
    progress = ProgressArtifact(summary)
    rows: list[Outcome] = []
    n_committed = 0
    try:
        with task_runner(options) as engine:
            for record in _rows(engine, work, options.workers):
                rows.append(record)
                if len(rows) - n_committed == options.batch_images:
                    commit(summary.store, rows[n_committed:])
                    n_committed = len(rows)
                summary.add(record)
                progress.update(summary)
                tell(summary)
    except BaseException:  # whatever ends the run early, a signal too, must not leave fits running
        cancel(summary.run_id)
        raise
    commit(summary.store, rows[n_committed:])
    return rows


def commit(store: str, rows: Sequence[Outcome]) -> None:
    """Write a part of the catalogue, if there is anything to write."""
    if rows:
        record_batch(store, rows, len(rows))


def unreadable_rows(plan: Plan, job: ArchiveJob) -> Iterator[list[Outcome]]:
    """The rows of the files of a plan that could not be read, part by part."""
    rows: Iterator[Outcome] = (
        Failed.of(Listed.of(job.run_id, job.recipe, file), error) for file, error in plan.unreadable
    )
    while part := list(islice(rows, job.options.batch_images)):
        yield part


@dataclass
class _Image:
    """An image on its way, and what is known of it so far."""

    image: SourceImage
    job: ArchiveJob
    known: Planned | Stored


def _rows(engine: TaskRunner[Any], work: Iterable[Work], n_at_once: int) -> Iterator[Outcome]:
    """The row of every image, in the order in which they end."""
    images = (_Image(image, job, Planned.of(job.run_id, job.recipe, image)) for image, job in work)
    for item, outcome in outcomes(engine, n_at_once, images, _compressed, _verified):
        yield Failed.of(item.known, outcome) if isinstance(outcome, Exception) else outcome


def _compressed(item: _Image) -> Step:
    return compress, {"image": item.image, "job": item.job}


def _verified(item: _Image, found: Stored | Archived) -> Step | None:
    if isinstance(found, Archived):
        return None
    item.known = found
    return verify, {"stored": found, "job": item.job}

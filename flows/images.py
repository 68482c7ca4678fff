"""Images through compression and verification into the catalogue, for every flow that archives some.

At most `workers` tasks are submitted at a time, so threads and memory stay flat however much there is
to do. Whatever ends an image ends as its row.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner

from flows.artifacts import ProgressArtifact
from flows.listening import tell
from flows.workers import Window, n_threads, n_workers, task_runner
from inr import CodecConfig
from tasks.commit import record_batch
from tasks.compress import ArchiveJob, compress
from tasks.contract import Contract
from tasks.plan import Plan
from tasks.record import STORED, CatalogueRecord, failed_record, planned_record
from tasks.report import RunSummary
from tasks.settings import RunOptions
from tasks.source import SourceImage
from tasks.verify import verify
from tasks.watch import cancel

Work = tuple[SourceImage, ArchiveJob]


def new_job(
    store: str,
    config: CodecConfig,
    options: RunOptions,
    contract: Contract | None = None,
    run_id: str | None = None,
) -> ArchiveJob:
    """What the images of this run have in common; cores are shared out among the workers."""
    workers = n_workers(options)
    return ArchiveJob(
        run_id=run_id or str(flow_run.id or uuid.uuid4()),
        store=store,
        config=config,
        options=options.model_copy(update={"workers": workers}),
        n_threads=n_threads(workers),
        contract=contract,
    )


def archive_all(work: Iterable[Work], summary: RunSummary, options: RunOptions) -> list[CatalogueRecord]:
    """Do the work, commit it in parts, and tell the summary as it goes; returns the rows.

    Args:
        work: Images, each with what its run wants of it; all of one run and one store, the summary's.
        summary: Counts every row.
        options: How many at a time, on which engine, and how many rows a part has.
    """
    tell(summary)
    progress = ProgressArtifact(summary.n_planned)
    rows: list[CatalogueRecord] = []
    n_committed = 0
    try:
        with task_runner(options) as runner:
            for record in _rows(work, runner, options.workers):
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


def commit(store: str, rows: Sequence[CatalogueRecord]) -> None:
    """Write a part of the catalogue, if there is anything to write."""
    if rows:
        record_batch(store, rows, len(rows))


def unreadable_rows(plan: Plan, job: ArchiveJob) -> Iterator[list[CatalogueRecord]]:
    """The rows of the files of a plan that could not be read, part by part."""
    rows = (
        failed_record(planned_record(job.run_id, job.config, image, job.contract), error)
        for image, error in plan.unreadable
    )
    while part := list(islice(rows, job.options.batch_images)):
        yield part


def _rows(work: Iterable[Work], runner: TaskRunner[Any], n_at_once: int) -> Iterator[CatalogueRecord]:
    """The row of every image, in the order in which they end."""
    waiting = iter(work)
    window: Window[CatalogueRecord, tuple[SourceImage, ArchiveJob, CatalogueRecord]] = Window(n_at_once)
    while True:
        while window.has_room() and (item := next(waiting, None)) is not None:
            image, job = item
            known = planned_record(job.run_id, job.config, image, job.contract)
            window.follow(runner.submit(compress, {"image": image, "job": job}), (image, job, known))
        if window.is_empty():
            return
        future, (image, job, known) = window.next_ended()
        try:
            record = future.result()
        except Exception as error:  # whatever ended the task, it is a row and stops no other (law 4)
            yield failed_record(known, error)
            continue
        if record.status == STORED:
            task = {"image": image, "record": record, "job": job}
            window.follow(runner.submit(verify, task), (image, job, record))
        else:
            yield record

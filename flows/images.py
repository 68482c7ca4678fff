"""Images through compression and verification into the catalogue, for every flow that archives some.

At most `workers` tasks are submitted at a time, so threads and memory stay flat however much there is
to do. Whatever ends an image ends as its row.
"""

from collections.abc import Iterable, Iterator

from flows.artifacts import ProgressArtifact
from flows.listening import tell
from flows.workers import Window
from tasks.commit import record_batch
from tasks.compress import ArchiveJob, compress
from tasks.plan import Plan
from tasks.record import STORED, CatalogueRecord, failed_record, planned_record
from tasks.report import RunSummary
from tasks.settings import RunOptions
from tasks.source import SourceImage
from tasks.verify import verify
from tasks.watch import cancel

Work = tuple[SourceImage, ArchiveJob]


def archive_all(
    work: Iterable[Work], failed: Iterable[CatalogueRecord], summary: RunSummary, options: RunOptions
) -> None:
    """Do the work, commit it batch by batch, and tell the summary as it goes.

    Args:
        work: Images, each with what its run wants of it; all of one run and one store, the summary's.
        failed: Rows of what failed before there was anything to do.
        summary: Counts every row.
        options: How many at a time, and how many rows a batch has.
    """
    tell(summary)
    progress = ProgressArtifact(summary.n_planned)
    batch: list[CatalogueRecord] = []
    try:
        for record in _rows(work, failed, options.workers):
            batch.append(record)
            if len(batch) == options.batch_images:
                _commit(summary.store, batch)
                batch = []
            summary.add(record)
            progress.update(summary)
            tell(summary)
    except BaseException:  # whatever ends the run early, a signal too, must not leave fits running
        cancel(summary.run_id)
        raise
    _commit(summary.store, batch)


def unreadable_rows(plan: Plan, job: ArchiveJob) -> list[CatalogueRecord]:
    """The rows of the files of a plan that could not be read."""
    return [
        failed_record(planned_record(job.run_id, job.config, image, job.contract), error)
        for image, error in plan.unreadable
    ]


def _commit(store: str, batch: list[CatalogueRecord]) -> None:
    if batch:
        record_batch(store, batch, len(batch))


def _rows(
    work: Iterable[Work], failed: Iterable[CatalogueRecord], n_workers: int
) -> Iterator[CatalogueRecord]:
    """The row of every image, in the order in which they end."""
    yield from failed
    waiting = iter(work)
    window: Window[CatalogueRecord, tuple[SourceImage, ArchiveJob, CatalogueRecord]] = Window(n_workers)
    while True:
        while window.has_room() and (item := next(waiting, None)) is not None:
            image, job = item
            known = planned_record(job.run_id, job.config, image, job.contract)
            window.follow(compress.submit(image, job), (image, job, known))
        if window.is_empty():
            return
        future, (image, job, known) = window.next_ended()
        try:
            record = future.result()
        except Exception as error:  # whatever ended the task, it is a row and stops no other (law 4)
            yield failed_record(known, error)
            continue
        if record.status == STORED:
            window.follow(verify.submit(image, record, job), (image, job, record))
        else:
            yield record

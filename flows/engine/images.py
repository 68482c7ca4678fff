"""Images through compression and verification into the catalogue, for every flow that archives some.

At most `Run.n_workers` tasks are submitted at a time, so threads and memory stay flat however much there
is to do. Whatever ends an image ends as its row.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from flows.engine.runs import Run, in_parts
from flows.engine.workers import Step, outcomes, task_runner
from inr import CodecConfig, Contract
from tasks.catalogue.records import STORED, CatalogueRecord, failed_record, planned_record
from tasks.originals.listing import SourceImage
from tasks.report.summary import RunSummary
from tasks.steps.commit import record_batch
from tasks.steps.compress import ArchiveJob, compress
from tasks.steps.deadlines import cancel
from tasks.steps.verify import verify

Work = tuple[SourceImage, ArchiveJob]


def new_job(run: Run, store: str, config: CodecConfig, contract: Contract | None = None) -> ArchiveJob:
    """The job that images of a run have in common, under one config."""
    return ArchiveJob(
        run_id=run.run_id,
        store=store,
        config=config,
        options=run.options,
        n_threads=run.n_threads,
        contract=contract,
    )


def archive_all(run: Run, work: Iterable[Work], summary: RunSummary) -> list[CatalogueRecord]:
    """Archive images, and commit their rows in parts; returns the rows.

    Args:
        run: The run that they are archived by.
        work: Each image with its job; all of the summary's store.
        summary: Counts every row.
    """
    rows: list[CatalogueRecord] = []
    try:
        with (
            run.watched(summary) as show,
            task_runner(run.options) as engine,
            in_parts(run.options.batch_images, partial(commit, summary.store)) as record,
        ):
            groups = ([_Image(image, job, planned_row(image, job))] for image, job in work)
            for image, result in outcomes(engine, run.n_workers, groups, _compressed, _verified):
                row = failed_record(image.known, result) if isinstance(result, Exception) else result
                rows.append(row)
                record(row)
                summary.add(row)
                show(summary)
    except BaseException:  # whatever ends the run early, a signal too, must not leave fits running
        cancel(run.run_id)
        raise
    return rows


def commit(store: str, rows: Sequence[CatalogueRecord]) -> None:
    """Write a part of the catalogue."""
    record_batch(store, rows, len(rows))


def failed_rows(
    images: Iterable[tuple[SourceImage, Exception]], job: ArchiveJob
) -> Iterator[CatalogueRecord]:
    """The rows of images that came to no task, each with what is wrong."""
    for image, error in images:
        yield failed_record(planned_row(image, job), error)


def planned_row(image: SourceImage, job: ArchiveJob) -> CatalogueRecord:
    """The row of an image that no task has begun."""
    return planned_record(job.run_id, job.config, image, job.contract)


@dataclass
class _Image:
    """An image on its way, with the row of what is known of it so far."""

    image: SourceImage
    job: ArchiveJob
    known: CatalogueRecord


def _compressed(group: Sequence[_Image]) -> Step:
    """The step that compresses a group; a group is one image, since a fit takes one."""
    [item] = group
    return Step(compress, {"image": item.image, "job": item.job})


def _verified(item: _Image, row: CatalogueRecord) -> Step | None:
    if row.status != STORED:
        return None
    item.known = row
    return Step(verify, {"image": item.image, "record": row, "job": item.job})

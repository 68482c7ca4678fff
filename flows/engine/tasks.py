"""The steps of the archive as Prefect's tasks: plain functions of `tasks.steps`, with names for lists."""

from collections.abc import Callable, Mapping, Sequence

from prefect import get_run_logger, task
from prefect.runtime import task_run

from inr import Progress
from tasks.catalogue.audits import AuditRow
from tasks.catalogue.records import Archived, Outcome, Stored
from tasks.originals.listing import SourceImage
from tasks.plan.restoring import Restoring
from tasks.steps import audit as audits
from tasks.steps import commit
from tasks.steps.compact import Compacted, Day, compact_day
from tasks.steps.compress import Report, compress_images
from tasks.steps.deadlines import at_most_every
from tasks.steps.jobs import ArchiveJob
from tasks.steps.restore import Restored, RestoreJob, restore_image
from tasks.steps.verify import verify_image
from tasks.store.locations import open_store
from tasks.store.objects import patient

SECONDS_BETWEEN_LOG_LINES = 30.0


def _name_of_group() -> str:
    """The image that a task compresses, and how many more."""
    images: Sequence[SourceImage] = task_run.parameters["images"]
    more = f" and {len(images) - 1} more" if len(images) > 1 else ""
    return f"compress {images[0].path}{more}"


@task(task_run_name=_name_of_group)
def compress(images: Sequence[SourceImage], job: ArchiveJob) -> list[Stored | Archived | Exception]:
    """Compress a group of images, and log how far it is."""
    lines = _log_lines(get_run_logger().info)
    with patient(job.options.outage_seconds):
        return compress_images(images, job, report=at_most_every(SECONDS_BETWEEN_LOG_LINES, lines))


def _log_lines(log: Callable[[str], None]) -> Report:
    """Write a line for each image that reports."""

    def lines(progress: Mapping[str, Progress]) -> None:
        for path, now in progress.items():
            log(
                f"{path}: attempt {now.attempt}, step {now.step} of {now.n_steps}: "
                f"estimated {now.estimated_bpp:.3f} bpp, {now.psnr_db:.2f} dB"
            )

    return lines


@task(task_run_name="verify {stored.path}")
def verify(stored: Stored, job: ArchiveJob) -> Archived:
    """Verify what was stored."""
    with patient(job.options.outage_seconds):
        return verify_image(stored, job)


@task(task_run_name="record {n_outcomes} images")
def record_batch(store_url: str, outcomes: Sequence[Outcome], n_outcomes: int) -> None:
    """Commit how some images ended."""
    commit.record_batch(store_url, outcomes)


@task(task_run_name="audit {record.path}")
def audit(record: Archived, job: audits.AuditJob) -> AuditRow | None:
    """Audit an object; None if it is none of the archive any more."""
    return audits.audit_object(record, job)


@task(task_run_name="record {n_rows} audits")
def record_audits(store_url: str, rows: Sequence[AuditRow], n_rows: int) -> None:
    """Commit some findings."""
    audits.record_audits(store_url, rows)


@task(task_run_name="restore {wanted.path}")
def restore(wanted: Restoring, job: RestoreJob) -> Restored:
    """Restore an image."""
    return restore_image(wanted, job)


@task(task_run_name="compact {name}")
def compact(store_url: str, day: Day, name: str) -> Compacted:
    """Compact a day."""
    return compact_day(open_store(store_url), day)

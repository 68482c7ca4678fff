"""Images through compression and verification into the catalogue, for every flow that archives some.

At most `n_workers` tasks are submitted at a time, so threads and memory stay flat however much there is to
do. On a graphics card a task is a group of images. Whatever ends an image ends as its row.
"""

import logging
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile

from prefect import get_run_logger

from flows.engine.cores import fits_on_card, images_per_fit, n_threads, n_workers
from flows.engine.interrupts import heed_stop, is_told
from flows.engine.plain import in_parts
from flows.engine.runs import Run
from flows.engine.tasks import compress, record_batch, verify
from flows.engine.workers import Step, outcomes
from inr.errors import ConfigError
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Archived, Failed, Listed, Outcome, Planned, Stored
from tasks.errors import FittedElsewhere
from tasks.originals.listing import SourceFile, SourceImage
from tasks.plan.claims import mark_taken
from tasks.plan.leases import is_held, signs_of_life
from tasks.report.summary import RunSummary, in_a_line
from tasks.settings import RunOptions
from tasks.steps.deadlines import cancel, go_on
from tasks.steps.jobs import ArchiveJob
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore
from tasks.wording import counted

SECONDS_BETWEEN_LOOKS = 5.0
MOST_BYTES_OF_GROUP = 2**24  # of files: so large images fill a card by themselves, and the memory beside it

Work = tuple[SourceImage, ArchiveJob]


def new_job(run: Run, store: str, recipe: Recipe) -> ArchiveJob:
    """The job that images of a run have in common, under one recipe."""
    threads = n_threads(run.options, on_card=fits_on_card(run.options))
    return ArchiveJob(run_id=run.run_id, store=store, recipe=recipe, options=run.options, n_threads=threads)


def archive_all(
    run: Run,
    work: Iterable[Work],
    summary: RunSummary,
    ended_one: Callable[[SourceImage], object] = lambda image: None,
) -> list[Outcome]:
    """Archive images, and commit their rows in parts; returns how each image ended.

    Args:
        run: The run that they are archived by.
        work: Each image with its job; all of the summary's store. Taken one by one, as there is room.
        summary: Counts every image.
        ended_one: Called with each image when it is done, before more work is taken.

    Raises:
        ConfigError: The run is to fit on CUDA, and this host has none.
        HandedBack: The worker of this process stops; what was begun before has ended, and has its rows.
    """
    _check_device(run.options)
    on_card, ended = fits_on_card(run.options), list[Outcome]()
    size, together = n_workers(run.options, on_card=on_card), images_per_fit(run.options, on_card=on_card)
    with (
        run.watched(summary) as show,
        run.engine() as engine,
        _cancelled_if_cut_short(run.run_id),
        _recorded(run.options.batch_images, summary.store) as record,
    ):
        waiting: list[_Image] = []
        images: Iterable[_Image] = (_Image(image, job, planned(image, job)) for image, job in work)
        while True:
            groups = takewhile(lambda _: not is_told(), _groups(images, together))
            for image, result in outcomes(engine, size, groups, _compressed, _verified):
                if isinstance(result, FittedElsewhere):
                    waiting.append(image)
                    continue
                outcome = Failed.of(image.known, result) if isinstance(result, Exception) else result
                ended.append(outcome)
                ended_one(image.image)
                if isinstance(outcome, Failed) or isinstance(image.known, Stored):  # else it has a row
                    record(outcome)
                summary.add(outcome)
                log_ended(outcome)
                show(summary)
            if len(ended) < summary.n_planned:
                heed_stop()
            if not waiting:
                return ended
            images, waiting = _free_again(open_store(summary.store), waiting)


@contextmanager
def _recorded(size: int, store: str) -> Iterator[Callable[[Outcome], None]]:
    """Commit rows in parts; the claims of images whose rows wait for their part are marked as needed.

    A part of slow fits may take longer than the days after which claims count as those of a run that is gone.
    """
    waiting = list[Outcome]()

    def write(part: Sequence[Outcome]) -> None:
        del waiting[: len(part)]  # before their claims go
        commit(store, part)

    def mark() -> None:
        target = open_store(store)
        for outcome in waiting.copy():
            if isinstance(outcome, Archived) and any(each is outcome for each in waiting):
                mark_taken(target, outcome.origin.image.digest, outcome.origin.setting.archive_digest)

    def add(outcome: Outcome) -> None:
        waiting.append(outcome)
        record(outcome)

    with signs_of_life(mark), in_parts(size, write) as record:
        yield add


def _free_again(store: ObjectStore, waiting: Sequence["_Image"]) -> tuple[list["_Image"], list["_Image"]]:
    """Wait until another run has ended one of some images that it fits; those that it has, and the others."""
    get_run_logger().info("another run fits %s, and is waited for", counted(len(waiting), "image"))
    while True:
        heed_stop()
        held = [image for image in waiting if is_held(store, image.image.digest, image.archive_digest)]
        if len(held) < len(waiting):
            return [image for image in waiting if image not in held], held
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _check_device(options: RunOptions) -> None:
    """Refuse a device that is not here, before any image is failed for it; workers of Dask may have it."""
    if options.device == "cuda" and options.runner == "threads":
        from inr.encoder import resolve_device  # loads torch, which only who fits needs

        try:
            resolve_device(options.device)
        except ConfigError as error:
            raise ConfigError(f"{error} on {platform.node()}") from None


@contextmanager
def _cancelled_if_cut_short(run_id: str) -> Iterator[None]:
    """End a run's fits where anything ends the run early, a signal too.

    The engine waits for them as it is left, so this must be left before it.
    """
    go_on(run_id)
    try:
        yield
    except BaseException:
        cancel(run_id)
        raise


def log_ended(outcome: Outcome) -> None:
    """Write a line about how an image ended into the log of the run."""
    level = logging.INFO if isinstance(outcome, Archived) else logging.ERROR
    get_run_logger().log(level, "%s", in_a_line(outcome))


def tags_of(recipe: Recipe, store: str) -> list[str]:
    """The tags of runs under a recipe: its model, how long its fits are, and the store."""
    return [f"model:{recipe.config.model}", f"preset:{recipe.length}", f"store:{store}"]


def commit(store: str, outcomes: Sequence[Outcome]) -> None:
    """Write a part of the catalogue."""
    record_batch(store, outcomes, len(outcomes))


def failures(
    images: Iterable[tuple[SourceFile | SourceImage, Exception]], job: ArchiveJob
) -> Iterator[Failed]:
    """The failures of images that came to no task: each a file that could not be read, or a planned image."""
    for image, error in images:
        if isinstance(image, SourceFile):
            yield Failed.of(Listed.of(job.run_id, job.recipe, image), error)
        else:
            yield Failed.of(planned(image, job), error)


def planned(image: SourceImage, job: ArchiveJob) -> Planned:
    """An image that no task has begun."""
    return Planned.of(job.run_id, job.recipe, image)


@dataclass
class _Image:
    """An image on its way, with what is known of it so far."""

    image: SourceImage
    job: ArchiveJob
    known: Planned | Stored

    @property
    def archive_digest(self) -> str:
        """Digest of the recipe that it is archived under."""
        return self.job.recipe.archive_digest()


def _groups(images: Iterable[_Image], most: int) -> Iterator[list[_Image]]:
    """Neighbours under one recipe that are fitted together, so many at most."""
    group: list[_Image] = []
    for image in images:
        n_bytes = sum(item.image.n_bytes for item in (*group, image))
        if group and (n_bytes > MOST_BYTES_OF_GROUP or image.job.recipe != group[0].job.recipe):
            yield group
            group = []
        group.append(image)
        if len(group) == most:  # before the next one is taken, whose time is found at its turn
            yield group
            group = []
    if group:
        yield group


def _compressed(group: Sequence[_Image]) -> Step:
    """The step that compresses a group; the images share the time that each of them has."""
    budgets = [item.job.budget_seconds for item in group]
    seconds = None if None in budgets else sum(filter(None, budgets))
    job = replace(group[0].job, seconds=seconds)
    return Step(compress, {"images": [item.image for item in group], "job": job}, is_for_group=True)


def _verified(item: _Image, found: Stored | Archived) -> Step | None:
    if isinstance(found, Archived):
        return None
    item.known = found
    return Step(verify, {"stored": found, "job": item.job})

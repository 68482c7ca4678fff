"""Images on their way through a run, beyond what the tests of the flows see."""

import errno
import os
import platform
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from flows.engine import images, tasks
from flows.engine.cores import n_threads
from flows.engine.images import archive_all, failures, new_job, planned
from flows.engine.runs import begin
from inr.config import CodecConfig, Contract
from inr.errors import ConfigError
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.parts import read_images
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Archived, Stored, now
from tasks.catalogue.rows import row_of
from tasks.errors import BatchLost, SourceError, StorageUnavailable
from tasks.originals.listing import SourceFile
from tasks.plan import leases
from tasks.plan.claims import Claim, write_claim
from tasks.plan.leases import Leases
from tasks.plan.planning import make_plan
from tasks.report.summary import RunSummary
from tasks.settings import RunOptions
from tasks.steps.commit import append, append_audits, record_batch
from tasks.steps.compact import plan_compaction
from tasks.steps.compress import compress_images
from tasks.steps.jobs import ArchiveJob
from tasks.steps.verify import verify_image
from tasks.store import objects
from tasks.store.folder import LocalStore
from tasks.upkeep.prune import plan_prune, prune
from tests.flows.conftest import DRAFT, OPTIONS
from tests.tasks.pictures import file_of, image
from tests.tasks.rows import archived_from, failed, source_image
from tests.tasks.rows import planned as planned_image

USUAL = CodecConfig(model="mlp")


def test_the_job_of_a_run_has_its_options_as_given_and_threads_beside_them():
    options = RunOptions(device="cpu")
    run = begin(options, run_id="run")
    recipe = Recipe(DRAFT, Contract(30))
    job = new_job(run, "store", recipe)
    assert job.options == options
    assert (job.run_id, job.store, job.recipe) == ("run", "store", recipe)
    assert job.n_threads == n_threads(options)


def test_images_that_came_to_no_task_are_rows_with_the_reason():
    job = new_job(begin(OPTIONS, run_id="run"), "store", Recipe(DRAFT))
    unreadable = SourceFile("file:///photos/a.png", "a.png")
    found = [(unreadable, SourceError("gone")), (source_image("b.png"), BatchLost("lost"))]
    first, second = map(row_of, failures(found, job))
    assert (first["status"], first["error_type"], first["error_message"]) == ("failed", "SourceError", "gone")
    assert (first["image_digest"], second["image_digest"]) == (None, source_image("b.png").digest)
    assert (second["source_path"], second["error_type"], second["run_id"]) == ("b.png", "BatchLost", "run")
    digest = Recipe(DRAFT).archive_digest()
    assert second["archive_digest"] == digest == planned(source_image(), job).setting.archive_digest


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four images that need no fit."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.png").write_bytes(file_of(image(1, 1, n + 1)))
    return folder


def archived(photos: Path, store: LocalStore, summary: RunSummary, options: RunOptions) -> Any:
    run = begin(options, run_id="run")
    plan = make_plan(str(photos), store, Recipe(DRAFT).archive_digest(), OPTIONS)
    job = new_job(run, store.url, Recipe(DRAFT))
    return archive_all(run, ((found, job) for found in plan.images), summary)


def test_rows_come_back_are_counted_and_committed_in_parts(
    photos: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    parts: list[int] = []
    real = images.commit

    def commit(url: str, rows: Any) -> None:
        parts.append(len(rows))
        real(url, rows)

    monkeypatch.setattr(images, "commit", commit)
    summary = RunSummary("run", str(photos), store.url, "", "", n_planned=4)
    options = OPTIONS.model_copy(update={"batch_images": 3})
    rows = flow(name="four")(archived)(photos, store, summary, options)
    assert [type(outcome) for outcome in rows] == [Archived] * 4
    assert parts == [3, 1]
    assert summary.n_archived == 4
    assert summary.wall_seconds > 0


def test_the_file_of_an_image_whose_row_waits_for_its_part_stays_however_long_that_takes(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(leases, "SIGN_SECONDS", 0.05)
    monkeypatch.setattr(images, "commit", record_batch)  # which is a task, in a run
    append(store, [archived_from(planned_image("another"))])
    waits = archived_from(planned_image("a.png"))
    write_claim(store, Claim(waits.stored, ()))
    store.put(waits.stored.file.key, b"bitstream")
    with images._recorded(2, store.url) as record:
        for found in [*store.objects("journal"), *store.objects("bitstreams")]:
            os.utime(store.path(found.key), (time.time() - 8 * 86_400,) * 2)
        assert any(plan_prune(store).objects.values())
        record(waits)
        ends_at = time.monotonic() + 60
        while any(plan_prune(store).objects.values()):
            assert time.monotonic() < ends_at
            time.sleep(0.01)
        prune(store, plan_prune(store))
        record(failed("b.png"))
        time.sleep(0.2)
    assert store.objects("journal") == []
    assert [found.key for found in store.objects("bitstreams")] == [waits.stored.file.key]


def test_images_are_fitted_together_as_many_as_the_options_say(
    photos: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    groups: list[list[str]] = []
    real = images._compressed

    def compressed(group: Any) -> Any:
        groups.append([item.image.path for item in group])
        return real(group)

    monkeypatch.setattr(images, "_compressed", compressed)
    summary = RunSummary("run", str(photos), store.url, "", "", n_planned=4)
    options = OPTIONS.model_copy(update={"images_per_fit": 3})
    flow(name="together")(archived)(photos, store, summary, options)
    assert groups == [["0.png", "1.png", "2.png"], ["3.png"]]
    assert summary.n_archived == 4


def test_a_group_has_one_recipe_and_no_more_than_fits_into_memory():
    jobs = [new_job(begin(OPTIONS, run_id="run"), "store", Recipe(DRAFT, None, n)) for n in (100, 200)]

    def groups(*images_: tuple[int, ArchiveJob], most: int) -> list[list[int]]:
        items = [
            images._Image(replace(source_image(), n_bytes=n_bytes), job, planned(source_image(), job))
            for n_bytes, job in images_
        ]
        return [[item.image.n_bytes for item in group] for group in images._groups(items, most)]

    first, second = jobs
    given = [(1, first), (2, first), (3, first), (4, second), (5, first)]
    assert groups(*given, most=2) == [[1, 2], [3], [4], [5]]
    assert groups(*given, most=1) == [[1], [2], [3], [4], [5]]
    large = images.MOST_BYTES_OF_GROUP
    assert groups((large, first), (1, first), (large - 2, first), (2, first), most=9) == [
        [large],
        [1, large - 2],
        [2],
    ]


def test_the_images_of_a_group_have_the_time_of_all_of_them():
    run = begin(OPTIONS, run_id="run")
    for recipe, seconds in (
        (Recipe(USUAL, seconds_per_image=7.0), None),
        (Recipe(USUAL, in_hours=True), 7.0),
    ):
        job = replace(new_job(run, "store", recipe), seconds=seconds)
        item = images._Image(source_image(), job, planned(source_image(), job))
        assert images._compressed([item] * 3).parameters["job"].seconds == 21.0
    job = new_job(run, "store", Recipe(DRAFT))
    assert (
        images._compressed([images._Image(source_image(), job, planned(source_image(), job))]).parameters[
            "job"
        ]
        == job
    )


def test_what_ends_a_run_early_stops_its_fits(
    photos: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    cancelled: list[str] = []

    def broken(url: str, rows: Any) -> None:
        raise ConfigError("the catalogue cannot be written")

    monkeypatch.setattr(images, "commit", broken)
    monkeypatch.setattr(images, "cancel", cancelled.append)
    summary = RunSummary("run", str(photos), store.url, "", "", n_planned=4)
    with pytest.raises(ConfigError, match="cannot be written"):
        flow(name="broken")(archived)(photos, store, summary, OPTIONS)
    assert cancelled == ["run"]


@pytest.mark.parametrize("is_archived", [False, True])
def test_what_another_run_fits_comes_last_and_is_not_fitted_again(
    photos: Path, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_archived: bool
):
    """The other run gives an image up, or archives it."""
    monkeypatch.setattr(images, "SECONDS_BETWEEN_LOOKS", 0.05)
    elsewhere, (first, *_) = LocalStore(tmp_path / "elsewhere"), sorted(photos.iterdir())
    job = new_job(begin(OPTIONS, run_id="elsewhere"), elsewhere.url, Recipe(DRAFT))
    [found] = make_plan(str(first), elsewhere, Recipe(DRAFT).archive_digest(), OPTIONS).images
    [stored] = compress_images([found], job)
    assert isinstance(stored, Stored)
    record_batch(elsewhere.url, [verify_image(stored, job)])
    summary = RunSummary("run", str(photos), store.url, "", "", n_planned=4)
    is_taken = threading.Event()

    def fit_elsewhere() -> None:
        with Leases(store) as held:
            assert held.take(found.digest, Recipe(DRAFT).archive_digest())
            is_taken.set()
            while summary.n_done < 3:
                time.sleep(0.05)
            if is_archived:
                shutil.copytree(elsewhere.root, store.root, dirs_exist_ok=True)

    other = threading.Thread(target=fit_elsewhere)
    other.start()
    is_taken.wait()
    rows = flow(name="beside")(archived)(photos, store, summary, OPTIONS)
    other.join()
    assert [outcome.origin.image.path for outcome in rows][-1] == first.name
    assert rows[-1].origin.run_id == ("elsewhere" if is_archived else "run")
    assert (summary.n_archived, summary.n_failed) == (4, 0)
    assert read_images(store).num_rows == 4
    assert store.objects("journal") == []


def test_a_run_that_is_to_fit_on_a_card_that_is_not_there_is_an_error(
    photos: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("INR_DEVICE", "cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    summary = RunSummary("run", str(photos), store.url, "", "", n_planned=4)
    options = RunOptions(workers=1)
    with pytest.raises(ConfigError, match=f"expected a CUDA device, found none on {platform.node()}"):
        flow(name="no card")(archived)(photos, store, summary, options)
    assert (summary.n_done, store.objects("catalogue")) == (0, [])


def test_an_image_that_changed_since_it_was_planned_is_a_row(photos: Path, store: LocalStore):
    plan = make_plan(str(photos), store, Recipe(DRAFT).archive_digest(), OPTIONS)
    (photos / "0.png").write_bytes(file_of(image(1, 1, 2)))

    def body() -> Any:
        run = begin(OPTIONS, run_id="run")
        summary = RunSummary("run", str(photos), store.url, "", "", n_planned=1)
        return archive_all(run, [(plan.images[0], new_job(run, store.url, Recipe(DRAFT)))], summary)

    [outcome] = flow(name="changed")(body)()
    assert (outcome.error_type, outcome.stored) == ("SourceError", None)
    assert "the file has changed" in outcome.error_message


AUDIT = AuditRow(run_id="run", checked_at=now(), key="key", status=AuditStatus.ORPHAN)


@pytest.mark.parametrize("task", ["record a batch", "record audits", "compact a day"])
def test_a_store_that_does_not_answer_is_tried_as_often_as_it_says_and_no_more(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, task: str
):
    """The store repeats what may go better the next time; Prefect repeats nothing besides."""
    for _ in range(2):
        append_audits(store, [AUDIT])
    [day], _ = plan_compaction(store)
    steps = {
        "record a batch": lambda: images.commit(store.url, [failed()]),
        "record audits": lambda: tasks.record_audits(store.url, [AUDIT], 1),
        "compact a day": lambda: tasks.compact(store.url, day, day.describe()),
    }
    tried: list[Path] = []

    def unanswered(source: Path, target: Path) -> None:
        tried.append(target)
        raise OSError(errno.EIO, "no answer")

    monkeypatch.setattr(objects, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("tasks.store.folder.os.link", unanswered)
    with pytest.raises(StorageUnavailable, match="no answer"):
        flow(name="stubborn")(steps[task])()
    assert len(tried) == objects.ATTEMPTS

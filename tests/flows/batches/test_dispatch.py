"""Batches done by the runs of a deployment, here or lost on the way."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowFilter,
    FlowFilterName,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import (
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Pending,
    Running,
    Scheduled,
    StateType,
)

from flows.archive import archive
from flows.batches import dispatch, server
from flows.batches.batch import archive_batch
from flows.batches.dispatch import Watch
from flows.engine import interrupts
from flows.engine.interrupts import HandedBack
from flows.engine.listening import listening
from tasks.catalogue.parts import IMAGES, list_parts
from tasks.errors import ImagesFailed
from tasks.plan.batches import write_outcome
from tasks.settings import RunOptions
from tasks.store.folder import LocalStore
from tests.flows.batches.conftest import parameters_of
from tests.flows.command import ROOT, inr_started, invoke, wait_for
from tests.flows.conftest import DRAFT, ON_A_CPU, OPTIONS, check_photos, rows_of
from tests.tasks.pictures import file_of, photograph

SERVE = """
from flows.batches.batch import archive_batch
archive_batch.serve("test", limit=2, print_starting_message=False)
"""


ELSEWHERE, UNWATCHED = RunOptions(deployment="a/b"), Watch(print, set, lambda number, _: None)


@pytest.fixture(scope="module")
def served(server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A process that takes the runs of a deployment, as a worker of a pool does; gives its name."""
    told = getattr(request, "param", {})
    environment = {**os.environ, "PREFECT_API_URL": server, "PREFECT_RUNNER_POLL_FREQUENCY": "1", **told}
    process = subprocess.Popen([sys.executable, "-c", SERVE], cwd=ROOT, env=environment)
    try:
        wait_for_deployment("archive-batch/test")
        yield "archive-batch/test"
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for_deployment(name: str) -> None:
    until = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while True:
            try:
                client.read_deployment_by_name(name)
                return
            except Exception:
                assert time.monotonic() < until
                time.sleep(0.2)


def test_the_runs_of_a_deployment_do_the_batches(photos: Path, store: LocalStore, served: str):
    options = OPTIONS.model_copy(update={"batch_images": 3, "deployment": served})
    check_photos(archive(str(photos), store.url, DRAFT, options), store)
    assert len(list_parts(store, IMAGES)) == 3


def test_the_progress_of_a_run_moves_with_every_image_of_its_batches_on_other_hosts(
    tmp_path: Path, store: LocalStore, served: str, monkeypatch: pytest.MonkeyPatch
):
    """One batch of six images, done in another process: its parent sees some of them before its end."""
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_UPDATES", 0.2)
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(6):
        (photos / f"{n}.png").write_bytes(file_of(photograph(24, 24 + n)))
    heard: list[tuple[int, float]] = []
    options = RunOptions(device="cpu", workers=1, deployment=served)
    with listening(lambda summary: heard.append((summary.n_done, summary.fit_seconds))):
        summary = archive(str(photos), store.url, DRAFT, options, n_steps=600)
    assert (heard[0], heard[-1][0]) == ((0, 0.0), 6)
    on_the_way = [seen for seen in heard if 0 < seen[0] < 6]
    assert on_the_way != []
    assert all(seconds > 0 for _, seconds in on_the_way)
    assert [n for n, _ in heard] == sorted(n for n, _ in heard)  # and it never goes back
    run = read_run(summary.run_id)
    assert {"model:mlp", "preset:600 steps", f"store:{store.url}"} <= set(run.tags)
    [batch] = batches_into(store)
    assert "device:cpu" in batch.tags


def read_run(run_id: str) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(run_id))


@pytest.mark.parametrize(
    "served",
    [{"INR_DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": "", "INR_DEADLINE_SECONDS": "0.001"}],
    indirect=True,
)
def test_what_the_caller_did_not_say_is_the_workers_to_decide(photos: Path, store: LocalStore, served: str):
    """A worker that is to fit on a card has none; then the caller says where, and nothing of a deadline."""
    words = ("archive", photos, store.root, "--model", "mlp", "--preset", "draft", "--deployment", served)
    invoke(*words, "--json")
    lost = [row for row in rows_of(store.root).values() if row["error_type"] == "BatchLost"]
    assert len(lost) == 6
    assert "ConfigError: device: expected a CUDA device, found none on " in lost[0]["error_message"]
    invoke(*words, "--json", "--device", "cpu")
    rows = rows_of(store.root)
    assert [rows[f"{n}.png"]["error_type"] for n in range(5)] == [None] * 3 + ["DeadlineExceeded"] * 2


def test_the_images_of_a_batch_that_is_lost_are_rows_unless_they_are_archived(
    photos: Path, store: LocalStore, unattended: str, monkeypatch: pytest.MonkeyPatch
):
    """Two batches; one does its work and dies before it says so, the other is cancelled."""
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_LOOKS", 0.1)
    submitted, n_bytes_lost = dispatch.submitted, list[int]()

    def submit(deployment: str, parameters: dict[str, Any], key: str) -> object:
        run_id = submitted(deployment, parameters, key)
        threading.Thread(target=lose, args=(run_id, parameters)).start()
        return run_id

    def lose(run_id: object, parameters: dict[str, Any]) -> None:
        if parameters["number"] == 0:
            archive_batch(**parameters)
            outcomes = f"{parameters['folder']}/000000.outcomes.json"
            n_bytes_lost.append(len(store.get(outcomes, max_bytes=10**6)))
            store.delete(outcomes)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, Cancelled(message="the worker is gone"), force=True)

    monkeypatch.setattr(dispatch, "submitted", submit)
    options = OPTIONS.model_copy(update={"batch_images": 3, "deployment": unattended})
    with pytest.raises(ImagesFailed) as failure:
        archive(str(photos), store.url, DRAFT, options)
    assert n_bytes_lost != []
    rows = rows_of(store.root)
    first = {"0.png", "1.png", "2.png"}
    assert {path for path, row in rows.items() if row["status"] == "archived"} == first
    lost = [row for row in rows.values() if row["error_type"] == "BatchLost"]
    assert {row["source_path"] for row in lost} == {"bad.png", "3.png", "4.png"}
    assert "its run did not come to its end: Cancelled: the worker is gone" in lost[0]["error_message"]
    assert (failure.value.summary.n_archived, failure.value.summary.n_failed) == (3, 4)
    found = archive(str(photos), store.url, DRAFT, OPTIONS).headline()
    assert found.startswith("2 of 3 images archived and verified, 3 archived before, 1 failed")
    assert found.endswith("1 known to be bad")  # the loop, which the first run told by itself


def test_the_last_word_of_a_run_is_counted_from_the_catalogue(
    photos: Path, store: LocalStore, unattended: str, monkeypatch: pytest.MonkeyPatch
):
    """Of two batches the first loses its rows after it told of them; the second is done by somebody else."""
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_LOOKS", 0.1)
    submitted = dispatch.submitted

    def submit(deployment: str, parameters: dict[str, Any], key: str) -> object:
        run_id = submitted(deployment, parameters, key)
        threading.Thread(target=do, args=(run_id, parameters)).start()
        return run_id

    def do(run_id: object, parameters: dict[str, Any]) -> None:
        before = set(list_parts(store, IMAGES))
        with contextlib.suppress(ImagesFailed):
            archive_batch(**parameters)
        if parameters["number"] == 0:
            for part in set(list_parts(store, IMAGES)) - before:
                store.delete(part)
        else:
            store.delete(f"{parameters['folder']}/000001.outcomes.json")
            write_outcome(store, parameters["folder"], 1, [])
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, Cancelled(), force=True)

    monkeypatch.setattr(dispatch, "submitted", submit)
    monkeypatch.setattr(dispatch, "BATCHES_AT_ONCE", 1)
    options = OPTIONS.model_copy(update={"batch_images": 3, "deployment": unattended})
    with pytest.raises(ImagesFailed) as failure:
        archive(str(photos), store.url, DRAFT, options)
    rows = {path: (row["status"], row["error_type"]) for path, row in rows_of(store.root).items()}
    lost = {path for path, found in rows.items() if found == ("failed", "BatchLost")}
    assert lost == {"0.png", "1.png", "2.png", "bad.png"}  # its batch told of nothing
    assert {path for path, found in rows.items() if found == ("archived", None)} == {"3.png", "4.png"}
    summary = failure.value.summary
    assert (summary.n_planned, summary.n_archived, summary.n_failed) == (7, 2, 5)
    assert "told that the image is archived" in rows_of(store.root)["0.png"]["error_message"]


def batches_into(store: LocalStore) -> list[FlowRun]:
    """The runs of batches into a store."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["archive-batch"])))
    return [run for run in runs if run.parameters.get("store") == store.url]


def test_a_command_that_is_interrupted_takes_its_batches_with_it(
    photos: Path, store: LocalStore, unattended: str
):
    words = ("archive", photos, store.root, *ON_A_CPU, "--deployment", unattended)
    process = inr_started(*words, INR_BATCH_IMAGES="2")
    wait_for(lambda: len(batches_into(store)) == 3, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    states = [run.state.type for run in batches_into(store) if run.state is not None]
    assert states == [StateType.CANCELLED] * 3


def test_batches_that_a_worker_has_outlive_a_run_that_comes_back(
    unattended: str, monkeypatch: pytest.MonkeyPatch
):
    """Of two batches one is taken when the worker of their run stops; two more attempts follow."""
    submitted, runs = dispatch.submitted, list[UUID]()

    def submit(*given: Any) -> UUID:
        runs.append(submitted(*given))
        if len(runs) == 1:
            put(runs[0], Running())
        return runs[-1]

    def put(run_id: UUID, state: State[Any]) -> None:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, state, force=True)

    def attempt(n_batches: int) -> Generator[tuple[int, str]]:
        how, place = RunOptions(deployment=unattended), uuid.uuid4().hex
        return dispatch.done_batches(
            n_batches, lambda number: {**parameters_of(number), "folder": place}, how, UNWATCHED
        )

    def states() -> list[str | None]:
        found = dispatch.states_of(runs)
        return [found[run_id].name for run_id in runs]

    @flow
    def night() -> None:
        threading.Timer(1.0, interrupts._stops.set).start()
        with pytest.raises(HandedBack):
            list(attempt(2))
        interrupts._stops.clear()
        assert states() == ["Running", "Cancelled"]
        threading.Timer(1.0, lambda: put(runs[2], Completed())).start()
        assert list(attempt(1)) == [(0, "Completed: None")]
        assert states() == ["Running", "Cancelled", "Completed"]  # the first finds that nothing is left to do
        runs.append(submitted(unattended, {**parameters_of(0), "folder": "x"}, uuid.uuid4().hex))
        last = attempt(2)
        threading.Timer(1.0, lambda: put(runs[4], Completed())).start()
        assert next(last)[0] == 0
        assert states()[:4] == ["Running", "Cancelled", "Completed", "Cancelled"]  # what a dead attempt left
        last.close()  # as by *Cancel*
        assert states() == ["Cancelling", "Cancelled", "Completed", "Cancelled", "Completed", "Cancelled"]

    monkeypatch.setattr(dispatch, "submitted", submit)
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_LOOKS", 0.1)
    night()


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """Never more than `BATCHES_AT_ONCE` are submitted, and the end of each is reported once."""
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_LOOKS", 0)
    monkeypatch.setattr(dispatch, "BATCHES_AT_ONCE", 3)
    running: list[int] = []
    most = 0

    def submit(deployment: str, parameters: dict[str, Any], key: str) -> int:
        nonlocal most
        running.append(parameters["number"])
        most = max(most, len(running))
        return parameters["number"]

    def states(waiting: Any) -> dict[int, Any]:
        ended = running.pop(0) if waiting else None
        return {number: Cancelled(message="x") if number == ended else Scheduled() for number in waiting}

    monkeypatch.setattr(dispatch, "submitted", submit)
    monkeypatch.setattr(dispatch, "states_of", states)
    found = list(dispatch.done_batches(8, lambda number: {"number": number}, ELSEWHERE, UNWATCHED))
    assert [number for number, _ in found] == list(range(8))
    assert most == 3


DEAD: dict[str, list[State[Any]]] = {
    "taken and never begun": [Pending(name="Submitting")],
    "begun and silent": [Running()],
    "crashed": [Running(), Crashed(message="no heartbeat")],
    "cancelled where nobody is": [Running(), Cancelling()],
    "deleted": [],
}


@pytest.fixture
def lines(unattended: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything that is said of batches, with short times."""
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_LOOKS", 0.1)
    monkeypatch.setattr(dispatch, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(dispatch, "SECONDS_TO_CANCEL", 0.5)
    return []


def done(deployment: str, lines: list[str], **options: Any) -> list[tuple[int, str]]:
    """How a batch ended that `DEAD` workers take."""
    how = RunOptions(deployment=deployment, begin_seconds=1.0, **options)
    watch = Watch(lines.append, set, lambda number, _: None)
    return list(
        dispatch.done_batches(
            1, lambda number: {**parameters_of(number), "folder": uuid.uuid4().hex}, how, watch
        )
    )


@pytest.mark.parametrize("how", DEAD)
def test_no_state_of_a_batch_lasts_for_ever(
    unattended: str, lines: list[str], monkeypatch: pytest.MonkeyPatch, how: str
):
    """Each worker that takes the batch does the same to it; what a person has ended is not repeated."""
    submitted, runs = dispatch.submitted, list[UUID]()

    def submit(*given: Any) -> UUID:
        runs.append(submitted(*given))
        with get_client(sync_client=True) as client:
            for state in DEAD[how]:
                client.set_flow_run_state(runs[-1], state, force=True)
            if not DEAD[how]:
                client.delete_flow_run(runs[-1])
        return runs[-1]

    monkeypatch.setattr(dispatch, "submitted", submit)
    [(number, ending)] = done(unattended, lines)
    assert number == 0
    is_repeated = how in ("taken and never begun", "begun and silent", "crashed")
    assert len(set(runs)) == (3 if is_repeated else 1)
    assert len(lines) == len(runs) - 1
    assert all("batch 1 was lost, and is submitted again: " in line for line in lines)
    says = {
        "taken and never begun": "lost 3 times, at last: Submitting for 1 s, expected at most 1 s",
        "begun and silent": "lost 3 times, at last: Running, and for 1 s none of its images is held",
        "crashed": "lost 3 times, at last: Crashed: no heartbeat",
        "cancelled where nobody is": "Cancelled: Cancelling for 1 s",
        "deleted": "its run was deleted",
    }
    assert ending.startswith(says[how])
    assert all(found.is_final() for found in dispatch.states_of(runs).values())


def test_a_run_that_was_given_up_is_over_before_its_parent_is(
    unattended: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
):
    """The first of three runs of a batch is looked at while the third one waits for its end."""
    submitted, runs, found = dispatch.submitted, list[UUID](), list[State[Any]]()

    def submit(*given: Any) -> UUID:
        runs.append(submitted(*given))
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(runs[-1], Pending(name="Submitting"), force=True)
        if len(runs) == 3:
            threading.Timer(0.6, lambda: found.append(dispatch.states_of(runs)[runs[0]])).start()
        return runs[-1]

    monkeypatch.setattr(dispatch, "submitted", submit)
    done(unattended, lines)
    [first] = found
    assert first.is_cancelled()
    assert str(first.message).startswith("Submitting for 1 s, expected at most 1 s; no worker has ended it")


def test_a_batch_that_shows_signs_of_life_is_waited_for(
    unattended: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_SIGNS", 0.2)
    submitted, asked = dispatch.submitted, list[float]()

    def submit(*given: Any) -> UUID:
        run_id = submitted(*given)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, Running(), force=True)
        threading.Timer(3.0, finish, (run_id,)).start()
        return run_id

    def finish(run_id: UUID) -> None:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, Completed(message="all is well"), force=True)

    def alive() -> set[int]:
        asked.append(time.monotonic())
        return {0}

    monkeypatch.setattr(dispatch, "submitted", submit)
    how = RunOptions(deployment=unattended, begin_seconds=1.0)
    watch = Watch(lines.append, alive, lambda number, _: None)
    found = list(
        dispatch.done_batches(
            1, lambda number: {**parameters_of(number), "folder": uuid.uuid4().hex}, how, watch
        )
    )
    assert found == [(0, "Completed: all is well")]
    assert (len(asked) > 3, lines) == (True, [])


@pytest.fixture
def pool(server: str) -> str:
    """A deployment in a work pool without workers."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="nobody", type="process"))
        client.create_deployment(client.create_flow(archive_batch), "pooled", work_pool_name="nobody")
    return "archive-batch/pooled"


def test_what_no_worker_takes_the_run_does_itself_and_says_so_before(
    photos: Path, store: LocalStore, pool: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_LOOKS", 0.1)
    monkeypatch.setattr(dispatch, "SECONDS_TO_SAY", 0.5)
    told = {"batch_images": 3, "deployment": pool, "untaken_seconds": 2.0}
    summary = archive(str(photos), store.url, DRAFT, OPTIONS.model_copy(update=told))
    check_photos(summary, store)
    states = [run.state for run in batches_into(store) if run.deployment_id is not None]
    assert [state.type for state in states if state is not None] == [StateType.CANCELLED] * 2
    run_id = summary.run_id
    page = page_of(run_id, "archive-batches")
    first = "no worker of the work pool 'nobody' is online; 2 batches wait for one"
    assert first in page
    assert page.index(first) < page.index("batch 1: no worker took it for ")
    assert dispatch.SECONDS_TO_SAY < 60


def page_of(run_id: str, key: str) -> str:
    """The latest artifact of a run under a key."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)]), key=ArtifactFilterKey(any_=[key])
            )
        )
    return str(max(found, key=lambda artifact: str(artifact.created)).data)


def refused_once(submit: Callable[..., UUID]) -> Callable[..., UUID]:
    """A function that submits a run, and finds no server the first time."""
    is_refused = False

    def submitted(*given: Any) -> UUID:
        nonlocal is_refused
        if not is_refused:
            is_refused = True
            raise httpx.ConnectError("Connection refused")
        return submit(*given)

    return submitted


def test_a_server_that_does_not_answer_for_a_while_loses_no_batch(
    unattended: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
):
    """Its port is closed for longer than a batch may take to begin."""
    submitted, asked, began, seconds = dispatch.submitted, get_client, time.monotonic(), 3.5

    def client(**how: Any) -> Any:
        gone = 0.5 < time.monotonic() - began < 3.0
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}) if gone else nullcontext():
            return asked(**how)

    def submit(*given: Any) -> UUID:
        run_id = submitted(*given)
        with get_client(sync_client=True) as real:
            real.set_flow_run_state(run_id, Pending(), force=True)
        threading.Timer(seconds, finish, (run_id,)).start()
        return run_id

    def finish(run_id: UUID) -> None:
        with get_client(sync_client=True) as real:
            real.set_flow_run_state(run_id, Completed(message="done"), force=True)

    monkeypatch.setattr(dispatch, "submitted", submit)
    monkeypatch.setattr(server, "get_client", client)
    assert done(unattended, lines) == [(0, "Completed: done")]
    assert len(lines) == 1
    assert lines[0].startswith("Prefect's server does not answer, and is asked again: ")
    began, seconds = time.monotonic() - 9.0, 0.2
    monkeypatch.setattr(dispatch, "submitted", refused_once(submit))
    assert done(unattended, lines) == [(0, "Completed: done")]  # refused when it was to be submitted, too
    began = time.monotonic() - 1.0
    with pytest.raises(httpx.HTTPError):
        done(unattended, lines, outage_seconds=0.5)

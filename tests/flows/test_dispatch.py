"""Batches done by the runs of a deployment, here or lost on the way."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.runtime import flow_run
from prefect.states import Cancelled, StateType

from flows import dispatch
from flows.archive import archive
from flows.batch import archive_batch
from flows.engine.listening import listening
from tasks.catalogue.parts import IMAGES, list_parts
from tasks.catalogue.recipe import Recipe
from tasks.errors import ImagesFailed
from tasks.plan.batches import write_outcome
from tasks.settings import RunOptions
from tasks.store.folder import LocalStore
from tests.flows.command import ROOT, inr_started, invoke, wait_for
from tests.flows.conftest import DRAFT, ON_A_CPU, OPTIONS, check_photos, rows_of
from tests.tasks.pictures import file_of, photograph

SERVE = """
from flows.batch import archive_batch
archive_batch.serve("test", limit=2, print_starting_message=False)
"""


@pytest.fixture
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
    with pytest.raises(ImagesFailed) as failure:
        archive(str(photos), store.url, DRAFT, options)
    check_photos(failure.value.summary, store)
    assert len(list_parts(store, IMAGES)) == 3


def test_the_progress_of_a_run_moves_with_every_image_of_its_batches_on_other_hosts(
    tmp_path: Path, store: LocalStore, served: str, monkeypatch: pytest.MonkeyPatch
):
    """One batch of eight images, done in another process: its parent sees some of them before its end."""
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_UPDATES", 0.5)
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(8):
        (photos / f"{n}.png").write_bytes(file_of(photograph(24, 24 + n)))
    heard: list[tuple[int, float]] = []
    options = RunOptions(device="cpu", workers=1, deployment=served)
    with listening(lambda summary: heard.append((summary.n_done, summary.fit_seconds))):
        summary = archive(str(photos), store.url, DRAFT, options, n_steps=1500)
    assert (heard[0], heard[-1][0]) == ((0, 0.0), 8)
    on_the_way = [seen for seen in heard if 0 < seen[0] < 8]
    assert on_the_way != []
    assert all(seconds > 0 for _, seconds in on_the_way)
    assert [n for n, _ in heard] == sorted(n for n, _ in heard)  # and it never goes back
    run = read_run(summary.run_id)
    assert {"model:mlp", "preset:1500 steps", f"store:{store.url}"} <= set(run.tags)
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


@pytest.fixture
def unattended(server: str) -> str:
    """A deployment whose runs nobody takes."""
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(archive_batch)
        client.create_deployment(flow_id, "unattended")
    return "archive-batch/unattended"


def test_the_images_of_a_batch_that_is_lost_are_rows_unless_they_are_archived(
    photos: Path, store: LocalStore, unattended: str, monkeypatch: pytest.MonkeyPatch
):
    """Two batches; one does its work and dies before it says so, the other is cancelled."""
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_LOOKS", 0.1)
    submitted, n_bytes_lost = dispatch._submitted, list[int]()

    def submit(deployment: str, parameters: dict[str, Any]) -> object:
        run_id = submitted(deployment, parameters)
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

    monkeypatch.setattr(dispatch, "_submitted", submit)
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
    with pytest.raises(ImagesFailed, match="2 of 4 images archived and verified, 3 archived"):
        archive(str(photos), store.url, DRAFT, OPTIONS)


def test_the_last_word_of_a_run_is_counted_from_the_catalogue(
    photos: Path, store: LocalStore, unattended: str, monkeypatch: pytest.MonkeyPatch
):
    """Of two batches the first loses its rows after it told of them; the second is done by somebody else."""
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_LOOKS", 0.1)
    submitted = dispatch._submitted

    def submit(deployment: str, parameters: dict[str, Any]) -> object:
        run_id = submitted(deployment, parameters)
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

    monkeypatch.setattr(dispatch, "_submitted", submit)
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


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """Never more than `BATCHES_AT_ONCE` are submitted, and the end of each is reported once."""
    monkeypatch.setattr(dispatch, "SECONDS_BETWEEN_LOOKS", 0)
    monkeypatch.setattr(dispatch, "BATCHES_AT_ONCE", 3)
    running: list[int] = []
    most = 0

    class Run:
        def __init__(self, number: int) -> None:
            self.id, self.state = number, Cancelled(message="x")

    def submit(deployment: str, parameters: dict[str, Any]) -> int:
        nonlocal most
        running.append(parameters["number"])
        most = max(most, len(running))
        return parameters["number"]

    def ended(waiting: object) -> list[Run]:
        return [Run(running.pop(0))]

    monkeypatch.setattr(dispatch, "_submitted", submit)
    monkeypatch.setattr(dispatch, "_ended", ended)
    found = list(dispatch.done_batches(8, lambda number: {"number": number}, "a/b", lambda number, _: None))
    assert [number for number, _ in found] == list(range(8))
    assert most == 3


def parameters_of(number: int) -> dict[str, Any]:
    """The parameters of a batch into nowhere."""
    recipe = asdict(Recipe(DRAFT))
    common = {"store": "/nowhere", "folder": "runs/a", "n_batches": 8, "run_id": "abcdefghij"}
    return {**common, "number": number, "recipe": recipe, "options": {}, "seconds": None}


def test_states_of_runs_are_read_from_the_server(unattended: str):
    run_id = dispatch._submitted(unattended, parameters_of(0))
    assert dispatch._ended([run_id]) == []
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run_id, Cancelled(), force=True)
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
    assert [run.id for run in dispatch._ended([run_id])] == [run_id] == [run.id for run in found]


def test_a_batch_that_waits_has_its_name_and_its_tags_and_is_never_late(unattended: str):
    """Prefect calls what waits for a worker late after 15 s; a batch may wait for a night."""

    @flow(name="parent")
    def parent() -> tuple[Any, Any]:
        return flow_run.id, dispatch._submitted(unattended, parameters_of(2))

    parent_id, run_id = parent()
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id)
        [task] = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(str(parent_id))]))
        )
        taken = client.get_scheduled_flow_runs_for_deployments([run.deployment_id], datetime.now(UTC))
    assert run.name == task.name == "batch 3 of 8 into /nowhere, run abcdefgh"
    assert run.parent_task_run_id == task.id
    assert {"model:mlp", "preset:draft", "store:/nowhere"} <= set(run.tags)
    assert (run.state.type, run.state.name) == (StateType.SCHEDULED, "Waiting")
    assert run_id in {found.id for found in taken}  # and a worker takes it

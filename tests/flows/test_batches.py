"""An archive in batches: in its own process, on other engines, and by the runs of a deployment."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterId
from prefect.states import Cancelled

from flows import archive as archive_module
from flows import dispatch
from flows.archive import archive
from flows.batch import archive_batch
from flows.cli import exits
from flows.engine import workers
from flows.engine.workers import task_runner
from inr.errors import ConfigError
from tasks.catalogue import lookup, parts
from tasks.catalogue.parts import IMAGES, list_parts
from tasks.catalogue.recipe import Recipe
from tasks.errors import ImagesFailed, ObjectMissing
from tasks.plan.batches import new_folder, write_batches
from tasks.report.summary import RunSummary
from tasks.settings import RunOptions
from tasks.store.folder import LocalStore
from tests.flows.cli.test_app import ROOT, inr_run, invoke
from tests.flows.conftest import DRAFT, ON_A_CPU, OPTIONS
from tests.tasks.pictures import file_of, image
from tests.tasks.rows import source_image

SERVE = """
from flows.batch import archive_batch
archive_batch.serve("test", limit=2, print_starting_message=False)
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five images, of which two are of one colour and need no fit, and one that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(5):
        (folder / f"{n}.png").write_bytes(file_of(image(1, 1, n + 1) if n < 2 else image(8, 8 + n)))
    (folder / "bad.png").write_text("no photograph")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def rows_of(store: LocalStore) -> dict[str, parts.Row]:
    rows = lookup.latest(parts.read_images(store).to_pylist())
    return {row["source_path"]: row for row in rows}


def check(summary: RunSummary, store: LocalStore) -> None:
    """All of `photos` is rows of one run, and nothing of the run is left over."""
    rows = rows_of(store)
    assert (summary.n_planned, summary.n_archived, summary.n_failed) == (7, 5, 2)
    assert {path for path, row in rows.items() if row["status"] == "failed"} == {"bad.png", "loop.png"}
    assert {row["run_id"] for row in rows.values()} == {summary.run_id}
    assert len(parts.read_images(store)) == 7
    assert store.objects("runs") == store.objects("journal") == []


def test_batches_are_runs_of_their_own_and_the_parent_sums_them_up(
    photos: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(archive_module, "ROUNDS", 1)
    with pytest.raises(ImagesFailed) as failure:
        archive(str(photos), store.url, DRAFT, OPTIONS.model_copy(update={"batch_images": 2}))
    summary = failure.value.summary
    check(summary, store)
    assert len(list_parts(store, IMAGES)) == 4  # what could not be read, and three batches of two
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["archive-batch"])))
    names = sorted(run.name for run in runs if store.url in run.name)
    assert names == [f"batch {n} of 3 into {store.url}, run {summary.run_id[:8]}" for n in (1, 2, 3)]


def test_a_batch_is_large_enough_to_keep_every_worker_busy_here_and_small_elsewhere():
    size = archive_module._batch_size
    assert size(RunOptions(workers=2)) == 64
    assert size(RunOptions(workers=16)) == 16 * archive_module.ROUNDS
    assert size(RunOptions(workers=16, deployment="a/b")) == 64


def test_the_workers_of_dask_keep_the_memory_that_they_free():
    import dask

    workers._dask(RunOptions(device="cpu", workers=2, runner="dask"))
    variables = dask.config.get("distributed.nanny.pre-spawn-environ")
    assert "MALLOC_TRIM_THRESHOLD_" not in variables
    assert "OMP_NUM_THREADS" in variables


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_other_engines_do_the_same(photos: Path, store: LocalStore, runner: str):
    if importlib.util.find_spec(f"prefect_{runner}") is None:
        pytest.skip(f"the extra [{runner}] is not installed")
    words = ("archive", photos, store.url, *ON_A_CPU, "--workers", 2)
    result = inr_run(*words, "--runner", runner, "--json")
    assert result.returncode == exits.IMAGES_FAILED, result.stderr
    rows = rows_of(store)
    assert [rows[f"{n}.png"]["status"] for n in range(5)] == ["archived"] * 5
    assert rows["bad.png"]["error_type"] == "UnsupportedImage"
    assert store.objects("runs") == store.objects("journal") == []
    audited = inr_run("verify", store.url, "--runner", runner, "--workers", 2, "--json")
    assert json.loads(audited.stdout)["counts"] == {"intact": 5}, audited.stderr
    restored = inr_run("restore", store.url, photos / "back", "--runner", runner, "--workers", 2, "--json")
    assert json.loads(restored.stdout)["n_restored"] == 5, restored.stderr


def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    for runner in ("dask", "ray"):
        monkeypatch.setitem(sys.modules, f"prefect_{runner}", None)
        monkeypatch.setitem(sys.modules, f"prefect_{runner}.task_runners", None)
        with (
            pytest.raises(ConfigError, match=rf"{runner} is not installed: pip install '\S+\[{runner}\]'"),
            task_runner(RunOptions(runner=runner)),
        ):
            pass


@pytest.fixture
def served(server: str) -> Iterator[str]:
    """A process that takes the runs of a deployment, as a worker of a pool does; gives its name."""
    environment = {**os.environ, "PREFECT_API_URL": server, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
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
    check(failure.value.summary, store)
    assert len(list_parts(store, IMAGES)) == 3


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
    submitted = dispatch._submitted

    def submit(deployment: str, parameters: dict[str, Any]) -> object:
        run_id = submitted(deployment, parameters)
        threading.Thread(target=lose, args=(run_id, parameters)).start()
        return run_id

    def lose(run_id: object, parameters: dict[str, Any]) -> None:
        if parameters["number"] == 0:
            archive_batch(**parameters)
            store.delete(f"{parameters['folder']}/000000.rows.json")
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, Cancelled(message="the worker is gone"), force=True)

    monkeypatch.setattr(dispatch, "_submitted", submit)
    options = OPTIONS.model_copy(update={"batch_images": 3, "deployment": unattended})
    with pytest.raises(ImagesFailed) as failure:
        archive(str(photos), store.url, DRAFT, options)
    rows = rows_of(store)
    first = {"0.png", "1.png", "2.png"}
    assert {path for path, row in rows.items() if row["status"] == "archived"} == first
    lost = [row for row in rows.values() if row["error_type"] == "BatchLost"]
    assert {row["source_path"] for row in lost} == {"bad.png", "3.png", "4.png"}
    assert "its run did not come to its end: Cancelled: the worker is gone" in lost[0]["error_message"]
    assert failure.value.summary.n_failed == 4
    with pytest.raises(ImagesFailed, match="2 of 4 images archived and verified, 3 archived"):
        archive(str(photos), store.url, DRAFT, OPTIONS)


def test_a_deployment_that_is_not_there_is_the_callers_error(photos: Path, store: LocalStore):
    result = invoke("archive", photos, store.url, *ON_A_CPU, "--deployment", "no/where")
    assert result.exit_code == exits.USAGE
    assert "deployment: expected the name of one, found 'no/where'" in result.stderr


def test_a_batch_of_a_run_that_is_over_does_nothing(store: LocalStore):
    folder = new_folder("run")
    given = {"n_batches": 1, "run_id": "run", "config": DRAFT, "options": OPTIONS}
    with pytest.raises(ObjectMissing):
        archive_batch(store.url, folder, 0, **given)
    assert write_batches(store, folder, [source_image("gone.png")], 1) == 1
    with pytest.raises(ImagesFailed, match="0 of 1 images"):
        archive_batch(store.url, folder, 0, **given)
    [row] = rows_of(store).values()
    assert (row["error_type"], row["archive_digest"]) == ("SourceError", Recipe(DRAFT).archive_digest())


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """Never more than `BATCHES_AT_ONCE` are submitted, and each is told of once."""
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
    found = list(dispatch.done_batches(8, lambda number: {"number": number}, "a/b"))
    assert [number for number, _ in found] == list(range(8))
    assert most == 3


def test_states_of_runs_are_read_from_the_server(unattended: str):
    run_id = dispatch._submitted(unattended, {})
    assert dispatch._ended([run_id]) == []
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run_id, Cancelled(), force=True)
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
    assert [run.id for run in dispatch._ended([run_id])] == [run_id] == [run.id for run in found]

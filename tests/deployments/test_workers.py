"""Workers that are stopped, or die, in the middle of a night; and the night after.

Only `make e2e` runs this, see `test_e2e`.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.processes import below
from tasks.catalogue import parts
from tasks.store.folder import LocalStore
from tests.deployments.conftest import api, prefect, process, worker
from tests.deployments.test_retry import begun, children, n_archived, one, until
from tests.flows import waiting
from tests.tasks.pictures import file_of, photograph

pytestmark = pytest.mark.e2e

N_IMAGES, BATCH = 9, 3


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(N_IMAGES):
        (folder / f"{n}.png").write_bytes(file_of(photograph(24, 24 + n)))
    return folder


def is_done(environment: dict[str, str], run_id: str) -> Callable[[], bool]:
    def look() -> bool:
        state = one(environment, run_id)["state"]
        assert state["type"] not in ("FAILED", "CRASHED", "CANCELLED"), state
        return bool(state["type"] == "COMPLETED")

    return look


def check(store: LocalStore) -> None:
    """Everything is archived, once, and nothing is left over."""
    assert n_archived(store) == parts.read_images(store).num_rows == N_IMAGES
    assert store.objects("journal") == store.objects("runs") == []


def page(environment: dict[str, str], run_id: str) -> str:
    """What a run says of its batches."""
    asked = {"flow_runs": {"id": {"any_": [run_id]}}, "artifacts": {"key": {"any_": ["archive-batches"]}}}
    return str(max(api(environment, "artifacts/filter", asked), key=lambda found: found["created"])["data"])


def test_the_batch_of_a_worker_that_is_stopped_goes_on_elsewhere(
    environment: dict[str, str], photos: Path, tmp_path: Path
):
    """Three batches, three workers; one of these is stopped when its first image is done."""
    store, log = LocalStore(tmp_path / "store"), tmp_path / "three.log"
    with process(worker("three", "inr-workers"), log, environment) as three:
        until(lambda: "Worker 'three' started!" in log.read_text())
        run_id = begun(environment, photos, store, batch_images=BATCH)
        until(lambda: "Task run 'verify" in log.read_text())
        three.send_signal(signal.SIGTERM)
        assert three.wait(timeout=120) == 0
    assert "worker 'three': 1 run to end within 90 s" in log.read_text()
    until(is_done(environment, run_id))
    check(store)
    batches = children(environment, run_id)
    assert sorted(run["run_count"] for run in batches) == [1, 1, 2]
    assert {run["state"]["type"] for run in batches} == {"COMPLETED"}
    assert "waits for another worker: its worker stopped; what it did is kept" in page(environment, run_id)


def test_a_worker_that_dies_before_its_batch_begins_costs_no_image(
    environment: dict[str, str], photos: Path, tmp_path: Path
):
    """It and the process that it has started are killed as soon as they have a batch."""
    store, log = LocalStore(tmp_path / "store"), tmp_path / "four.log"
    with process(worker("four", "inr-workers"), log, environment) as four:
        until(lambda: "Worker 'four' started!" in log.read_text())
        run_id = begun(environment, photos, store, batch_images=BATCH, begin_seconds=60)
        until(lambda: "submitted to infrastructure" in log.read_text())
        assert "Beginning" not in log.read_text()
        for pid in [four.pid, *below(four.pid)]:
            os.kill(pid, signal.SIGKILL)
    assert [run["state"]["type"] for run in children(environment, run_id)].count("PENDING") >= 1
    until(is_done(environment, run_id))
    check(store)
    states = sorted(run["state"]["type"] for run in children(environment, run_id))
    dead = [state for state in states if state != "COMPLETED"]
    assert len(states) - len(dead) == N_IMAGES / BATCH
    assert dead in (["CANCELLED"], ["CRASHED"])  # by the parent, or then by the automation
    assert "was lost, and is submitted again: " in page(environment, run_id)


def test_a_night_that_died_before_it_began_holds_no_slot(environment: dict[str, str], tmp_path: Path):
    """The worker of a flow that runs once at a time is killed with its process; then the next run comes."""
    with (
        temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
    ):
        client.create_work_pool(WorkPoolCreate(name="nights", type="process"))
        client.create_deployment(
            client.create_flow(waiting.friendly),
            "night",
            work_pool_name="nights",
            entrypoint="tests.flows.waiting.friendly",
            pull_steps=[],
            parameters={"folder": str(tmp_path)},
            concurrency_limit=1,
            concurrency_options=ConcurrencyOptions(collision_strategy="CANCEL_NEW"),
        )
    chosen, log = {**environment, "PYTHONPATH": os.getcwd()}, tmp_path / "night.log"  # noqa: PTH109
    (tmp_path / "over").touch()

    def night() -> str:
        before = {run["id"] for run in nights()}
        prefect(environment, "deployment", "run", "friendly/night")
        [new] = {run["id"] for run in nights()} - before
        return str(new)

    def nights() -> list[dict[str, str]]:
        return list(api(environment, "flow_runs/filter", {"flows": {"name": {"any_": ["friendly"]}}}))

    with process(worker("first", "nights"), log, chosen) as first:
        dead = night()
        until(lambda: "submitted to infrastructure" in log.read_text())
        for pid in [first.pid, *below(first.pid)]:
            os.kill(pid, signal.SIGKILL)
    assert one(environment, dead)["state"]["type"] == "PENDING"
    with process(worker("second", "nights"), log, chosen):
        held = night()
        until(lambda: one(environment, held)["state"]["type"] == "CANCELLED")
        until(lambda: one(environment, dead)["state"]["type"] == "CRASHED")
        assert "No heartbeat within 600 s" in one(environment, dead)["state"]["message"]
        until(is_done(environment, night()))

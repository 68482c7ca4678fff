"""Workers that are stopped, or die, in the middle of a night; and the night after.

Only `make e2e` runs this, see `test_e2e`.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.client.schemas.objects import ConcurrencyOptions

from benchmarks.processes import below
from tasks.catalogue import parts
from tasks.store.folder import LocalStore
from tests.deployments.conftest import ROOT, api, deploy, prefect, process, runs, worker
from tests.deployments.test_retry import begun, cancel, children, is_over, n_archived, one, until
from tests.flows import waiting
from tests.tasks.pictures import photographs

pytestmark = pytest.mark.e2e

N_IMAGES, BATCH = 9, 3


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return photographs(tmp_path / "photos", N_IMAGES)


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
    assert dead in (["CANCELLED"], ["CRASHED"])  # by the parent, or before it by the automation
    assert "was lost, and is submitted again: " in page(environment, run_id)


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_night_that_died_before_it_began_holds_no_slot(
    environment: dict[str, str], tmp_path: Path, is_cancelled: bool
):
    """The worker of a flow that runs once at a time is killed with its process, and the next run waits.

    Somebody may have pressed *Cancel* by then, which no worker heeds.
    """
    name = f"night-{is_cancelled}".lower()
    one_at_a_time = ConcurrencyOptions(collision_strategy="ENQUEUE")
    deploy(
        environment,
        waiting.friendly,
        name,
        parameters={"folder": str(tmp_path)},
        concurrency_limit=1,
        concurrency_options=one_at_a_time,
    )
    (tmp_path / "over").touch()

    def night() -> str:
        before = {run["id"] for run in runs(environment, "friendly")}
        prefect(environment, "deployment", "run", f"friendly/{name}")
        [new] = {run["id"] for run in runs(environment, "friendly")} - before
        return str(new)

    chosen, log = {**environment, "PYTHONPATH": str(ROOT)}, tmp_path / "night.log"
    with process(worker("first", name), log, chosen) as first:
        dead = night()
        until(lambda: "submitted to infrastructure" in log.read_text())
        for pid in [first.pid, *below(first.pid)]:
            os.kill(pid, signal.SIGKILL)
    assert one(environment, dead)["state"]["type"] == "PENDING"
    if is_cancelled:
        cancel(environment, dead)
    with process(worker("second", name), log, chosen):
        held = night()
        until(lambda: one(environment, held)["state"]["name"] == "AwaitingConcurrencySlot")
        until(lambda: is_over(one(environment, dead)))
        ended = one(environment, dead)["state"]
        assert ended["type"] == ("CANCELLED" if is_cancelled else "CRASHED")
        said = "Cancelled 600 s ago, and no worker" if is_cancelled else "No heartbeat within 600 s"
        assert ended["message"].startswith(said)
        until(is_done(environment, held))

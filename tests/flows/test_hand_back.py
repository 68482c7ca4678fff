"""Runs of `archive` and `sweep` whose worker is stopped: the next one goes on, and nothing is fitted twice.

Only `make e2e` runs this: it waits for some ten processes to start.
"""

import signal
from collections import Counter
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from flows.archive import archive
from flows.batches.batch import archive_batch
from flows.sweep import sweep
from tasks.catalogue import parts
from tasks.store.folder import LocalStore
from tests.flows.test_worker import state_of, wait_until, working
from tests.tasks.pictures import photographs

pytestmark = pytest.mark.e2e

N_IMAGES, N_STEPS = 8, 4000  # of which one takes many seconds
SECONDS = 600  # on a machine that is otherwise full
OVER = ("Completed", "CompletedWithFailures", "Failed", "Crashed", "Cancelled")
POOLS = {"nights": (archive, sweep), "hands": (archive_batch,)}


@pytest.fixture(scope="module", autouse=True)
def pools(server: str) -> None:
    """A pool for nights, and one for the batches of them."""
    with get_client(sync_client=True) as client:
        for pool, flows in POOLS.items():
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            for flow in flows:
                entrypoint = f"{flow.fn.__module__}.{flow.fn.__name__}"
                client.create_deployment(
                    client.create_flow(flow), pool, work_pool_name=pool, entrypoint=entrypoint, pull_steps=[]
                )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return photographs(tmp_path / "photos", N_IMAGES)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def begun(flow: str, photos: Path, store: LocalStore, options: dict[str, Any], **given: Any) -> UUID:
    """Submit a run over a folder to the pool of nights."""
    how = {"device": "cpu", "workers": 1, **options}
    told = {"source": str(photos), "store": store.url, "options": how, **given}
    run = run_deployment(f"{flow}/nights", parameters=told, timeout=0)
    assert isinstance(run, FlowRun)
    return run.id


def batches_of(run_id: UUID) -> list[FlowRun]:
    """The runs of batches below a run, as they were submitted."""
    below = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run_id]))
    with get_client(sync_client=True) as client:
        return sorted(client.read_flow_runs(flow_run_filter=below), key=lambda run: str(run.created))


def names_of(runs: Collection[FlowRun]) -> list[str]:
    return [str(run.state and run.state.name) for run in runs]


def fits(runs: Collection[UUID], store: LocalStore) -> Counter[str]:
    """How often each image was fitted by some runs: by tasks that took as long as a fit does."""
    shortest = min(row["fit_seconds"] for row in parts.read_images(store).to_pylist())
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(runs))))
    found = [task for task in tasks if task.name.startswith("compress ")]
    assert found != []
    return Counter(task.name for task in found if task.total_run_time.total_seconds() > shortest / 2)


def check(store: LocalStore, n_files: int) -> None:
    """So many files were made, every row says archived, and nothing is held."""
    rows = parts.read_images(store).to_pylist()
    assert {row["status"] for row in rows} == {"archived"}
    assert len({row["key"] for row in rows}) == len(store.objects("bitstreams")) == n_files
    assert store.objects("journal") == []


def test_the_batches_of_a_night_that_is_handed_back_are_not_given_up(photos: Path, store: LocalStore):
    """The worker of the night is stopped in the midst of its first batch, which another worker has."""
    options = {"deployment": "archive-batch/hands", "batch_images": 4}
    how: dict[str, Any] = {"config": {"model": "mlp", "rd_lambda": 0.01}, "n_steps": N_STEPS}
    with ExitStack() as stack:
        stack.enter_context(working("hands", "one", grace=60))
        with working("nights", "first", grace=60) as first:
            run_id = begun("archive", photos, store, options, **how)
            wait_until(lambda: len(store.objects("bitstreams")) == 1, SECONDS)
            first.send_signal(signal.SIGTERM)
            first.communicate(timeout=30)
        assert (first.returncode, state_of(run_id)) == (0, "AwaitingRetry")
        assert names_of(batches_of(run_id)) == ["Running", "Cancelled"]
        stack.enter_context(working("nights", "second", grace=60))
        stack.enter_context(working("hands", "two", grace=60))
        wait_until(lambda: len(batches_of(run_id)) == 4, SECONDS)
        wait_until(lambda: state_of(run_id) in OVER, SECONDS)
        wait_until(lambda: all(name in OVER for name in names_of(batches_of(run_id))), SECONDS)
    assert state_of(run_id) == "Completed"
    assert names_of(batches_of(run_id)) == ["Completed", "Cancelled", "Completed", "Completed"]
    check(store, N_IMAGES)
    once = fits([run.id for run in batches_of(run_id)], store)
    assert (len(once), set(once.values())) == (N_IMAGES, {1})


def test_a_sweep_that_is_handed_back_goes_on_with_the_next_worker(photos: Path, store: LocalStore):
    lambdas = [0.02, 0.01]
    given: dict[str, Any] = {"rd_lambdas": lambdas, "models": ["mlp"], "preset": "draft", "sample": 3}
    with working("nights", "first", grace=60) as first:
        run_id = begun("sweep", photos, store, {}, **given)
        wait_until(lambda: len(store.objects("bitstreams")) == 2, SECONDS)
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=60)
    assert (first.returncode, state_of(run_id)) == (0, "AwaitingRetry")
    assert 2 <= len(store.objects("bitstreams")) < 6
    with working("nights", "second", grace=60):
        wait_until(lambda: state_of(run_id) in OVER, SECONDS)
    assert state_of(run_id) == "Completed"
    check(store, 6)
    assert sum(fits([run_id], store).values()) == 6
    assert f"reports/{run_id}.json" in {found.key for found in store.objects("reports")}

"""A night that is cancelled and retried: the same run of Prefect, a second time.

Only `make e2e` runs this, see `test_e2e`.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.catalogue import lookup, parts
from tasks.store.folder import LocalStore
from tasks.store.objects import ObjectStore
from tests.deployments.conftest import api, prefect
from tests.tasks.pictures import file_of, photograph

pytestmark = pytest.mark.e2e

N_IMAGES, N_STEPS = 8, 1500  # of which one takes some seconds
SECONDS = 900  # on a machine that is otherwise full
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def test_a_retry_does_what_the_first_attempt_did_not(environment: dict[str, str], tmp_path: Path):
    photos, store = tmp_path / "photos", LocalStore(tmp_path / "store")
    photos.mkdir()
    for n in range(N_IMAGES):
        (photos / f"{n}.png").write_bytes(file_of(photograph(24, 24 + n)))
    run_id = begun(environment, photos, store)
    until(lambda: n_archived(store) >= 2)
    cancel(environment, run_id)  # and it cancels its batches
    until(lambda: all(is_over(run) for run in [*children(environment, run_id), one(environment, run_id)]))
    before = n_archived(store)
    assert 0 < before < N_IMAGES
    prefect(environment, "flow-run", "retry", run_id)
    until(lambda: one(environment, run_id)["run_count"] > 1 and is_over(one(environment, run_id)))
    assert n_archived(store) == parts.read_images(store).num_rows == N_IMAGES
    assert one(environment, run_id)["state"]["type"] == "COMPLETED"
    assert store.objects("journal") == []


def begun(environment: dict[str, str], photos: Path, store: ObjectStore, **options: Any) -> str:
    """Submit a night over a folder, in batches of two if not told otherwise; returns the id of its run."""
    given = {
        "source": str(photos),
        "store": store.url,
        "config": {"model": "mlp", "rd_lambda": 0.01},
        "options": {"deployment": "archive-batch/worker", "batch_images": 2, "workers": 1, **options},
        "n_steps": N_STEPS,
    }
    words = [word for name, value in given.items() for word in ("--param", f"{name}={json.dumps(value)}")]
    prefect(environment, "deployment", "run", "archive/nightly", *words)
    found: list[dict[str, Any]] = api(
        environment,
        "flow_runs/filter",
        {"flows": {"name": {"any_": ["archive"]}}, "sort": "EXPECTED_START_TIME_DESC"},
    )
    return next(str(run["id"]) for run in found if run["parameters"].get("store") == store.url)


def n_archived(store: ObjectStore) -> int:
    """Images whose latest row says that they are archived."""
    rows = lookup.latest(parts.read_images(store).to_pylist(), {})
    return sum(row["status"] == "archived" for row in rows)


def one(environment: dict[str, str], run_id: str) -> dict[str, Any]:
    """A run, as the server knows it."""
    [found] = api(environment, "flow_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
    return dict(found)


def children(environment: dict[str, str], run_id: str) -> list[dict[str, Any]]:
    """The runs of batches below a run."""
    return list(
        api(environment, "flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}})
    )


def is_over(run: dict[str, Any]) -> bool:
    return run["state"]["type"] in FINAL


def cancel(environment: dict[str, str], run_id: str) -> None:
    """What the button *Cancel* does."""
    state = {"type": "CANCELLING", "name": "Cancelling"}
    api(environment, f"flow_runs/{run_id}/set_state", {"state": state, "force": False})


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.5)

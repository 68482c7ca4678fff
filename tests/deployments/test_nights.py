"""Nights that meet a bad file, a store that is away for a while, and a worker whose GPU is not there.

Only `make e2e` runs this, see `test_e2e`.
"""

import platform
import time
from pathlib import Path
from uuid import uuid4

import pytest

from flows.batches.batch import archive_batch
from flows.engine.runs import BAD
from tasks.catalogue import lookup, parts
from tasks.store.folder import LocalStore
from tasks.store.locations import open_store
from tests.deployments.conftest import api, deploy, process, worker
from tests.deployments.test_retry import begun, children, is_over, n_archived, one, until
from tests.s3_server import Access, Server
from tests.tasks.pictures import file_of, image, photograph

pytestmark = pytest.mark.e2e

N_IMAGES, BATCH = 6, 3
AWAY_SECONDS = 120.0


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def artifacts(environment: dict[str, str], run_id: str, key: str) -> list[str]:
    """What a run left under a key."""
    asked = {"flow_runs": {"id": {"any_": [run_id]}}, "artifacts": {"key": {"any_": [key]}}}
    return [str(found["data"]) for found in api(environment, "artifacts/filter", asked)]


def log_of(environment: dict[str, str], run_id: str) -> str:
    asked = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC"}
    return "\n".join(line["message"] for line in api(environment, "logs/filter", asked))


def test_a_bad_file_over_three_nights(environment: dict[str, str], photos: Path, tmp_path: Path):
    """The first night says that it is bad; the others list it, and nothing is left to look at."""
    store = LocalStore(tmp_path / "store")
    (photos / "good.png").write_bytes(file_of(image(8, 8)))
    (photos / "bad.png").write_text("no photograph")
    nights = list[str]()
    for _ in range(3):
        run_id = begun(environment, photos, store)
        until(lambda run_id=run_id: is_over(one(environment, run_id)))
        nights.append(run_id)
    assert len(set(nights)) == 3
    states = [one(environment, night)["state"] for night in nights]
    assert [(state["type"], state["name"]) for state in states] == [
        ("COMPLETED", BAD),
        ("COMPLETED", "Completed"),
        ("COMPLETED", "Completed"),
    ]
    assert [len(children(environment, night)) for night in nights] == [1, 0, 0]
    rows = parts.read_images(store).to_pylist()
    assert {(row["source_path"], row["status"]) for row in rows} == {
        ("good.png", "archived"),
        ("bad.png", "failed"),
    }
    assert len(rows) == 2
    for night in nights[1:]:
        [page] = artifacts(environment, night, "archive-summary")
        for text in (page, store.get(f"reports/{night}.md", max_bytes=1 << 20).decode()):
            assert "- bad.png: UnsupportedImage: " in text


def test_a_worker_whose_gpu_is_not_there_fits_nothing(
    environment: dict[str, str], photos: Path, tmp_path: Path
):
    """What a worker is told counts, and not what the parent was told, whose device is the CPU."""
    store, log = LocalStore(tmp_path / "store"), tmp_path / "gpu.log"
    for n in range(2):
        (photos / f"{n}.png").write_bytes(file_of(photograph(16, 16 + n)))
    deploy(environment, archive_batch, "gpu")
    told = {**environment, "INR_DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": ""}
    with process(worker("gpu", "gpu"), log, told):
        run_id = begun(environment, photos, store, deployment="archive-batch/gpu")
        until(lambda: is_over(one(environment, run_id)))
    line = f"expected a CUDA device, found none on {platform.node()}"
    [batch] = children(environment, run_id)
    assert (batch["state"]["type"], batch["run_count"]) == ("FAILED", 1)
    assert line in batch["state"]["message"]
    assert "Traceback" not in log_of(environment, batch["id"])
    assert one(environment, run_id)["state"]["type"] == "FAILED"
    assert line in log_of(environment, run_id)
    [page] = artifacts(environment, run_id, "archive-summary")
    assert line in page
    rows = lookup.latest(parts.read_images(store).to_pylist(), {})
    assert [(row["status"], row["error_type"]) for row in rows] == [("failed", "BatchLost")] * 2
    assert store.objects("bitstreams") == store.objects("journal") == []


def test_a_store_that_is_away_for_two_minutes_costs_a_night_nothing(
    environment: dict[str, str], photos: Path, s3_server: Server, s3_access: Access
):
    """The server of the store is killed in the middle of two batches; no fit is made twice."""
    store = open_store(f"s3://archive/{uuid4().hex}")
    for n in range(N_IMAGES):
        (photos / f"{n}.png").write_bytes(file_of(photograph(24, 24 + n)))
    run_id = begun(environment, photos, store, batch_images=BATCH)
    until(lambda: bool(store.objects("bitstreams")))
    s3_server.kill()
    time.sleep(AWAY_SECONDS)
    assert not is_over(one(environment, run_id))
    s3_server.start()
    until(lambda: is_over(one(environment, run_id)))
    assert one(environment, run_id)["state"]["name"] == "Completed"
    batches = children(environment, run_id)
    assert [(run["state"]["name"], run["run_count"]) for run in batches] == [("Completed", 1)] * 2
    assert any("is asked again for 3600 s" in log_of(environment, run["id"]) for run in batches)
    assert n_archived(store) == parts.read_images(store).num_rows == N_IMAGES
    assert store.objects("journal") == store.objects("runs") == []
    asked = {"flow_runs": {"id": {"any_": [run["id"] for run in batches]}}}
    fits = [
        found
        for found in api(environment, "task_runs/filter", asked)
        if found["name"].startswith("compress ")
    ]
    assert [(fit["state"]["type"], fit["run_count"]) for fit in fits] == [("COMPLETED", 1)] * N_IMAGES
    kept = Path(environment["XDG_STATE_HOME"]) / "inr" / "kept"
    assert [path for path in kept.rglob("*") if path.is_file()] == []

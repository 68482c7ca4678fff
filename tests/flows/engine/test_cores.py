import os

import pytest

from flows.engine.cores import n_cores, n_threads, n_workers
from tasks.settings import MAX_WORKERS, RunOptions
from tests.flows.command import modules_after


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))


@pytest.mark.parametrize(
    ("options", "workers", "threads"),
    [
        (RunOptions(device="cpu"), 8, 1),
        (RunOptions(device="cpu", workers=3), 3, 2),
        (RunOptions(device="cpu", workers=16), 16, 1),
        (RunOptions(device="cuda"), 1, 8),
        (RunOptions(device="cuda", workers=2), 2, 4),
    ],
)
@pytest.mark.usefixtures("eight_cores")
def test_workers_share_the_cores_and_one_has_a_gpu_for_itself(
    options: RunOptions, workers: int, threads: int
):
    assert (n_cores(), n_workers(options), n_threads(options)) == (8, workers, threads)


def test_a_large_machine_has_no_more_workers_than_the_engine_has_room_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(1000)))
    assert n_workers(RunOptions(device="cpu")) == MAX_WORKERS


def test_counting_loads_torch_only_where_the_device_is_left_open():
    counted = "from flows.engine.cores import n_threads; from tasks.settings import RunOptions; n_threads"
    assert "torch" not in modules_after(f"{counted}(RunOptions(device='cpu'))")
    assert "torch" not in modules_after(f"{counted}(RunOptions(workers=2))")
    assert "torch" in modules_after(f"{counted}(RunOptions())")

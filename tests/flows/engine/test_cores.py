import os

import pytest

from flows.engine.cores import fits_on_card, images_per_fit, n_cores, n_fits, n_threads, n_workers
from tasks.settings import MAX_WORKERS, RunOptions
from tests.flows.command import modules_after


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))


@pytest.mark.parametrize(
    ("options", "workers", "threads"),
    [
        (RunOptions(), 8, 1),
        (RunOptions(workers=3), 3, 2),
        (RunOptions(workers=16), 16, 1),
    ],
)
@pytest.mark.usefixtures("eight_cores")
def test_workers_share_the_cores(options: RunOptions, workers: int, threads: int):
    assert (n_cores(), n_workers(options), n_threads(options)) == (8, workers, threads)
    cpu = options.model_copy(update={"device": "cpu"})
    assert not fits_on_card(cpu)
    assert (n_fits(cpu, on_card=False), images_per_fit(cpu, on_card=False)) == (workers, 1)


@pytest.mark.parametrize(
    ("options", "workers", "threads", "together"),
    [
        (RunOptions(device="cuda"), 2, 4, 16),
        (RunOptions(device="cuda", workers=4), 4, 2, 16),
        (RunOptions(device="cuda", images_per_fit=3), 2, 4, 3),
    ],
)
@pytest.mark.usefixtures("eight_cores")
def test_a_card_fits_a_group_while_another_is_opened_or_checked(
    options: RunOptions, workers: int, threads: int, together: int
):
    assert fits_on_card(options)
    assert (n_workers(options, on_card=True), n_threads(options, on_card=True)) == (workers, threads)
    assert (n_fits(options, on_card=True), images_per_fit(options, on_card=True)) == (1, together)


def test_a_large_machine_has_no_more_workers_than_the_engine_has_room_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(1000)))
    assert n_workers(RunOptions(device="cpu")) == MAX_WORKERS


def test_counting_loads_torch_only_where_the_device_is_left_open():
    counted = "from flows.engine.cores import *; from tasks.settings import RunOptions;"
    assert "torch" not in modules_after(f"{counted} fits_on_card(RunOptions(device='cpu'))")
    assert "torch" not in modules_after(f"{counted} n_threads(RunOptions())")
    assert "torch" in modules_after(f"{counted} fits_on_card(RunOptions())")

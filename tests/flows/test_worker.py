"""A worker that is stopped: what it has hands itself back, gives up, or is killed.

`tests/deployments/test_workers.py` does that with batches of an archive.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from benchmarks.processes import below
from flows.cli import exits
from flows.worker import _children
from tests.flows import waiting
from tests.flows.command import INR, ROOT, inr_run

KINDS = ("friendly", "busy", "deaf", "stubborn")


@pytest.fixture(scope="module")
def pool(server: str) -> str:
    """A work pool with a deployment of each flow of `waiting`."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="stopped", type="process"))
        for kind in KINDS:
            client.create_deployment(
                client.create_flow(getattr(waiting, kind)),
                "stopped",
                work_pool_name="stopped",
                entrypoint=f"tests.flows.waiting.{kind}",
                pull_steps=[],
            )
    return "stopped"


@contextmanager
def working(pool: str, name: str, grace: float, limit: int = 1) -> Iterator["subprocess.Popen[str]"]:
    """A worker of a pool that has started; it is killed at the end if it goes on."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_WORKER_QUERY_SECONDS": "1"}
    words = ["worker", pool, "--name", name, "--grace", str(grace), "--limit", str(limit)]
    process = subprocess.Popen([*INR, *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert f"Worker {name!r} started!" in process.stdout.readline()
        yield process
    finally:
        for pid in [process.pid, *below(process.pid)] if process.poll() is None else []:
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def begun(kind: str, folder: Path, n_begun: int = 1) -> UUID:
    """Submit a run of a flow of `waiting`, and wait until it waits."""
    run = run_deployment(f"{kind}/stopped", parameters={"folder": str(folder)}, timeout=0)
    assert isinstance(run, FlowRun)
    wait_until(lambda: len(list(folder.glob("begun-*"))) == n_begun)
    return run.id


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def state_of(run_id: UUID) -> str:
    with get_client(sync_client=True) as client:
        return str(client.read_flow_run(run_id).state_name)


def test_a_run_hands_itself_back_and_the_next_worker_goes_on_with_it(pool: str, tmp_path: Path):
    with working(pool, "first", grace=60) as first:
        run_id = begun("friendly", tmp_path)
        waits = begun_by_nobody(tmp_path)
        first.send_signal(signal.SIGTERM)
        said, _ = first.communicate(timeout=30)
    assert first.returncode == 0
    assert "worker 'first': 1 run to end within 60 s" in said
    assert "give up" not in said
    assert (state_of(run_id), state_of(waits)) == ("AwaitingRetry", "Scheduled")
    with get_client(sync_client=True) as client:
        client.delete_flow_run(waits)
    with working(pool, "second", grace=60):
        wait_until(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
        (tmp_path / "over").touch()
        wait_until(lambda: state_of(run_id) == "Completed")


def begun_by_nobody(folder: Path) -> UUID:
    """A run that comes while the only worker has one."""
    run = run_deployment("friendly/stopped", parameters={"folder": str(folder)}, timeout=0)
    assert isinstance(run, FlowRun)
    return run.id


def test_what_does_not_end_in_time_is_ended_and_goes_back_if_it_ever_does(pool: str, tmp_path: Path):
    with working(pool, "strict", grace=1, limit=2) as worker:
        deaf, busy = begun("deaf", tmp_path), begun("busy", tmp_path, 2)
        worker.send_signal(signal.SIGTERM)
        said, _ = worker.communicate(timeout=20)
    assert "worker 'strict': 2 runs to give up: not ended by then" in said
    assert worker.returncode == 0
    assert (state_of(deaf), state_of(busy)) == ("Crashed", "AwaitingRetry")
    with get_client(sync_client=True) as client:
        client.delete_flow_run(busy)


def test_a_second_signal_ends_it_at_once(pool: str, tmp_path: Path):
    with working(pool, "hasty", grace=600) as worker:
        begun("stubborn", tmp_path)
        [child] = below(worker.pid)
        started = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert "end within 600 s" in str(worker.stdout and worker.stdout.readline())
        worker.send_signal(signal.SIGINT)
        worker.communicate(timeout=30)
        assert time.monotonic() - started < 15
    assert worker.returncode == 0
    assert not Path(f"/proc/{child}").exists()
    assert "hasty" not in workers_of(pool)


def test_an_idle_worker_ends_at_once_and_is_no_worker_of_its_pool_any_more(pool: str):
    with working(pool, "idle", grace=600) as idle:
        wait_until(lambda: "idle" in workers_of(pool))
        idle.send_signal(signal.SIGTERM)
        idle.communicate(timeout=20)
    assert idle.returncode == 0
    assert "idle" not in workers_of(pool)


def workers_of(pool: str) -> set[str]:
    with get_client(sync_client=True) as client:
        return {worker.name for worker in client.read_workers_for_work_pool(pool)}


def test_an_error_of_a_worker_does_not_repeat_a_password_of_its_server(server: str):
    address = server.replace("://", "://me:hunter2@")
    ended = inr_run("worker", "nowhere", PREFECT_API_URL=address)
    assert "hunter2" not in ended.stdout + ended.stderr
    assert f"{server.replace('://', '://…@')}, found 'nowhere'" in ended.stderr


def test_children_are_told_while_threads_come_and_go():
    def threads() -> None:
        while not over.is_set():
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()

    over = threading.Event()
    others = [threading.Thread(target=threads) for _ in range(4)]
    for thread in others:
        thread.start()
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            assert all(child.pid in _children() for _ in range(200))
        finally:
            over.set()
            child.kill()
    for thread in others:
        thread.join()


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "/api, found 'nowhere'; there are "),
        ({"PREFECT_API_URL": ""}, "inr: ConfigError: PREFECT_API_URL: expected the address of a server"),
    ],
    ids=["no pool", "no server"],
)
def test_a_worker_of_nothing_is_an_error(server: str, environment: dict[str, str], says: str):
    ended = inr_run("worker", "nowhere", **environment)
    assert ended.returncode == exits.USAGE
    assert says in ended.stderr

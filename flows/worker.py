"""A worker of a Prefect pool that can be stopped at any time: `prefect worker start`, which lets runs end.

Prefect's own kills the processes of its runs with SIGKILL as soon as it is told to stop. This one takes no
more runs then, tells those that it has (`flows.engine.interrupts`), and waits. What has not ended when the
time is over is ended with SIGTERM, by which a run gives up its fits and keeps what is done. What is left then
is killed. At last it takes its name off the list of the workers of its pool: Prefect's own shows as online
for another minute and a half, and a run whose batches wait would say that a worker is there and busy.
"""

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import anyio
import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.workers.process import ProcessWorker

from flows.engine.interrupts import TO_HAND_BACK
from inr.errors import ConfigError
from tasks.wording import counted, without_secrets

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HEARTBEAT_SECONDS = "30"
SECONDS_TO_SIGN_OFF = 5.0
SECONDS_TO_GIVE_UP = 20.0
SECONDS_BETWEEN_LOOKS = 0.5


class Worker(ProcessWorker):
    """A process worker that takes no more runs once it is leaving."""

    type = "inr-process"  # while it is defined: no two classes may have one type

    def __init__(self, pool: str, name: str | None, limit: int) -> None:
        """Prepare a worker of a pool that exists; `limit` is the number of runs at a time."""
        super().__init__(pool, name=name, limit=limit, create_pool_if_not_found=False)
        self.is_leaving = False

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Take runs from the pool."""
        return [] if self.is_leaving else await super().get_and_submit_flow_runs()

    @property
    def n_runs(self) -> int:
        """Runs that it has."""
        return int(self.limiter.borrowed_tokens) if self.is_setup else 0


Worker.type = ProcessWorker.type  # that of its pools


def work(
    pool: str, name: str | None, limit: int, grace_seconds: float, *, with_healthcheck: bool = False
) -> None:
    """Do the runs of a pool, until a signal of `SIGNALS`.

    Its runs send heartbeats as often as the automations of the guide want them, unless the environment says
    how often.

    Args:
        pool: Name of the pool.
        name: Name of the worker; a random one if not given.
        limit: Runs at a time.
        grace_seconds: Time that runs have to end by themselves when the worker is told to stop. It takes up
            to `SECONDS_TO_GIVE_UP` more.
        with_healthcheck: Serve Prefect's health check of workers.

    Raises:
        ConfigError: There is no such pool, or the environment names no server.
    """
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", HEARTBEAT_SECONDS)
    _check_pool(pool)
    worker = Worker(pool, name, limit)
    anyio.run(_work, worker, grace_seconds, with_healthcheck)
    _sign_off(pool, worker.name)


def _check_pool(pool: str) -> None:
    """Refuse the name of no pool, for which a worker would wait; a server that is away is waited for."""
    server = PREFECT_API_URL.value()
    if not server:
        raise ConfigError("PREFECT_API_URL: expected the address of a server, found none")
    with suppress(httpx.HTTPError, RuntimeError), get_client(sync_client=True) as client:
        try:
            client.read_work_pool(pool)
        except ObjectNotFound as error:
            there_are = ", ".join(sorted(found.name for found in client.read_work_pools())) or "none"
            raise ConfigError(
                f"pool: expected the name of a work pool of {without_secrets(server)}, found {pool!r}; "
                f"there are {there_are}"
            ) from error


def _sign_off(pool: str, name: str) -> None:
    """Have the server forget a worker that has ended; where it cannot be told, it finds out by itself."""
    places, bound = {"work_pool_name": pool, "name": name}, {"timeout": SECONDS_TO_SIGN_OFF}
    with suppress(httpx.HTTPError, RuntimeError), get_client(bound, sync_client=True) as client:
        client.request("DELETE", "/work_pools/{work_pool_name}/workers/{name}", path_params=places)


async def _work(worker: Worker, grace_seconds: float, with_healthcheck: bool) -> None:
    try:
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(worker.start, False, with_healthcheck)
                await anext(signals)
                worker.is_leaving = True
                async with anyio.create_task_group() as ending:
                    ending.start_soon(_second_signal, signals, ending.cancel_scope)
                    await _let_end(worker, grace_seconds)
                    ending.cancel_scope.cancel()
                group.cancel_scope.cancel()
    except Exception:  # of Prefect's, cut short in the middle of a connection; it has no run any more
        if not worker.is_leaving:
            raise


async def _second_signal(signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
    """Wait for nothing any more, once told to stop again."""
    await anext(signals)
    scope.cancel()


async def _let_end(worker: Worker, grace_seconds: float) -> None:
    """Tell the runs of a worker to end, in a friendly way and then in another one."""
    print(f"{_runs_of(worker)} to end within {grace_seconds:g} s", flush=True)
    if await _ended(worker, grace_seconds, TO_HAND_BACK):
        return
    print(f"{_runs_of(worker)} to give up: not ended by then", flush=True)
    await _ended(worker, SECONDS_TO_GIVE_UP, signal.SIGTERM)


def _runs_of(worker: Worker) -> str:
    """The runs that a worker has, for people."""
    return f"worker {worker.name!r}: {counted(worker.n_runs, 'run')}"


async def _ended(worker: Worker, seconds: float, number: signal.Signals) -> bool:
    """Send a signal to every run that heeds it, once; True if they have ended in some seconds."""
    until, told = time.monotonic() + seconds, set[int]()
    while worker.n_runs:
        for pid in _children() - told:
            if _heeds(pid, number):
                os.kill(pid, number)  # a child, which is a zombie at most
                told.add(pid)
        if time.monotonic() > until:
            return False
        await anyio.sleep(SECONDS_BETWEEN_LOOKS)
    return True


def _children() -> set[int]:
    """The processes that this one has started: those of its runs, and no others."""
    found = set[int]()
    for each in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # of a thread that has ended meanwhile
            found.update(map(int, each.read_text(encoding="ascii").split()))
    return found


def _heeds(pid: int, number: signal.Signals) -> bool:
    """True if a process has a handler for a signal: a run that is about to start has none yet, or never."""
    if number == signal.SIGTERM:
        return True
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)

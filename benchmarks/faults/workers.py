"""SIGKILL of a worker of a Prefect pool that does a batch: of the worker alone, of its run, and of both."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from benchmarks.faults.installation import DEPLOYMENT, Installation
from benchmarks.faults.outcomes import Account
from benchmarks.faults.places import Place
from benchmarks.faults.scenery import Scenery
from benchmarks.faults.verdicts import judge, latest_rows
from benchmarks.frame import timed
from benchmarks.processes import below

OVER = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def worker_alone(place: Place, account: Account, scenery: Scenery) -> None:
    """Kill the worker; the process that it started for the run is left."""
    account.tried = "the worker killed in the middle of a batch, the process of its run left alone"
    do(place, account, scenery.installation, lambda pid: [pid])
    account.expect("the batch was done", account.after_fault is not None and account.after_fault.nothing_lost)


def run_alone(place: Place, account: Account, scenery: Scenery) -> None:
    """Kill the process of the run; the worker is left, and reports it."""
    account.tried = "the process of a batch killed, its worker left alone"
    do(place, account, scenery.installation, below)
    account.expect("the batch was done", account.after_fault is not None and account.after_fault.nothing_lost)


def worker_and_run(place: Place, account: Account, scenery: Scenery) -> None:
    """Kill both, as when a host goes: only the server is left to notice, by the heartbeats that end."""
    account.tried = "worker and process of its batch killed together, as when their host goes"
    do(place, account, scenery.installation, lambda pid: [pid, *below(pid)])
    account.expect("the batch was done", account.after_fault is not None and account.after_fault.nothing_lost)


def do(place: Place, account: Account, installation: Installation, who: Callable[[int], list[int]]) -> None:
    """Have a worker do a batch, kill some processes in the middle of it, and archive again with a new worker.

    Args:
        place: The place.
        account: The account to fill in.
        installation: The server.
        who: Function from the process id of the worker to those of the processes to kill.
    """
    installation.deploy()
    with installation.worker() as worker:
        command = place.begun("--deployment", DEPLOYMENT, INR_UNTAKEN_SECONDS="60")
        for pid in who(worker.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended, seconds = timed(command.ended)
    states = installation.states("archive-batch", place.store)
    account.happened = [
        *(f"run {n} of the batch: {_in_words(state)}" for n, state in enumerate(states, 1)),
        f"the archive, {seconds:.0f} s later: {ended}",
    ]
    account.expect("no run of the batch stays as it was", all(state["type"] in OVER for state in states))
    account.after_fault = judge(place, never=frozenset() if ended.code == 0 else frozenset(place.digests))
    lost = [row for row in latest_rows(place.stored) if row["error_type"] == "BatchLost"]
    account.happened += [f"{len(lost)} rows with `BatchLost`"] if lost else []
    n_fits = place.count("bitstreams")
    with installation.worker():
        account.recover(place, "start a worker, archive again", "--deployment", DEPLOYMENT)
    account.recovered.append(f"{n_fits} fits were there, and kept")


def _in_words(state: dict[str, Any]) -> str:
    return f"{state['name']}: {state['message']}" if state["message"] else str(state["name"])

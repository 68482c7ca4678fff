"""Have the batches of a run done: one after the other in this process, or by the runs of a deployment.

A run of a deployment is taken by a worker of its pool, on any host that reaches the store. The rows of
a batch are read from the store; the state of the run that did it only says that it is over.
"""

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from flows.batch import archive_batch
from inr.errors import ConfigError
from tasks.errors import ImagesFailed

BATCHES_AT_ONCE = 32  # submitted; a pool's own limits say how many run
SECONDS_BETWEEN_LOOKS = 2.0

Parameters = Callable[[int], dict[str, Any]]


def done_batches(
    n_batches: int, parameters: Parameters, deployment: str | None
) -> Generator[tuple[int, str]]:
    """Have every batch done.

    Args:
        n_batches: Number of batches.
        parameters: Gives the parameters of `archive_batch` for a number.
        deployment: ``flow/name`` of the deployment to submit them to; None for this process.

    Yields:
        The number of each batch and how it ended, in words, in order of completion.

    Raises:
        ConfigError: There is no such deployment.
        StorageError, CatalogueError: In this process, the store cannot be used.
    """
    if deployment is None:
        yield from _here(range(n_batches), parameters)
    else:
        yield from _elsewhere(range(n_batches), parameters, deployment)


def _here(numbers: Iterable[int], parameters: Parameters) -> Generator[tuple[int, str]]:
    for number in numbers:
        try:
            archive_batch(**parameters(number))
        except ImagesFailed as failure:  # its rows say so
            yield number, str(failure)
        else:
            yield number, "completed"


def _elsewhere(numbers: Iterable[int], parameters: Parameters, deployment: str) -> Generator[tuple[int, str]]:
    waiting, running = iter(numbers), dict[UUID, int]()
    try:
        while True:
            while len(running) < BATCHES_AT_ONCE and (number := next(waiting, None)) is not None:
                running[_submitted(deployment, parameters(number))] = number
            if not running:
                return
            for run in _ended(running):
                state = run.state
                yield running.pop(run.id), f"{state.name}: {state.message}" if state else "unknown"
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:  # a signal, or an error of the run, which then nobody hears its batches for
        if running:
            _cancel(running)


def _cancel(running: Iterable[UUID]) -> None:
    """Cancel runs of batches, those that wait and those that a worker does, as the button *Cancel* would."""
    with get_client(sync_client=True) as client:
        for run_id in running:
            with suppress(Exception):  # the others are to be cancelled, too, and the run's own end is told
                client.set_flow_run_state(run_id, Cancelling(message="the run that submitted it has ended"))


def _submitted(deployment: str, parameters: dict[str, Any]) -> UUID:
    try:
        run = run_deployment(deployment, parameters=parameters, timeout=0)
    except ObjectNotFound as error:
        raise ConfigError(f"deployment: expected the name of one, found {deployment!r}") from error
    assert isinstance(run, FlowRun)  # a coroutine only where an event loop runs
    return run.id


def _ended(running: Iterable[UUID]) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(running))))
    return [run for run in found if run.state is not None and run.state.is_final()]

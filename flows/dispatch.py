"""Have the batches of a run done: one after the other in this process, or by the runs of a deployment.

A run of a deployment is taken by a worker of its pool, on any host that reaches the store. The rows of
a batch are read from the store; the state of the run that did it only says that it is over.
"""

import time
import uuid
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from prefect import Task, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Pending, Scheduled
from pydantic import TypeAdapter

from flows.batch import archive_batch, name_of_batch
from flows.engine.artifacts import SECONDS_BETWEEN_UPDATES, Figures, figures_of
from flows.engine.images import tags_of
from flows.engine.listening import listening
from inr.errors import ConfigError
from tasks.catalogue.recipe import Recipe
from tasks.errors import ImagesFailed, Summary

BATCHES_AT_ONCE = 32  # submitted; a pool's own limits say how many run
SECONDS_BETWEEN_LOOKS = 2.0
WAITING = "Waiting"  # a run that waits as "Scheduled" is shown as late after 15 s, and so is no night

RECIPE = TypeAdapter(Recipe)

Parameters = Callable[[int], dict[str, Any]]
Heard = Callable[[int, Figures], None]


def done_batches(
    n_batches: int, parameters: Parameters, deployment: str | None, heard: Heard
) -> Generator[tuple[int, str]]:
    """Have every batch done.

    Args:
        n_batches: Number of batches.
        parameters: Gives the parameters of `archive_batch` for a number.
        deployment: ``flow/name`` of the deployment to submit them to; None for this process.
        heard: Called with the number of a batch and how far it is, as often as it shows that.

    Yields:
        The number of each batch and how it ended, in words, in order of completion.

    Raises:
        ConfigError: There is no such deployment.
        StorageError, CatalogueError: In this process, the store cannot be used.
    """
    if deployment is None:
        yield from _here(range(n_batches), parameters, heard)
    else:
        yield from _elsewhere(range(n_batches), parameters, deployment, heard)


def _here(numbers: Iterable[int], parameters: Parameters, heard: Heard) -> Generator[tuple[int, str]]:
    for number in numbers:

        def hear(summary: Summary, number: int = number) -> None:
            heard(number, Figures.of(summary))

        try:
            with listening(hear):
                archive_batch(**parameters(number))
        except ImagesFailed as failure:  # its rows say so
            yield number, str(failure)
        else:
            yield number, "completed"


def _elsewhere(
    numbers: Iterable[int], parameters: Parameters, deployment: str, heard: Heard
) -> Generator[tuple[int, str]]:
    waiting, running = iter(numbers), dict[UUID, int]()
    heard_at = time.monotonic()
    try:
        while True:
            while len(running) < BATCHES_AT_ONCE and (number := next(waiting, None)) is not None:
                running[_submitted(deployment, parameters(number))] = number
            if not running:
                return
            for run in _ended(running):
                state = run.state
                yield running.pop(run.id), f"{state.name}: {state.message}" if state else "unknown"
            if running and time.monotonic() >= heard_at + SECONDS_BETWEEN_UPDATES:
                heard_at = time.monotonic()
                _hear(running, heard)
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


def _hear(running: dict[UUID, int], heard: Heard) -> None:
    """Tell how far batches are; a server that does not say so now is asked again the next time."""
    try:
        found = figures_of(running)
    except Exception as error:  # of Prefect's client, which has tried it several times
        get_run_logger().debug("the progress of batches could not be read: %s", error)
        return
    for run_id, figures in found.items():
        heard(running[run_id], figures)


def _submitted(deployment: str, parameters: dict[str, Any]) -> UUID:
    """Submit a batch under its name, below this run: as `run_deployment` does, but for the state's name.

    Prefect gives the task that stands for it in the graph of this run the state of the batch.
    """
    name, recipe = name_of_batch(parameters), RECIPE.validate_python(parameters["recipe"])
    parent = FlowRunContext.get()
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound as error:
            raise ConfigError(f"deployment: expected the name of one, found {deployment!r}") from error
        stands_for_it = None
        if parent is not None and parent.flow_run is not None:
            task = Task(lambda: None, name=name)
            key = str(uuid.uuid4())
            stands_for_it = client.create_task_run(
                task, parent.flow_run.id, key, name=name, state=Pending()
            ).id
        return client.create_flow_run_from_deployment(
            found.id,
            parameters=parameters,
            state=Scheduled(name=WAITING),
            name=name,
            tags=tags_of(recipe, parameters["store"]),
            parent_task_run_id=stands_for_it,
        ).id


def _ended(running: Iterable[UUID]) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(running))))
    return [run for run in found if run.state is not None and run.state.is_final()]

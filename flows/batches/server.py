"""What Prefect's server is asked of the runs of batches: to submit them, how they are, and to end them."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from prefect import Task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, State, StateType, WorkerStatus
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Pending, Scheduled
from pydantic import TypeAdapter

from flows.batches.batch import name_of_batch
from flows.engine.images import tags_of
from inr.errors import ConfigError
from tasks.catalogue.recipe import Recipe
from tasks.wording import counted

WAITING = "Waiting"  # a run that waits as "Scheduled" is shown as late after 15 s, and so is no night

RECIPE = TypeAdapter(Recipe)


def end(runs: Iterable[UUID], state: State[Any], *, force: bool = False) -> None:
    """Put runs into a state in which they end; `Cancelling` is what the button *Cancel* does."""
    with get_client(sync_client=True) as client:
        for run_id in runs:
            with suppress(Exception):  # the others are to be ended, too, and the run's own end is told
                client.set_flow_run_state(run_id, state, force=force)


def submitted(deployment: str, parameters: dict[str, Any], key: str) -> UUID:
    """The id of a run that is submitted now, or was under the same key, below this run and under its name.

    It is as with `run_deployment`, but for the name of the state. Prefect gives the task that stands for the
    batch in the graph of this run the state of the batch.
    """
    name, recipe = name_of_batch(parameters), RECIPE.validate_python(parameters["recipe"])
    parent = FlowRunContext.get()
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except (ObjectNotFound, ValueError) as error:  # it has no slash
            expected = "expected FLOW/NAME of one that is deployed"
            raise ConfigError(f"deployment: {expected}, found {deployment!r}") from error
        stands_for_it = None
        if parent is not None and parent.flow_run is not None:
            task = Task(lambda: None, name=name)
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
            idempotency_key=key,
        ).id


def states_of(runs: Collection[UUID]) -> dict[UUID, State[Any]]:
    """The states of runs; those that were deleted have none."""
    if not runs:
        return {}
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(runs))))
    return {run.id: run.state for run in found if run.state is not None}


def of_earlier_attempts() -> dict[UUID, State[Any]]:
    """The runs below this one, of a deployment, that are not over: as it begins, of attempts before it."""
    parent = FlowRunContext.get()
    if parent is None or parent.flow_run is None:
        return {}
    going_on = FlowRunFilterStateType(any_=list(set(StateType) - TERMINAL_STATES))
    below = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent.flow_run.id]),
        state=FlowRunFilterState(type=going_on),
    )
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=below)
    return {run.id: run.state for run in found if run.deployment_id is not None and run.state is not None}


def workers_of(deployment: str) -> str:
    """What can be said of the workers of a deployment, none of which takes a run, as a clause."""
    with get_client(sync_client=True) as client:
        pool = client.read_deployment_by_name(deployment).work_pool_name
        if pool is None:
            return f"no process serves the deployment {deployment!r}, or it is busy"
        found = client.read_workers_for_work_pool(pool)
    online = sorted(worker.name for worker in found if worker.status == WorkerStatus.ONLINE)
    if not online:
        return f"no worker of the work pool {pool!r} is online"
    there_are = f"{counted(len(online), 'worker')} online ({', '.join(online[:8])})"
    return f"the work pool {pool!r} has {there_are}, all of them busy, or it is paused"

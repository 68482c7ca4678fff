from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.runtime import flow_run
from prefect.states import Cancelled, StateType

from flows.batches.server import states_of, submitted
from inr.errors import ConfigError
from tests.flows.batches.conftest import parameters_of


def test_states_of_runs_are_read_from_the_server(unattended: str):
    run_id = submitted(unattended, parameters_of(0), "key")
    assert submitted(unattended, parameters_of(0), "key") == run_id  # as where the first answer was lost
    assert states_of([run_id])[run_id].is_scheduled()
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run_id, Cancelled(), force=True)
        assert states_of([run_id])[run_id].is_cancelled()
        client.delete_flow_run(run_id)
    assert states_of([run_id]) == {}


@pytest.mark.parametrize("name", ["foo", "foo/bar"])
def test_the_name_of_no_deployment_is_refused(server: str, name: str):
    with pytest.raises(ConfigError, match=f"expected FLOW/NAME of one that is deployed, found '{name}'"):
        submitted(name, parameters_of(0), "key")


def test_a_batch_that_waits_has_its_name_and_its_tags_and_is_never_late(unattended: str):
    """Prefect calls what waits for a worker late after 15 s; a batch may wait for a night."""

    @flow(name="parent")
    def parent() -> tuple[Any, Any]:
        return flow_run.id, submitted(unattended, parameters_of(2), "key of two")

    parent_id, run_id = parent()
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id)
        [task] = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(str(parent_id))]))
        )
        taken = client.get_scheduled_flow_runs_for_deployments([run.deployment_id], datetime.now(UTC))
    assert run.name == task.name == "batch 3 of 8 into /nowhere, run abcdefgh"
    assert run.parent_task_run_id == task.id
    assert {"model:mlp", "preset:draft", "store:/nowhere"} <= set(run.tags)
    assert (run.state.type, run.state.name) == (StateType.SCHEDULED, "Waiting")
    assert run_id in {found.id for found in taken}  # and a worker takes it

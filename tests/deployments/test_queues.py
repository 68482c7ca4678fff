"""Who goes first, and who waits for whom, as a server decides it by `prefect.yaml`.

Only `make e2e` runs this, see `test_e2e`.
"""

from typing import Any

import pytest

from tests.deployments.conftest import api, make_pools, prefect

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def deployed(bare: dict[str, str]) -> dict[str, str]:
    """Everything of `prefect.yaml`, and no worker."""
    make_pools(bare)
    prefect(bare, "--no-prompt", "deploy", "--prefect-file", "deployments/prefect.yaml", "--all")
    return bare


def submitted(environment: dict[str, str], deployment: str, **given: Any) -> str:
    """The id of a run that waits for a worker, in a state of a name."""
    found = api(
        environment,
        "deployments/filter",
        {
            "deployments": {"name": {"any_": [deployment.split("/")[1]]}},
            "flows": {"name": {"any_": [deployment.split("/")[0]]}},
        },
    )
    path = f"deployments/{found[0]['id']}/create_flow_run"
    return str(api(environment, path, {"enforce_parameter_schema": False, **given})["id"])


def test_an_audit_goes_before_the_batches_that_wait(deployed: dict[str, str]):
    waiting = {"state": {"type": "SCHEDULED", "name": "Waiting"}}
    batches = [submitted(deployed, "archive-batch/worker", **waiting) for _ in range(3)]
    audit = submitted(deployed, "verify/weekly")
    taken = api(deployed, "work_pools/inr-workers/get_scheduled_flow_runs", {"limit": 10})
    order = [found["flow_run"]["id"] for found in taken]
    assert {audit, *batches} <= set(order)  # a worker takes what waits, under whatever name
    assert order.index(audit) < min(map(order.index, batches))


@pytest.mark.parametrize("deployment", ["archive/nightly", "verify/weekly", "compact/nightly"])
def test_a_run_that_comes_while_another_goes_on_waits_for_its_end(deployed: dict[str, str], deployment: str):
    first, second = (submitted(deployed, deployment) for _ in range(2))

    def set_state(run_id: str, kind: str) -> Any:
        return api(deployed, f"flow_runs/{run_id}/set_state", {"state": {"type": kind}})["state"]

    assert set_state(first, "PENDING")["type"] == "PENDING"
    held = set_state(second, "PENDING")
    assert (held["type"], held["name"]) == ("SCHEDULED", "AwaitingConcurrencySlot")
    assert set_state(first, "RUNNING")["type"] == "RUNNING"
    assert set_state(first, "COMPLETED")["type"] == "COMPLETED"
    assert set_state(second, "PENDING")["name"] == "Pending"

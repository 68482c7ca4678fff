"""The checks of the deployments that need no run of them; `make e2e` runs them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.flows import Flow, load_flow_from_entrypoint

from flows.engine.runs import BAD

ROOT = Path(__file__).parent.parent.parent
DEPLOYMENTS = ROOT / "deployments"
PREFECT: dict[str, Any] = yaml.safe_load((DEPLOYMENTS / "prefect.yaml").read_text())
NAMES = [deployment["entrypoint"] for deployment in PREFECT["deployments"]]


@pytest.mark.parametrize("deployment", PREFECT["deployments"], ids=NAMES)
def test_every_deployment_names_a_flow_and_parameters_that_it_takes(deployment: dict[str, Any]):
    flow: Flow[Any, Any] = load_flow_from_entrypoint(deployment["entrypoint"])
    given = deployment.get("parameters", {})
    assert given.keys() <= flow.parameters.properties.keys()
    if given:
        flow.validate_parameters(given)


def test_the_parent_submits_to_the_deployment_that_does_batches():
    names = {
        f"{load_flow_from_entrypoint(each['entrypoint']).name}/{each['name']}": each
        for each in PREFECT["deployments"]
    }
    assert names["archive/nightly"]["parameters"]["options"]["deployment"] in names
    assert set(names) == {
        *("archive/nightly", "archive-batch/worker", "compact/nightly", "sweep/on-demand", "verify/weekly"),
    }
    guide = (DEPLOYMENTS / "README.md").read_text()
    assert all(f"`{name}`" in guide for name in names if name != "archive-batch/worker")


def test_what_has_a_schedule_never_runs_twice_at_once():
    for deployment in PREFECT["deployments"]:
        if "schedules" in deployment:
            assert deployment["concurrency_limit"]["limit"] == 1


def test_runs_are_given_up_after_some_heartbeats_and_not_after_one():
    found = AutomationCore.model_validate(yaml.safe_load((DEPLOYMENTS / "automations.yaml").read_text()))
    assert isinstance(found.trigger, EventTrigger)
    every = re.findall(r"PREFECT_FLOWS_HEARTBEAT_FREQUENCY=(\d+)", (DEPLOYMENTS / "README.md").read_text())
    assert every == re.findall(
        r"PREFECT_FLOWS_HEARTBEAT_FREQUENCY=(\d+)", (DEPLOYMENTS / "Containerfile").read_text()
    )
    assert found.trigger.within.total_seconds() >= 3 * int(every[0])
    assert found.actions[0].type == "change-flow-run-state"


def test_a_run_that_is_over_is_no_lost_one_whatever_the_name_of_its_end():
    found = AutomationCore.model_validate(yaml.safe_load((DEPLOYMENTS / "automations.yaml").read_text()))
    assert isinstance(found.trigger, EventTrigger)
    assert f"prefect.flow-run.{BAD}" in found.trigger.expect


def test_the_image_copies_what_there_is_and_runs_as_nobody_in_particular():
    lines = (DEPLOYMENTS / "Containerfile").read_text().splitlines()
    for line in lines:
        if line.startswith("COPY"):
            assert all((ROOT / name).exists() for name in line.split()[1:-1])
    assert any(re.fullmatch(r"USER \d+", line) for line in lines)


def test_no_password_is_in_a_file():
    compose = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text())
    secret = re.compile("PASSWORD|SECRET|ACCESS_KEY")
    values = [
        value
        for service in compose["services"].values()
        for name, value in service.get("environment", {}).items()
        if secret.search(name)
    ]
    assert len(values) >= 5
    assert all(re.fullmatch(r"\$\{\w+:\?\}", value) for value in values)
    example = (DEPLOYMENTS / "example.env").read_text().splitlines()
    assert all(line.startswith("#") or line.endswith("=") for line in example)
    assert "/deployments/.env" in (ROOT / ".gitignore").read_text().splitlines()
    kept = {line[:-1] for line in example if line.endswith("=")}
    assert kept == {match for value in values for match in re.findall(r"\$\{(\w+):", value)}


def test_the_pools_of_the_files_are_those_of_the_deployments():
    pools = {deployment["work_pool"]["name"] for deployment in PREFECT["deployments"]}
    for name in ("compose.yaml", "kubernetes-worker.yaml", "Containerfile", "README.md"):
        found = set(re.findall(r"inr-(?:control|workers)", (DEPLOYMENTS / name).read_text()))
        assert found
        assert found <= pools

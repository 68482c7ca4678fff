"""The checks of the deployments that need no run of them; `make e2e` runs them."""

import os
import re
import subprocess
import sys
import uuid
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.flows import Flow, load_flow_from_entrypoint

from flows.cli.archive_commands import worker
from flows.engine.runs import BAD
from flows.verify import DAMAGE
from flows.worker import HEARTBEAT_SECONDS, SECONDS_TO_GIVE_UP
from inr.config import HIDDEN, MODELS, PRESETS, CodecConfig
from tasks.settings import RunOptions

ROOT = Path(__file__).parent.parent.parent
DEPLOYMENTS = ROOT / "deployments"
PREFECT: dict[str, Any] = yaml.safe_load((DEPLOYMENTS / "prefect.yaml").read_text())
FINAL = ("completed", "failed", "cancelled", "crashed")
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
    found = yaml.safe_load((DEPLOYMENTS / "automations.yaml").read_text())
    lost, never_began, cancelled = (AutomationCore.model_validate(each) for each in found)
    assert isinstance(lost.trigger, EventTrigger)
    assert isinstance(never_began.trigger, EventTrigger)
    assert isinstance(cancelled.trigger, EventTrigger)
    every = re.findall(r"PREFECT_FLOWS_HEARTBEAT_FREQUENCY=(\d+)", (DEPLOYMENTS / "README.md").read_text())
    assert (
        every
        == [HEARTBEAT_SECONDS]
        == re.findall(r"PREFECT_FLOWS_HEARTBEAT_FREQUENCY=(\d+)", (DEPLOYMENTS / "Containerfile").read_text())
    )
    assert lost.trigger.within.total_seconds() >= 3 * int(every[0])
    assert never_began.trigger.within.total_seconds() > RunOptions().begin_seconds
    ends = {f"prefect.flow-run.{name}" for name in ("AwaitingRetry", BAD, *map(str.capitalize, FINAL))}
    for each in (lost, never_began, cancelled):
        assert each.actions[0].type == "change-flow-run-state"
        assert {*each.trigger.expect, "prefect.flow-run.heartbeat"} == {*ends, "prefect.flow-run.heartbeat"}
    assert "prefect.flow-run.heartbeat" in lost.trigger.expect & never_began.trigger.expect
    assert cancelled.trigger.expect == ends  # one that is killed sends heartbeats until then


def test_whoever_stops_a_worker_waits_for_longer_than_its_grace():
    grace = signature(worker).parameters["grace"].default + SECONDS_TO_GIVE_UP
    kubernetes = yaml.safe_load((DEPLOYMENTS / "kubernetes-worker.yaml").read_text())
    assert kubernetes["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > grace
    services = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text())["services"]
    assert {services[name]["stop_grace_period"] for name in ("control", "worker", "gpu-worker")} == {"2m"}
    assert grace < 120


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
    assert all(line.startswith("#") or line.endswith("=") for line in example if line)
    assert "/deployments/.env" in (ROOT / ".gitignore").read_text().splitlines()
    kept = {line[:-1] for line in example if line.endswith("=")}
    assert kept == {match for value in values for match in re.findall(r"\$\{(\w+):", value)}


def test_the_pools_of_the_files_are_those_of_the_deployments():
    pools = {deployment["work_pool"]["name"] for deployment in PREFECT["deployments"]}
    for name in ("compose.yaml", "kubernetes-worker.yaml", "Containerfile", "README.md"):
        found = set(re.findall(r"inr-(?:control|workers)", (DEPLOYMENTS / name).read_text()))
        assert found
        assert found <= pools


ALARMS: list[dict[str, Any]] = yaml.safe_load(
    (DEPLOYMENTS / "alarms.yaml").read_text().replace("NOTIFY", str(uuid.uuid4()))
)


@pytest.mark.parametrize("alarm", ALARMS, ids=[alarm["name"] for alarm in ALARMS])
def test_every_alarm_is_one_that_prefect_takes_and_the_guide_names(alarm: dict[str, Any]):
    found = AutomationCore.model_validate(alarm)
    assert isinstance(found.trigger, EventTrigger)
    assert [action.type for action in found.actions] == ["send-notification"]
    assert f"`{found.name}`" in (DEPLOYMENTS / "README.md").read_text()


def test_alarms_name_flows_that_there_are_and_the_event_of_an_audit():
    flows = {load_flow_from_entrypoint(name).name for name in NAMES} - {"archive-batch"}
    expected = {event for alarm in ALARMS for event in alarm["trigger"]["expect"]}
    named = [alarm["trigger"].get("match_related", {}).get("prefect.resource.name", []) for alarm in ALARMS]
    assert flows <= set(named[0])
    assert DAMAGE in expected


@pytest.mark.parametrize("name", ["model", "preset", "hidden"])
def test_forms_offer_the_choices_that_there_are(name: str):
    archive: Flow[Any, Any] = load_flow_from_entrypoint("flows.archive.archive")
    [schema] = [
        found for title, found in archive.parameters.definitions.items() if title == CodecConfig.__name__
    ]
    choices = {"model": MODELS, "preset": PRESETS, "hidden": HIDDEN}
    assert schema["properties"][name]["enum"] == list(choices[name])
    sweep: Flow[Any, Any] = load_flow_from_entrypoint("flows.sweep.sweep")
    assert sweep.parameters.properties["preset"]["enum"] == list(PRESETS)


def test_audits_go_before_batches_and_a_run_that_comes_too_early_waits():
    by_name = {each["entrypoint"]: each for each in PREFECT["deployments"]}
    queue = by_name["flows.verify.verify"]["work_pool"]["work_queue_name"]
    assert f'make_queue(client, "inr-workers", "{queue}", 1)' in (DEPLOYMENTS / "initialise.py").read_text()
    for each in PREFECT["deployments"]:
        if "concurrency_limit" in each:
            assert each["concurrency_limit"]["collision_strategy"] == "ENQUEUE"


@pytest.mark.parametrize("name", ["PREFECT_API_URL", "INR_SOURCE", "INR_STORE"])
@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_made_without_a_server_a_source_or_a_store(name: str, value: str | None, tmp_path: Path):
    """Without a server Prefect starts one of its own; without a source it deploys nights that have none."""
    store = tmp_path / "store"
    given: dict[str, str | None] = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "INR_SOURCE": str(tmp_path / "photos"),
        "INR_STORE": str(store),
        name: value,
    }
    done = subprocess.run(
        [sys.executable, str(DEPLOYMENTS / "initialise.py")],
        cwd=tmp_path,
        env={each: found for each, found in given.items() if found is not None},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout, store.exists()) == (2, "", False)
    assert done.stderr.endswith(f"found no {name}\n")

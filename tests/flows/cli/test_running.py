import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
import typer
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from flows.cli import exits
from flows.cli.running import (
    concluded,
    either,
    framed,
    location,
    messages_beside,
    named_store,
    places,
    started,
)
from flows.engine.listening import current_listener
from inr.errors import ConfigError
from tasks.errors import ImagesFailed
from tasks.report.summary import RunSummary
from tasks.settings import RunOptions, load_settings
from tests.flows.command import modules_after


def summary_of(n_failed: int = 0, n_planned: int = 2) -> RunSummary:
    return RunSummary("run-id", "photos", "/store", "how", "plan", n_planned, n_failed=n_failed)


def test_a_command_in_its_frame_keeps_its_name_and_ends_by_its_errors(capsys: pytest.CaptureFixture[str]):
    @framed
    def command(*, as_json: bool = False) -> None:
        """Help."""
        raise ConfigError("store: none")

    with pytest.raises(typer.Exit) as left:
        command(as_json=True)
    assert left.value.exit_code == exits.USAGE
    assert capsys.readouterr().out.startswith('{"error":')
    assert (command.__name__, command.__doc__) == ("command", "Help.")


@pytest.mark.parametrize(("output", "aside"), [("-", True), ("/dev/stdout", True), ("x.png", False)])
def test_messages_stand_beside_an_output(output: str, aside: bool, capsys: pytest.CaptureFixture[str]):
    with messages_beside(Path(output)):
        print("message")
    assert (capsys.readouterr().err == "message\n") == aside


def test_a_flow_that_ends_with_failures_gives_its_summary():
    def failing() -> Any:
        raise ImagesFailed("1 failed", summary_of(1))

    assert started(failing, module="flows.archive", bar=False).n_failed == 1
    assert started(summary_of, module="flows.archive", bar=True) == summary_of()


def test_a_flow_is_listened_to_and_its_other_errors_are_the_commands():
    def run() -> Any:
        current_listener()(summary_of())
        raise ConfigError("source: none")

    with pytest.raises(ConfigError, match="source"):
        started(run, module="flows.archive", bar=True)


@pytest.mark.parametrize(
    ("url", "runner", "in_a_flow"),
    [("", "threads", False), ("http://127.0.0.1:4200/api", "threads", True), ("", "dask", True)],
)
def test_prefect_has_no_part_in_what_can_do_without_unless_it_is_asked_for(
    url: str, runner: Any, in_a_flow: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PREFECT_API_URL", url)
    monkeypatch.setattr("flows.cli.running.started", lambda run, *, module, bar: run())
    flow, plain = summary_of(1), summary_of(2)
    found = either(lambda: flow, lambda: plain, RunOptions(runner=runner), module="flows.verify", bar=False)
    assert found is (flow if in_a_flow else plain)


@pytest.mark.parametrize("as_json", [True, False])
def test_the_exit_code_says_whether_images_failed(as_json: bool, capsys: pytest.CaptureFixture[str]):
    def conclude(summary: RunSummary) -> None:
        concluded(summary, lambda found: {"n": found.n_failed}, lambda found: print("table"), as_json)

    conclude(summary_of())
    assert capsys.readouterr().out == ('{\n  "n": 0\n}\n' if as_json else "table\n")
    with pytest.raises(typer.Exit) as left:
        conclude(summary_of(1))
    assert left.value.exit_code == exits.IMAGES_FAILED
    for n_failed, code in ((1, exits.BAD_ORIGINALS), (2, exits.IMAGES_FAILED)):
        with pytest.raises(typer.Exit) as left:
            conclude(dataclasses.replace(summary_of(n_failed), n_bad=1))
        assert left.value.exit_code == code


def test_a_path_that_is_no_text_is_a_parameter_as_its_uri(tmp_path: Path):
    assert location("photos/ä") == "photos/ä"
    assert location("s3://bucket/x") == "s3://bucket/x"
    assert location(os.fsdecode(bytes(tmp_path) + b"/\xff")) == f"{tmp_path.as_uri()}/%FF"


def test_a_store_has_to_be_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("INR_STORE", raising=False)
    assert named_store(load_settings(store="here")) == "here"
    with pytest.raises(ConfigError, match="as the second argument or as INR_STORE"):
        named_store(load_settings())


def test_places_are_those_of_what_is_there():
    assert places(summary_of(n_planned=0)) == {"catalogue": "/store/catalogue/images/*.parquet"}
    found = places(summary_of())
    assert found["report"] == "/store/reports/run-id.html"
    assert found["Prefect UI"].endswith("runs/flow-run/run-id")


def test_the_place_of_a_run_in_the_ui_tells_no_password():
    address = "http://me:hunter2@host/api"
    with temporary_settings({PREFECT_API_URL: address, PREFECT_UI_URL: "http://me:hunter2@host"}):
        assert places(summary_of())["Prefect UI"] == "http://…@host/runs/flow-run/run-id"


def test_starting_is_as_light_as_the_command_line():
    assert not {"prefect", "torch", "pyarrow", "pydantic"} & modules_after("import flows.cli.running")

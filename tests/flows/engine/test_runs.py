"""The common parts of every flow, tried in a flow of a few lines."""

import logging
import time
from typing import Any

import httpx
import pytest
from prefect import flow, tags, task
from prefect.client.base import PrefectHttpxSyncClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.states import State, StateType

from flows.engine.artifacts import Table
from flows.engine.listening import listening
from flows.engine.runs import BAD, begin, ended, tag
from flows.engine.workers import Step
from inr.errors import ConfigError
from tasks.errors import ImagesFailed, SourceError, StorageUnavailable
from tasks.settings import RunOptions
from tests.flows.engine.counted import Counted
from tests.flows.logs import log_of

OPTIONS = RunOptions(device="cpu", workers=2)


@task(task_run_name="measure {name}")
def measure(name: str) -> int:
    if not name:
        raise ValueError("no name")
    if name == "gone":
        raise SourceError("gone.png: no such file")
    return len(name)


@flow(name="measured")
def measured(names: list[str]) -> Any:
    run = begin(OPTIONS)
    summary = Counted(len(names), run.run_id)
    run.each(names, lambda name: Step(measure, {"name": name}), summary.count, summary)
    rows = [{"name": name, "result": repr(result)} for name, result in summary.found.items()]
    return ended(summary, "# A page", Table("names", rows, len(rows)))


def artifacts_of(run_id: str) -> dict[str | None, Any]:
    found = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
    with get_client(sync_client=True) as client:
        return {artifact.key: artifact for artifact in client.read_artifacts(artifact_filter=found)}


def test_a_run_counts_every_item_and_shows_it_to_the_listener_and_in_prefect():
    heard: list[int] = []
    with listening(lambda summary: heard.append(summary.n_done)):
        summary = measured(["a", "bb", "ccc"])
    assert summary.found == {"a": 1, "bb": 2, "ccc": 3}
    assert heard == [0, 1, 2, 3]
    assert 0 < summary.wall_seconds < 60
    shown = artifacts_of(summary.run_id)
    assert shown["measured-progress"].data == 100.0
    assert shown["measured-summary"].data == "# A page"
    assert shown["measured-summary"].description == "3 of 3 done, 0 failed"
    assert shown["measured-names"].description == "3 rows"


def test_an_item_that_fails_stops_no_other_and_the_final_state_says_so():
    with pytest.raises(ImagesFailed, match="3 of 3 done, 1 failed") as failure:
        measured(["a", "", "ccc"])
    summary = failure.value.summary
    assert isinstance(summary, Counted)
    assert repr(summary.found[""]) == "ValueError('no name')"
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(summary.run_id)
    assert (run.state.type, run.state.message) == (StateType.FAILED, summary.headline())


@pytest.mark.parametrize(("n_bad", "ends_as"), [(0, "Failed"), (2, BAD)])
def test_a_run_whose_last_state_reached_the_server_twice_gives_its_summary_all_the_same(
    n_bad: int, ends_as: str, monkeypatch: pytest.MonkeyPatch
):
    """As a client sends it that waited too long for an answer; the second one has what the server keeps."""
    send = PrefectHttpxSyncClient.send

    def send_twice(self: PrefectHttpxSyncClient, request: httpx.Request, *given: Any, **by_name: Any) -> Any:
        if request.url.path.endswith("/set_state"):
            send(self, request, *given, **by_name)
        return send(self, request, *given, **by_name)

    monkeypatch.setattr(PrefectHttpxSyncClient, "send", send_twice)

    @flow(name="judged")
    def judged() -> Any:
        return ended(Counted(3, begin(OPTIONS).run_id, 3, n_failed=2, n_bad=n_bad))

    state = judged(return_state=True)
    carried = state.result(raise_on_failure=False)
    summary = carried.summary if isinstance(carried, ImagesFailed) else carried
    assert (state.name, summary.n_failed, summary.n_bad) == (ends_as, 2, n_bad)
    assert not any("hook" in line.message.lower() for line in log_of(summary.run_id))


def test_a_traceback_is_logged_for_a_bug_and_not_for_an_error_that_is_expected():
    def logged(name: str) -> list[str]:
        with pytest.raises(ImagesFailed) as failure:
            measured([name])
        assert isinstance(failure.value.summary, Counted)
        return [line.message for line in log_of(failure.value.summary.run_id)]

    expected, bug = logged("gone"), logged("")
    assert any("gone.png: no such file" in line for line in expected)
    assert not any("Traceback" in line for line in expected)
    assert any("Traceback" in line for line in bug)


@pytest.mark.parametrize(("error", "passes"), [(StorageUnavailable("away"), False), (ValueError(), True)])
def test_no_expected_error_is_called_an_unexpected_one(error: Exception, passes: bool):
    """As Prefect does for a run of a worker, a line after it has told of the error."""
    begin(OPTIONS)
    text = "Engine execution exited with unexpected exception"
    record = logging.LogRecord(
        "prefect.flow_runs", logging.ERROR, "", 1, text, (), (type(error), error, None)
    )
    assert bool(logging.getLogger("prefect.flow_runs").filter(record)) == passes


def test_a_flow_that_cannot_begin_its_work_says_so_in_a_line():
    ids: list[str] = []

    @flow(name="away")
    def away() -> None:
        ids.append(begin(OPTIONS).run_id)
        raise StorageUnavailable("s3://photos: no answer")

    with pytest.raises(StorageUnavailable):
        away()
    lines = [line.message for line in log_of(ids[0])]
    assert any("s3://photos: no answer" in line for line in lines)
    assert not any("Traceback" in line for line in lines)


def test_tags_are_added_to_those_that_a_run_has():
    @flow(name="tagged")
    def tagged() -> str:
        run = begin(OPTIONS)
        tag(["model:cnn", "store:s3://b/a"])
        return run.run_id

    with tags("mine"):
        run_id = tagged()
    with get_client(sync_client=True) as client:
        assert sorted(client.read_flow_run(run_id).tags) == ["mine", "model:cnn", "store:s3://b/a"]


def test_a_run_outside_of_prefect_has_a_name_of_its_own_unless_it_is_part_of_another():
    assert begin(OPTIONS).run_id != begin(OPTIONS).run_id
    assert begin(OPTIONS, run_id="parent").run_id == "parent"


def test_options_that_are_not_given_are_the_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INR_WORKERS", "3")
    monkeypatch.setenv("INR_DEADLINE_SECONDS", "7")
    assert begin().n_workers == 3
    assert begin(OPTIONS).n_workers == 2
    found = begin(RunOptions(deployment="a/b")).options
    assert (found.workers, found.deadline_seconds, found.deployment) == (3, 7, "a/b")
    assert found.said() == {"deployment": "a/b"}
    monkeypatch.setenv("INR_WORKERS", "many")
    with pytest.raises(ConfigError, match="workers"):
        begin()


def test_the_options_of_a_run_stay_as_given_and_what_they_leave_open_is_decided_beside_them():
    given = RunOptions(device="cpu")
    run = begin(given)
    assert run.n_workers >= 1
    assert run.n_threads >= 1
    assert run.options == given
    assert run.options.workers == 0


def test_the_clock_of_a_run_starts_with_it_and_its_summary_has_the_time():
    @flow(name="slow")
    def slow() -> Any:
        run = begin(OPTIONS)
        time.sleep(0.05)
        summary = Counted(0, run.run_id)
        with run.watched(summary):
            time.sleep(0.05)
        return ended(summary)

    assert 0.1 <= slow().wall_seconds < 60


def test_a_run_without_page_ends_with_its_summary_or_with_a_state_that_carries_it():
    assert ended(Counted(1, "run", 1)) == Counted(1, "run", 1)
    state: State[Any] = ended(Counted(1, "run", 1, n_failed=1))
    assert state.is_failed()
    assert state.data.summary.n_failed == 1


@pytest.mark.parametrize(("n_bad", "ends_as"), [(0, "Failed"), (1, "Failed"), (2, BAD)])
def test_a_run_in_which_only_originals_failed_by_their_own_fault_is_completed(n_bad: int, ends_as: str):
    @flow(name="judged")
    def judged() -> Any:
        return ended(Counted(3, "run", 3, n_failed=2, n_bad=n_bad))

    state = judged(return_state=True)
    assert state.name == ends_as
    assert state.is_completed() == (ends_as == BAD)
    if state.is_completed():
        assert judged().n_failed == 2
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(state.state_details.flow_run_id).state.name == ends_as

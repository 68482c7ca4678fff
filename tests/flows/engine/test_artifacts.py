import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.runtime import flow_run

from flows.engine import artifacts
from flows.engine.artifacts import (
    MAX_ROWS,
    Figures,
    Table,
    failures,
    figures_of,
    images,
    progress,
    publish_table,
)
from tasks.errors import SourceError
from tasks.report.summary import RunSummary
from tests.tasks import rows


def summary_of(n_archived: int, n_failed: int = 0, n_planned: int = 4) -> RunSummary:
    return RunSummary("run", "", "", "", "", n_planned, n_archived=n_archived, n_failed=n_failed)


def read(key: str) -> Artifact:
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        [found] = client.read_artifacts(artifact_filter=wanted)
    return found


def in_a_flow(name: str, body: Any) -> Any:
    return flow(name=name)(body)()


def test_a_table_is_bounded_says_what_it_left_out_and_shows_names_as_they_are():
    found = [{"image": f"<b>{n}</b>|*.png", "reason": ""} for n in range(MAX_ROWS + 5)]
    in_a_flow("bounded", lambda: publish_table(Table("images", found, 1000)))
    artifact = read("bounded-images")
    shown = json.loads(str(artifact.data))
    assert len(shown) == MAX_ROWS
    assert artifact.description == f"the first {MAX_ROWS} of 1000 rows"
    assert shown[3]["image"] == r"&lt;b>3&lt;/b>\|\*.png"


def test_a_table_without_rows_is_not_left():
    publish_table(Table("failures", [], 0))  # would fail outside of a flow


class Written:
    """Updates of progress artifacts, as they are made; each takes some seconds, or fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.states: list[tuple[float, float]] = []
        self.seconds, self.error = 0.0, ""
        self.at_once = self.most_at_once = 0
        real = artifacts._update

        def update(artifact: Any, state: Any) -> None:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            time.sleep(self.seconds)
            self.states.append((time.monotonic(), state.figures.percent))
            self.at_once -= 1
            if self.error:
                raise OSError(self.error)
            real(artifact, state)

        monkeypatch.setattr(artifacts, "_update", update)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    return Written(monkeypatch)


def shown(name: str, summaries: Sequence[RunSummary], seconds_between: float = 0.0) -> float:
    """Have summaries shown by a flow; returns the seconds that this took."""

    def body() -> float:
        began = time.monotonic()
        with progress() as show:
            for summary in summaries:
                show(summary)
                time.sleep(seconds_between)
        return time.monotonic() - began

    seconds: float = in_a_flow(name, body)
    return seconds


def test_the_last_state_is_shown_and_others_only_every_so_often(written: Written):
    shown("watched", [summary_of(n) for n in range(1000)] + [summary_of(1, 1)])
    found = read("watched-progress")
    assert float(str(found.data)) == 50.0
    assert str(found.description).startswith("2 of 4 done, 1 failed; ")
    assert len(written.states) <= 1  # one is created at the beginning, perhaps with the last state


def test_updates_are_apart_by_some_time_and_come_while_the_run_goes_on(
    written: Written, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(artifacts, "SECONDS_BETWEEN_UPDATES", 0.3)
    shown("apart", [summary_of(n, n_planned=60) for n in range(60)], 0.05)
    times = [at for at, _ in written.states[:-1]]  # the last one waits for nothing
    assert len(times) >= 3
    assert all(later - earlier >= 0.25 for earlier, later in pairwise(times))
    assert written.most_at_once == 1


def test_a_run_does_not_wait_for_a_server_that_is_slow(written: Written, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(artifacts, "SECONDS_BETWEEN_UPDATES", 0.0)
    monkeypatch.setattr(artifacts, "SECONDS_FOR_THE_LAST", 0.5)
    written.seconds = 3.0
    assert shown("slow", [summary_of(n) for n in range(20)], 0.05) < 2.5


def test_a_run_goes_on_where_its_progress_cannot_be_shown(written: Written, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(artifacts, "SECONDS_BETWEEN_UPDATES", 0.0)
    written.error = "database is locked"
    shown("locked", [summary_of(n) for n in range(4)], 0.2)
    assert len(written.states) >= 2


@pytest.mark.parametrize(
    ("figures", "seconds", "text"),
    [
        (Figures(64, 0, 0), 5.0, "0 of 64 done"),
        (Figures(64, 16, 1), 60.0, "16 of 64 done, 1 failed; 15.0 a minute, about 3 min left"),
        (Figures(64, 16, 0, 9000.0), 7200.0, "16 of 64 done; 8.0 an hour, about 6.0 h left; fits took 2.5 h"),
        (Figures(64, 2, 2), 1.0, "2 of 64 done, 2 failed"),
        (Figures(64, 64, 0, 90.0), 60.0, "64 of 64 done; fits took 90 s"),
    ],
)
def test_a_bar_says_the_rate_the_time_left_and_what_it_cost(figures: Figures, seconds: float, text: str):
    assert figures.describe(seconds).removesuffix(" over all workers") == text


def test_what_has_not_changed_is_not_written_again(written: Written, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(artifacts, "SECONDS_BETWEEN_UPDATES", 0.0)
    shown("still", [summary_of(0), *(summary_of(1) for _ in range(20))], 0.05)
    assert len([percent for _, percent in written.states if percent == 25.0]) <= 1


def test_another_process_reads_how_far_runs_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(artifacts, "SECONDS_BETWEEN_UPDATES", 0.0)
    summary = replace(summary_of(2, 1), fit_seconds=12.5)

    def body() -> tuple[UUID, object]:
        run_id = UUID(str(flow_run.id))
        with progress() as show:
            show(summary_of(0))
            wait_until(lambda: artifacts_are(run_id, 1))
            assert figures_of([run_id]) == {}  # it has said nothing yet
            show(summary)
            wait_until(lambda: bool(figures_of([run_id, uuid4()])))
            return run_id, figures_of([run_id, uuid4()])

    run_id, found = in_a_flow("far", body)
    assert found == {run_id: Figures(4, 3, 1, 12.5)}


def artifacts_are(run_id: UUID, n: int) -> bool:
    wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
    with get_client(sync_client=True) as client:
        return len(client.read_artifacts(artifact_filter=wanted)) == n


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_run_with_nothing_to_do_is_done():
    shown("idle", [summary_of(0, n_planned=0)])
    assert float(str(read("idle-progress").data)) == 100.0


def test_failures_are_rows_under_the_name_of_what_failed():
    table = failures("day", [("images of 20260101", "CatalogueError: damaged")], 7)
    assert table.rows == [{"day": "images of 20260101", "reason": "CatalogueError: damaged"}]
    assert (table.name, table.n_rows) == ("failures", 7)


def test_images_are_shown_failures_first():
    summary = summary_of(0)
    summary.add(rows.archived("a.png"))
    summary.add(rows.failed("z.png", SourceError("gone")))
    table = images(summary)
    assert [(row["image"], row["verified"]) for row in table.rows] == [("z.png", "FAILED"), ("a.png", "yes")]
    assert [row["reason"] for row in table.rows] == ["SourceError: gone", ""]
    assert table.n_rows == 2

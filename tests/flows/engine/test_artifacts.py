import json
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact

from flows.engine import artifacts
from flows.engine.artifacts import MAX_ROWS, ProgressArtifact, Table, failures, images, publish_table
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


def test_progress_is_shown_at_the_end_and_before_only_every_so_often(monkeypatch: pytest.MonkeyPatch):
    shown: list[float] = []

    def body() -> None:
        progress = ProgressArtifact(summary_of(0))
        for summary in (summary_of(1), summary_of(2, 1), summary_of(3, 1)):
            progress.update(summary)
            shown.append(float(str(read("watched-progress").data)))
        monkeypatch.setattr(artifacts, "SECONDS_BETWEEN_UPDATES", 0.0)
        progress.update(summary_of(1, 1))
        shown.append(float(str(read("watched-progress").data)))

    in_a_flow("watched", body)
    assert shown == [0.0, 0.0, 100.0, 50.0]
    assert read("watched-progress").description == "2 of 4 done, 1 failed"


def test_a_run_with_nothing_to_do_is_done():
    in_a_flow("idle", lambda: ProgressArtifact(summary_of(0, n_planned=0)) and None)
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

import json

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows.archive import archive
from flows.cli import exits
from flows.compact import compact
from tasks.catalogue import parts
from tasks.catalogue.parts import IMAGES, list_parts
from tasks.errors import ImagesFailed
from tasks.store.folder import LocalStore
from tests.flows.command import invoke
from tests.flows.conftest import BAD, DRAFT, OPTIONS, Archived


@pytest.fixture
def twice(archived: Archived) -> Archived:
    """A store with four parts of images: the failures of a folder were tried again."""
    archive(str(archived.source), str(archived.store), DRAFT, OPTIONS, retry_bad=True)
    return archived


def test_the_command_compacts_and_the_next_archive_still_knows_what_is_there(twice: Archived):
    store = LocalStore(twice.store)
    before = parts.read_images(store).to_pylist()
    found = json.loads(invoke("compact", twice.store, "--json").output)
    assert (found["n_parts"], found["n_made"], found["n_rows"], found["n_removed"]) == (4, 1, len(before), 4)
    assert len(list_parts(store, IMAGES)) == 1
    assert parts.read_images(store).to_pylist() == before
    summary = archive(str(twice.source), str(twice.store), DRAFT, OPTIONS)
    assert (summary.n_planned, summary.n_known_bad) == (0, len(BAD))


def test_prefect_shows_what_failed_and_nothing_is_removed(twice: Archived):
    damaged = list_parts(LocalStore(twice.store), IMAGES)[0]
    (twice.store / damaged).write_bytes(b"junk")
    with pytest.raises(ImagesFailed, match="1 day failed") as failure:
        compact(str(twice.store))
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(failure.value.summary.run_id)
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        )
    assert run.name == f"compact {twice.store}"
    shown = {artifact.key: artifact.data for artifact in found}
    [row] = json.loads(shown["compact-failures"])
    assert damaged in row["reason"].replace("\\", "")
    assert ", 1 failed" in shown["compact-summary"]
    assert shown["compact-progress"] == 100.0
    assert len(list_parts(LocalStore(twice.store), IMAGES)) == 4
    result = invoke("compact", twice.store)
    assert result.exit_code == exits.IMAGES_FAILED
    assert "CatalogueError" in result.output

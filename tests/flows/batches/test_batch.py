from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName

from flows import archive as archive_module
from flows.archive import archive
from flows.batches.batch import archive_batch
from tasks.catalogue.parts import IMAGES, list_parts
from tasks.catalogue.recipe import Recipe
from tasks.errors import ImagesFailed, ObjectMissing
from tasks.plan.batches import Batch, new_folder, write_batches
from tasks.store.folder import LocalStore
from tests.flows.conftest import DRAFT, OPTIONS, check_photos, rows_of
from tests.tasks.rows import source_image


def test_a_batch_of_a_run_that_is_over_does_nothing(store: LocalStore):
    folder = new_folder("run")
    given = {"n_batches": 1, "run_id": "run", "recipe": Recipe(DRAFT), "options": OPTIONS}
    with pytest.raises(ObjectMissing):
        archive_batch(store.url, folder, 0, **given)
    write_batches(store, folder, [Batch([source_image("gone.png")], {})])
    with pytest.raises(ImagesFailed, match="0 of 1 image "):
        archive_batch(store.url, folder, 0, **given)
    [row] = rows_of(store.root).values()
    assert (row["error_type"], row["archive_digest"]) == ("UnsuitableFile", Recipe(DRAFT).archive_digest())


def test_batches_are_runs_of_their_own_and_the_parent_sums_them_up(
    photos: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(archive_module, "ROUNDS", 1)
    summary = archive(str(photos), store.url, DRAFT, OPTIONS.model_copy(update={"batch_images": 2}))
    check_photos(summary, store)
    assert len(list_parts(store, IMAGES)) == 4  # what could not be read, and three batches of two
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["archive-batch"])))
    names = sorted(run.name for run in runs if store.url in run.name)
    assert names == [f"batch {n} of 3 into {store.url}, run {summary.run_id[:8]}" for n in (1, 2, 3)]

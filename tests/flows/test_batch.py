import pytest

from flows.batch import archive_batch
from tasks.catalogue.recipe import Recipe
from tasks.errors import ImagesFailed, ObjectMissing
from tasks.plan.batches import new_folder, write_batches
from tasks.store.folder import LocalStore
from tests.flows.conftest import DRAFT, OPTIONS, rows_of
from tests.tasks.rows import source_image


def test_a_batch_of_a_run_that_is_over_does_nothing(store: LocalStore):
    folder = new_folder("run")
    given = {"n_batches": 1, "run_id": "run", "config": DRAFT, "options": OPTIONS}
    with pytest.raises(ObjectMissing):
        archive_batch(store.url, folder, 0, **given)
    assert write_batches(store, folder, [source_image("gone.png")], 1) == 1
    with pytest.raises(ImagesFailed, match="0 of 1 images"):
        archive_batch(store.url, folder, 0, **given)
    [row] = rows_of(store.root).values()
    assert (row["error_type"], row["archive_digest"]) == ("SourceError", Recipe(DRAFT).archive_digest())

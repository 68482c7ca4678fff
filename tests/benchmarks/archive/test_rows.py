from pathlib import Path

from benchmarks.archive.rows import add_synthetic_rows
from tasks.catalogue.parts import HISTORY, IMAGES, IMAGES_SCHEMA, list_parts, read_history, read_images
from tasks.catalogue.query import query
from tasks.store.folder import LocalStore


def test_rows_are_those_of_the_catalogue_and_are_found_again(tmp_path: Path):
    store = LocalStore(tmp_path)
    add_synthetic_rows(store, 400, n_days=4, repeat_every=20)
    assert len(list_parts(store, IMAGES)) == len(list_parts(store, HISTORY)) == 7
    table = read_images(store)
    assert (table.num_rows, table.schema.names) == (400, IMAGES_SCHEMA.names)
    assert query(store, "select count(*) from images").rows == [(380,)]  # one row in twenty is a second one
    found = {status for (status,) in query(store, "select distinct status from images").rows}
    assert found == {"archived", "failed"}
    days = {name.rpartition("/")[2][:8] for name in list_parts(store, IMAGES)}
    assert days == {"20260626", "20260627", "20260628", "20260629"}


def test_each_archived_row_has_a_history_unless_none_is_wanted(tmp_path: Path):
    with_them, without = LocalStore(tmp_path / "a"), LocalStore(tmp_path / "b")
    add_synthetic_rows(with_them, 100)
    add_synthetic_rows(without, 100, with_histories=False)
    images = set(read_history(with_them).column("image_digest").to_pylist())
    archived = query(with_them, "select image_digest from images where key is not null").rows
    assert images == {digest for (digest,) in archived}
    assert list_parts(without, HISTORY) == []

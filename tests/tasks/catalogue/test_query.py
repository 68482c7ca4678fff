from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inr.errors import ConfigError
from tasks.catalogue.parts import IMAGES
from tasks.catalogue.query import query
from tasks.errors import CatalogueError
from tasks.steps.commit import append
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore
from tests.tasks.rows import archived, changed, failed


def test_the_example_of_the_readme(store: ObjectStore):
    append(store, [archived("a"), archived("b")])
    append(store, [failed("c")])
    answer = query(store, "select model, avg(rate_bpp) as bpp, avg(psnr_db) from images group by 1")
    assert answer.columns == ("model", "bpp", "avg(psnr_db)")
    assert answer.rows == [("mlp", 0.375, 31.25)]


def test_images_has_the_latest_row_of_each_and_all_images_has_all(store: ObjectStore):
    first = archived("a")
    earlier = failed("a")
    append(store, [earlier, archived("b")])
    append(store, [changed(first, recorded_at=earlier.recorded_at + timedelta(seconds=1))])
    sql = "select status, count(*) from {} group by 1 order by 1"
    assert query(store, sql.format("images")).rows == [("archived", 2)]
    assert query(store, sql.format("all_images")).rows == [("archived", 2), ("failed", 1)]


def test_an_empty_archive_has_empty_tables(store: ObjectStore):
    for table in ("images", "all_images", "history"):
        assert query(store, f"select count(*) from {table}").rows == [(0,)]


def test_parts_with_fewer_or_more_columns_are_one_table(store: ObjectStore):
    append(store, [archived("a")])
    key = store.objects(IMAGES)[0].key
    table = pq.read_table(pa.BufferReader(store.get(key, max_bytes=1 << 20)))
    older = table.drop_columns(["psnr_db", "notes"]).append_column("gone", pa.array([1]))
    older = older.replace_schema_metadata({"inr.schema_version": "1"})
    sink = pa.BufferOutputStream()
    pq.write_table(older, sink)
    store.put(f"{IMAGES}/older.parquet", bytes(sink.getvalue()))
    rows = query(store, "select psnr_db is null, len(notes) from all_images order by 1").rows
    assert rows == [(False, 1), (True, None)]


@pytest.mark.parametrize(
    "sql",
    [
        "",
        " ; ",
        "selec 1",
        "select nothing from images",
        "select * from nowhere",
        "select * from '/etc/passwd'",
        "select * from read_text('/etc/passwd')",
        "copy images to 'stolen.csv'",
        "attach 'other.db'",
        "install httpfs",
        "set enable_external_access = true",
    ],
)
def test_what_is_wrong_or_not_allowed_is_the_callers_error(tmp_path: Path, sql: str):
    with pytest.raises(ConfigError, match="query: "):
        query(open_store(str(tmp_path)), sql)


def test_a_damaged_part_is_named(tmp_path: Path):
    store = open_store(str(tmp_path))
    append(store, [archived(str(n)) for n in range(50)])
    path = tmp_path / store.objects(IMAGES)[0].key
    data = bytearray(path.read_bytes())
    path.write_bytes(bytes(data[:-20]))
    with pytest.raises(CatalogueError, match=path.name):
        query(store, "select * from images")
    data[200:260] = bytes(60)
    path.write_bytes(bytes(data))
    with pytest.raises(CatalogueError):
        query(store, "select * from images")

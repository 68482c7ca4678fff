import contextlib
import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.catalogue import parts
from tasks.catalogue.columns import AUDITS_COLUMNS, HISTORY_COLUMNS, IMAGES_COLUMNS, TableColumns
from tasks.catalogue.parts import IMAGES, IMAGES_SCHEMA, new_part_name
from tasks.catalogue.records import now
from tasks.catalogue.rows import row_of
from tasks.catalogue.undisturbed import READS
from tasks.errors import CatalogueError, ObjectMissing
from tasks.steps.commit import append
from tasks.store.folder import LocalStore
from tests.tasks.rows import archived, failed

GOLDEN_PARTS = Path(__file__).parents[2] / "vectors" / "catalogue"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.mark.parametrize(
    ("table", "known"),
    [("images", IMAGES_COLUMNS), ("history", HISTORY_COLUMNS), ("audits", AUDITS_COLUMNS)],
)
def test_the_schema_has_the_columns_and_says_its_version(table: str, known: TableColumns):
    schema = parts.SCHEMAS[f"catalogue/{table}"]
    assert [(field.name, field.nullable) for field in schema] == [
        (name, null) for name, _, null in known.columns
    ]
    assert schema.metadata == {b"inr.table": table.encode(), b"inr.schema_version": b"%d" % known.version}


def test_a_part_has_a_name_of_its_own_and_a_compacted_one_is_known_by_its():
    names = {new_part_name() for _ in range(100)}
    assert len(names) == 100
    assert not any(parts.is_compacted(f"{IMAGES}/{name}") for name in names)
    assert parts.is_compacted(f"{IMAGES}/20260101Z-000001.parquet")
    assert not parts.is_compacted(f"{IMAGES}/20260101Z-1.parquet")


def test_columns_that_are_asked_for_are_read_alone(store: LocalStore):
    append(store, [archived("a"), failed("b")])
    table = parts.read_images(store, ("source_path", "status"))
    assert table.schema.names == ["source_path", "status"]
    assert table.to_pylist() == [
        {"source_path": "a", "status": "archived"},
        {"source_path": "b", "status": "failed"},
    ]


def test_rows_since_a_time_are_those_of_the_parts_named_later(store: LocalStore):
    at = now()
    for days in (-2, -1, 0, 1):
        name = f"{at + timedelta(days=days):%Y%m%dT%H%M%SZ}-{days + 2:032}.parquet"
        parts.write_rows(store, IMAGES, name, [row_of(archived(f"{days}"))])
    found = parts.read_images(store, ("source_path",), since=at).to_pylist()
    assert [row["source_path"] for row in found] == ["0", "1"]
    ahead = at + timedelta(days=3)
    append(store, [archived("ahead", recorded_at=ahead)])  # its part is named so, too
    found = parts.read_images(store, since=ahead).to_pylist()
    assert [row["source_path"] for row in found] == ["ahead"]


class Vanishing(LocalStore):
    """Its first part goes while it is read, as often as asked."""

    def __init__(self, root: Path, times: int) -> None:
        super().__init__(root)
        self.times = times

    def get(self, key: str, *, max_bytes: int) -> bytes:
        if self.times > 0:
            self.times -= 1
            raise ObjectMissing(f"read {key}: there is no such object")
        return super().get(key, max_bytes=max_bytes)


def test_a_read_begins_again_where_a_part_went_away_but_not_for_ever(store: LocalStore):
    append(store, [archived()])
    assert parts.read_images(Vanishing(store.root, READS - 1)).num_rows == 1
    with pytest.raises(ObjectMissing):
        parts.read_images(Vanishing(store.root, READS))


def test_a_failure_is_a_row_with_its_reason(store: LocalStore):
    append(store, [failed(error=ValueError("x" * 5000)), failed("b", KeyError())])
    long, empty = parts.read_images(store).to_pylist()
    assert (long["status"], long["error_type"], len(long["error_message"])) == ("failed", "ValueError", 2000)
    assert empty["error_message"] == "KeyError"
    assert long["key"] is None


def test_parts_say_their_version_and_never_share_a_name(store: LocalStore):
    for _ in range(3):
        append(store, [archived()])
    found = store.objects(IMAGES)
    assert len(found) == 3
    for part in found:
        schema = pq.read_schema(store.path(part.key))
        assert schema.metadata[b"inr.table"] == b"images"
        assert schema.metadata[b"inr.schema_version"] == b"3"
        assert schema.equals(IMAGES_SCHEMA)


def test_a_part_with_other_columns_reads_as_today(store: LocalStore):
    table = pa.Table.from_pylist([row_of(archived())], schema=IMAGES_SCHEMA)
    older = table.drop_columns(["ms_ssim", "notes"]).append_column("gone", pa.array([1]))
    older = older.replace_schema_metadata(IMAGES_SCHEMA.metadata)
    sink = pa.BufferOutputStream()
    pq.write_table(older, sink)
    store.put(f"{IMAGES}/older.parquet", bytes(sink.getvalue()))
    append(store, [archived("b")])
    read = parts.read_images(store)
    assert read.schema.names == IMAGES_SCHEMA.names
    assert read["notes"].to_pylist() == [["converted from P to RGB"], None]


@pytest.mark.parametrize("table", parts.SCHEMAS)
def test_parts_of_every_schema_version_are_read(store: LocalStore, table: str):
    """The golden parts, see tests/vectors/make_parts.py: each alone, and all as one table."""
    schema = parts.SCHEMAS[table]
    expected = []
    for version in range(1, int(schema.metadata[b"inr.schema_version"]) + 1):
        golden = GOLDEN_PARTS / f"{table.rpartition('/')[2]}-{version}"
        store.put(f"{table}/{version}.parquet", golden.with_suffix(".parquet").read_bytes())
        rows = json.loads(golden.with_suffix(".json").read_text())
        expected += [{**dict.fromkeys(schema.names), **row} for row in rows]
    found = parts.contents(store, table, lambda: parts.list_parts(store, table)).rows
    assert json.loads(json.dumps(found.to_pylist(), default=str)) == expected
    assert parts.dataset(store, table).to_table().num_rows == len(expected)


def test_parts_of_a_newer_program_and_files_that_are_none_are_refused(store: LocalStore):
    newer = pa.table({"status": ["archived"]}).replace_schema_metadata({"inr.schema_version": "4"})
    sink = pa.BufferOutputStream()
    pq.write_table(newer, sink)
    for data, reason in (
        (bytes(sink.getvalue()), "version 1 to 3, found 4"),
        (b"junk", "not a readable part"),
    ):
        store.put(f"{IMAGES}/x.parquet", data)
        with pytest.raises(CatalogueError, match=reason):
            parts.read_images(store)
        store.delete(f"{IMAGES}/x.parquet")


def test_a_flipped_bit_in_a_value_is_found(store: LocalStore):
    append(store, [archived(str(n)) for n in range(3)])
    path = store.path(store.objects(IMAGES)[0].key)
    whole = path.read_bytes()
    path.write_bytes(whole[:150] + bytes([whole[150] ^ 1]) + whole[151:])
    with pytest.raises(CatalogueError):
        parts.read_images(store)


@given(st.data())
def test_a_damaged_part_reads_as_it_was_or_raises_the_one_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    """Pages have checksums; the footer, which says how to read them, has the one of the file."""
    store = LocalStore(tmp_path_factory.mktemp("store"))
    append(store, [archived(str(n)) for n in range(3)])
    written = parts.read_images(store)
    path = store.path(store.objects(IMAGES)[0].key)
    part = bytearray(path.read_bytes())
    footer = len(part) - 8 - int.from_bytes(part[-8:-4], "little")
    first = footer if data.draw(st.booleans()) else 0
    place = first + data.draw(st.integers(0, 1 << 20)) % (len(part) - first)
    part[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(part))
    for read in (parts.read_images, lambda store: parts.dataset(store, IMAGES)):
        with contextlib.suppress(CatalogueError):
            assert read(store).schema.names == IMAGES_SCHEMA.names
    with contextlib.suppress(CatalogueError):
        assert parts.read_images(store).equals(written)


def test_a_part_says_its_own_digest(store: LocalStore):
    append(store, [archived()])
    path = store.path(store.objects(IMAGES)[0].key)
    part = path.read_bytes()
    digest = pq.read_metadata(path).metadata[b"inr.sha256"]
    assert hashlib.sha256(part.replace(digest, b"0" * 64)).hexdigest().encode() == digest
    path.write_bytes(part.replace(digest, b"f" * 64))
    with pytest.raises(CatalogueError, match="does not have the SHA-256 that it says"):
        parts.read_images(store)


def test_an_empty_store_has_an_empty_catalogue(store: LocalStore):
    assert parts.read_images(store).num_rows == 0

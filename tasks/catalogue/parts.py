"""The catalogue as files: Parquet parts of ``images``, ``history`` and ``audits``.

CATALOGUE.md describes the columns, and what will not change. A part is written once, under a name
of its own, and never changed. Readers leave out parts that a compacted one replaces. Parts are bytes
from outside: their size is bounded, and what is not a part raises `CatalogueError`.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from tasks.catalogue.columns import (
    AUDITS_COLUMNS,
    HISTORY_COLUMNS,
    IMAGES_COLUMNS,
    Row,
    TableColumns,
)
from tasks.catalogue.records import now
from tasks.catalogue.undisturbed import undisturbed
from tasks.errors import CatalogueError, ChecksumFailed
from tasks.store.objects import ObjectStore
from tasks.store.seal import BLANK, is_intact, sealed

IMAGES = "catalogue/images"
HISTORY = "catalogue/history"
AUDITS = "catalogue/audits"
MAX_PART_BYTES = 1 << 30
ROWS_PER_GROUP = 65_536

Made = TypeVar("Made")

_REPLACES = b"inr.replaces"
_SHA256 = b"inr.sha256"
_COMPACTED = re.compile(r"\d{8}Z-\d{6}\.parquet")
_TIME = pa.timestamp("us", tz="UTC")
_TYPES = {
    "timestamp[us, UTC]": _TIME,
    "list<string>": pa.list_(pa.string()),
    "string": pa.string(),
    "double": pa.float64(),
    **{f"int{bits}": getattr(pa, f"int{bits}")() for bits in (8, 16, 32, 64)},
}


def _schema(table: str, known: TableColumns) -> pa.Schema:
    fields = [pa.field(name, _TYPES[type_], nullable=nullable) for name, type_, nullable in known.columns]
    return pa.schema(fields, metadata={"inr.table": table, "inr.schema_version": str(known.version)})


IMAGES_SCHEMA = _schema("images", IMAGES_COLUMNS)
HISTORY_SCHEMA = _schema("history", HISTORY_COLUMNS)
AUDITS_SCHEMA = _schema("audits", AUDITS_COLUMNS)
SCHEMAS = {IMAGES: IMAGES_SCHEMA, HISTORY: HISTORY_SCHEMA, AUDITS: AUDITS_SCHEMA}


def new_part_name(*recorded: datetime) -> str:
    """A name that no other part has; its time is now, or that of the latest of its rows if that is later."""
    return f"{_second(max([now(), *recorded]))}-{uuid.uuid4().hex}.parquet"


def write_rows(store: ObjectStore, prefix: str, name: str, rows: list[Row]) -> None:
    """Write one part of a table, `IMAGES`, `HISTORY` or `AUDITS`.

    Raises:
        StorageError: The store refused.
    """
    store.put(f"{prefix}/{name}", _parquet(pa.Table.from_pylist(rows, schema=SCHEMAS[prefix])))


def read_audits(store: ObjectStore, columns: Sequence[str] | None = None) -> pa.Table:
    """Every row of ``audits``."""
    return _read(store, AUDITS, columns)


def read_images(
    store: ObjectStore, columns: Sequence[str] | None = None, *, since: datetime | None = None
) -> pa.Table:
    """Every row of ``images``, in the order of part names, with the columns named or all of them.

    Where a time is given, only parts are read whose names are of that time or later: all rows are among
    these that were recorded since. They are few, unless the time is long ago.
    """
    return _read(store, IMAGES, columns, "" if since is None else f"{IMAGES}/{_second(since)}")


def read_history(store: ObjectStore, columns: Sequence[str] | None = None) -> pa.Table:
    """Every row of ``history``."""
    return _read(store, HISTORY, columns)


def _second(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def dataset(store: ObjectStore, prefix: str) -> ds.Dataset:
    """`IMAGES`, `HISTORY` or `AUDITS`, to be unpacked column by column; parts are held as they are stored.

    Times are UTC, without a zone. A column that a part lacks is null.

    Raises:
        CatalogueError: A part is damaged, or newer than this program.
        StorageError: The store cannot be read.
    """
    schema = SCHEMAS[prefix]
    layout = ds.ParquetFileFormat(
        default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    )

    def fragment(data: bytes, key: str) -> ds.Fragment:
        with _readable(key):
            _opened(data, key, schema)
            return layout.make_fragment(pa.BufferReader(data))

    _, fragments, _ = undisturbed(partial(list_parts, store, prefix), partial(_part, store, fragment))
    without_zone = [
        pa.field(field.name, pa.timestamp("us") if field.type == _TIME else field.type) for field in schema
    ]
    return ds.FileSystemDataset(list(fragments.values()), pa.schema(without_zone), layout)


def list_parts(store: ObjectStore, prefix: str) -> list[str]:
    """Keys of all parts of a table, sorted; they may include parts that a compaction has replaced.

    A listing can miss both a part that is removed while it runs and the part's replacement. So list again
    until no new compacted part appears.
    """
    listed = _listed(store, prefix)
    while set(filter(is_compacted, following := _listed(store, prefix))) - set(listed):
        listed = following
    return listed


def is_compacted(key: str) -> bool:
    """Return whether a compaction made a part."""
    return _COMPACTED.fullmatch(_name(key)) is not None


@dataclass(frozen=True)
class Contents:
    """The rows that some parts of a table hold together.

    Attributes:
        listed: Keys of all parts that were listed, sorted.
        keys: Keys of those that count, sorted.
        replaced: Names of the parts that they replace, whether those are still there or not.
        rows: Every row, in the order of part names, in today's columns.
    """

    listed: tuple[str, ...]
    keys: tuple[str, ...]
    replaced: frozenset[str]
    rows: pa.Table


def contents(store: ObjectStore, prefix: str, listing: Callable[[], list[str]]) -> Contents:
    """Read the parts of a table that a listing names and that count. Raises as `undisturbed`."""
    schema = SCHEMAS[prefix]
    read = partial(_read_part, schema, list(schema))
    listed, tables, replaced = undisturbed(listing, partial(_part, store, read))
    return Contents(tuple(listed), tuple(tables), frozenset(replaced), _joined(tables, schema))


def not_counting(store: ObjectStore, listing: Callable[[], list[str]]) -> set[str]:
    """The keys of those parts of a listing that others of them replace. Raises as `undisturbed`."""
    listed, counting, _ = undisturbed(listing, partial(_part, store, lambda data, key: None))
    return set(listed) - set(counting)


def write_compacted(store: ObjectStore, prefix: str, name: str, rows: pa.Table, replaces: set[str]) -> bool:
    """Create a part that replaces others, and compare it with its rows; False if the name is taken.

    Raises:
        CatalogueError, ChecksumFailed: It does not read back as it was written; it is removed again.
        StorageError: The store refused.
    """
    key = f"{prefix}/{name}"
    metadata = {**SCHEMAS[prefix].metadata, _REPLACES: json.dumps(sorted(replaces)).encode()}
    if not store.put(key, _parquet(rows.replace_schema_metadata(metadata))):
        return False
    try:
        if not _comparable(contents(store, prefix, lambda: [key]).rows).equals(_comparable(rows)):
            raise CatalogueError(f"{key}: does not read back as it was written")
    except (CatalogueError, ChecksumFailed):
        store.delete(key)
        raise
    return True


def _comparable(rows: pa.Table) -> pa.Table:
    """The rows with numbers as their bits, since a NaN does not equal itself."""
    columns = [
        column.combine_chunks().view(pa.int64()) if column.type == pa.float64() else column
        for column in rows.columns
    ]
    return pa.table(columns, names=rows.column_names)


def _part(store: ObjectStore, made: Callable[[bytes, str], Made], key: str) -> tuple[Made, list[str]]:
    """What is made of the bytes and the key of a part, and the names that it replaces."""
    data = store.get(key, max_bytes=MAX_PART_BYTES)
    _check(data, key)
    replaces = _replaces(data, key)
    return made(data, key), replaces


def _check(data: bytes, key: str) -> None:
    """Raise unless a part is as it was written; the checksums of its pages do not cover the footer."""
    with _readable(key):
        digest = (pq.read_metadata(pa.BufferReader(data)).metadata or {}).get(_SHA256)
        if digest is not None and not is_intact(data, digest):  # the oldest parts have none
            raise ValueError("it does not have the SHA-256 that it says")


def _replaces(data: bytes, key: str) -> list[str]:
    if not is_compacted(key):
        return []
    with _readable(key):
        metadata = pq.read_schema(pa.BufferReader(data)).metadata or {}
        names = json.loads(metadata.get(_REPLACES, b"[]"))
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise CatalogueError(f"{key}: inr.replaces: expected a list of names, found {names!s:.200}")
    return names


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _SHA256: BLANK})
    pq.write_table(table, sink, compression="zstd", row_group_size=ROWS_PER_GROUP, write_page_checksum=True)
    return sealed(sink.getvalue().to_pybytes())


def _read(store: ObjectStore, prefix: str, columns: Sequence[str] | None, first: str = "") -> pa.Table:
    schema = SCHEMAS[prefix]
    fields = [schema.field(name) for name in columns or schema.names]
    read = partial(_part, store, partial(_read_part, schema, fields))
    _, tables, _ = undisturbed(lambda: [key for key in list_parts(store, prefix) if key >= first], read)
    return _joined(tables, pa.schema(fields))


def _joined(tables: Mapping[str, pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables(tables.values()) if tables else schema.empty_table()


def _read_part(schema: pa.Schema, fields: list[pa.Field], data: bytes, key: str) -> pa.Table:
    """One part in today's columns: those it lacks are null, those it has beyond ours are left out."""
    with _readable(key):
        table = _opened(data, key, schema).read(columns=[field.name for field in fields])
        arrays = [
            table[field.name].cast(field.type)
            if field.name in table.column_names
            else pa.nulls(table.num_rows, field.type)
            for field in fields
        ]
    return pa.table(arrays, schema=pa.schema([field.with_nullable(True) for field in fields]))


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _listed(store: ObjectStore, prefix: str) -> list[str]:
    return [found.key for found in store.objects(prefix) if found.key.endswith(".parquet")]


def _opened(data: bytes, key: str, schema: pa.Schema) -> pq.ParquetFile:
    """A part of a version that this program knows."""
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    found = (file.schema_arrow.metadata or {}).get(b"inr.schema_version", b"0")
    newest = int(schema.metadata[b"inr.schema_version"])
    if not 1 <= int(found) <= newest:
        raise CatalogueError(f"{key}: expected schema version 1 to {newest}, found {found.decode()}")
    return file


@contextmanager
def _readable(key: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CatalogueError(f"{key}: is not a readable part: {error}") from error

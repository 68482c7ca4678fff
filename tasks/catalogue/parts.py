"""The catalogue as files: Parquet parts of ``images``, ``history`` and ``audits``.

CATALOGUE.md describes the columns, and what will not change. A part is written once, under a name
of its own, and never changed. Readers leave out parts that a compacted one replaces. Parts are bytes
from outside: their size is bounded, and what is not a part raises `CatalogueError`.
"""

import functools
import json
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

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
from tasks.errors import CatalogueError, ObjectMissing
from tasks.store.objects import ObjectStore
from tasks.store.seal import BLANK, is_intact, sealed

IMAGES = "catalogue/images"
HISTORY = "catalogue/history"
AUDITS = "catalogue/audits"
MAX_PART_BYTES = 1 << 30
ROWS_PER_GROUP = 65_536
READS = 5  # attempts to read a table while compactions remove its parts

Read = TypeVar("Read")
P = ParamSpec("P")

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


def new_part_name() -> str:
    """A name that no other part has."""
    return f"{now():%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex}.parquet"


def write_rows(store: ObjectStore, prefix: str, name: str, rows: list[Row]) -> None:
    """Write one part of a table, `IMAGES`, `HISTORY` or `AUDITS`.

    Raises:
        StorageError: The store refused.
    """
    store.put(f"{prefix}/{name}", _parquet(pa.Table.from_pylist(rows, schema=SCHEMAS[prefix])))


def read_audits(store: ObjectStore, columns: Sequence[str] | None = None) -> pa.Table:
    """Every row of ``audits``."""
    return _read(store, AUDITS, columns)


def read_images(store: ObjectStore, columns: Sequence[str] | None = None) -> pa.Table:
    """Every row of ``images``, in the order of part names, with the columns named or all of them."""
    return _read(store, IMAGES, columns)


def read_history(store: ObjectStore, columns: Sequence[str] | None = None) -> pa.Table:
    """Every row of ``history``."""
    return _read(store, HISTORY, columns)


def undisturbed(read: Callable[P, Read]) -> Callable[P, Read]:
    """Begin a read again, at most `READS` times, where a part went away after it was listed."""

    @functools.wraps(read)
    def attempt(*args: P.args, **kwargs: P.kwargs) -> Read:
        for _ in range(READS - 1):
            try:
                return read(*args, **kwargs)
            except ObjectMissing:  # a compaction has replaced it meanwhile
                continue
        return read(*args, **kwargs)

    return attempt


@undisturbed
def dataset(store: ObjectStore, prefix: str) -> ds.Dataset:
    """A table that is unpacked column by column as it is scanned; its parts are held as they are stored.

    Times are UTC, without a zone. A column that a part lacks is null.

    Args:
        store: The store that holds the parts.
        prefix: `IMAGES`, `HISTORY` or `AUDITS`.

    Raises:
        CatalogueError: A part is damaged, or newer than this program.
        StorageError: The store cannot be read.
    """
    schema = SCHEMAS[prefix]
    layout = ds.ParquetFileFormat(
        default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    )
    fragments = []
    for key, data in _last_first(store, list_parts(store, prefix)):
        with _readable(key):
            _opened(data, key, schema)
            fragments.append(layout.make_fragment(pa.BufferReader(data)))
    without_zone = [
        pa.field(field.name, pa.timestamp("us") if field.type == _TIME else field.type) for field in schema
    ]
    return ds.FileSystemDataset(fragments[::-1], pa.schema(without_zone), layout)


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
    return _COMPACTED.fullmatch(key.rpartition("/")[2]) is not None


@dataclass(frozen=True)
class Contents:
    """The rows that some parts of a table hold together.

    Attributes:
        keys: Keys of the parts that count, sorted.
        replaced: Names of the parts that they replace, whether those are still there or not.
        rows: Every row, in the order of part names, in today's columns.
    """

    keys: tuple[str, ...]
    replaced: frozenset[str]
    rows: pa.Table


def contents(store: ObjectStore, prefix: str, keys: Sequence[str]) -> Contents:
    """Read parts, less those that others of them replace.

    Args:
        store: The store that holds them.
        prefix: Prefix of their table.
        keys: Keys of the parts, sorted.

    Raises:
        ObjectMissing: A part is gone.
        CatalogueError, StorageError: A part cannot be read.
    """
    schema, read, replaced = SCHEMAS[prefix], [], set[str]()
    for key, data in _last_first(store, keys):
        read.append((key, _read_part(data, key, schema, list(schema))))
        replaced.update(_replaces(data, key))
    tables = [table for _, table in reversed(read)]
    rows = pa.concat_tables(tables) if tables else schema.empty_table()
    return Contents(tuple(key for key, _ in reversed(read)), frozenset(replaced), rows)


def counting(store: ObjectStore, keys: Sequence[str]) -> list[str]:
    """The keys, sorted, of those parts that no other of them replaces. Raises as `contents`."""
    return [key for key, _ in _last_first(store, keys)][::-1]


def write_compacted(store: ObjectStore, prefix: str, name: str, rows: pa.Table, replaces: set[str]) -> bool:
    """Create a part that replaces others, and compare it with its rows; False if the name is taken.

    Raises:
        CatalogueError: It does not read back as it was written; it is removed, as it stops readers.
        StorageError: The store refused.
    """
    key = f"{prefix}/{name}"
    metadata = {**SCHEMAS[prefix].metadata, _REPLACES: json.dumps(sorted(replaces)).encode()}
    if not store.put(key, _parquet(rows.replace_schema_metadata(metadata))):
        return False
    try:
        if not _comparable(contents(store, prefix, [key]).rows).equals(_comparable(rows)):
            raise CatalogueError(f"{key}: does not read back as it was written")
    except CatalogueError:
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


def _last_first(store: ObjectStore, keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of each part that counts: a replacement comes before what it replaces."""
    replaced: set[str] = set()
    for key in reversed(keys):
        if key.rpartition("/")[2] not in replaced:
            data = store.get(key, max_bytes=MAX_PART_BYTES)
            _check(data, key)
            replaced.update(_replaces(data, key))
            yield key, data


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


@undisturbed
def _read(store: ObjectStore, prefix: str, columns: Sequence[str] | None) -> pa.Table:
    schema = SCHEMAS[prefix]
    fields = [schema.field(name) for name in columns or schema.names]
    tables = [
        _read_part(data, key, schema, fields) for key, data in _last_first(store, list_parts(store, prefix))
    ]
    return pa.concat_tables(tables[::-1]) if tables else pa.schema(fields).empty_table()


def _read_part(data: bytes, key: str, schema: pa.Schema, fields: list[pa.Field]) -> pa.Table:
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

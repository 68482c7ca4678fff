"""The catalogue: Parquet parts of ``images``, ``history`` and ``audits``. The only importer of pyarrow.

CATALOGUE.md describes the columns, and what will not change. A part is written once, under a name
of its own, and never changed. Readers take the latest record of each (image, archive digest). Parts
are bytes from outside: their size is bounded, and what is not a part raises `CatalogueError`.
"""

import dataclasses
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from prefect import task

from tasks import journal
from tasks.errors import CatalogueError, StorageUnavailable
from tasks.journal import HistoryPoint
from tasks.objects import ObjectStore
from tasks.record import (
    ARCHIVED,
    AUDITS_SCHEMA_VERSION,
    IMAGES_SCHEMA_VERSION,
    LOST,
    AuditRow,
    CatalogueRecord,
    now,
)
from tasks.storage import open_store

HISTORY_SCHEMA_VERSION = 1
IMAGES = "catalogue/images"
HISTORY = "catalogue/history"
AUDITS = "catalogue/audits"
MAX_PART_BYTES = 1 << 30
ROWS_PER_GROUP = 65_536

Row = dict[str, Any]

_TIME = pa.timestamp("us", tz="UTC")
_TEXTS = pa.list_(pa.string())


def _schema(table: str, version: int, fields: list[tuple[str, pa.DataType, bool]]) -> pa.Schema:
    columns = [pa.field(name, type_, nullable=nullable) for name, type_, nullable in fields]
    return pa.schema(columns, metadata={"inr.table": table, "inr.schema_version": str(version)})


IMAGES_SCHEMA = _schema(
    "images",
    IMAGES_SCHEMA_VERSION,
    [
        ("schema_version", pa.int16(), False),
        ("run_id", pa.string(), False),
        ("recorded_at", _TIME, False),
        ("status", pa.string(), False),
        ("error_type", pa.string(), True),
        ("error_message", pa.string(), True),
        ("image_digest", pa.string(), True),
        ("archive_digest", pa.string(), False),
        ("config_digest", pa.string(), False),
        ("config_json", pa.string(), False),
        ("key", pa.string(), True),
        ("bitstream_digest", pa.string(), True),
        ("symbols_digest", pa.string(), True),
        ("pixels_digest", pa.string(), True),
        ("source_uri", pa.string(), False),
        ("source_path", pa.string(), False),
        ("also_at", _TEXTS, False),
        ("source_n_bytes", pa.int64(), True),
        ("source_format", pa.string(), True),
        ("source_mode", pa.string(), True),
        ("width", pa.int32(), True),
        ("height", pa.int32(), True),
        ("channels", pa.int8(), True),
        ("icc_n_bytes", pa.int64(), True),
        ("exif_n_bytes", pa.int64(), True),
        ("notes", _TEXTS, False),
        ("model", pa.string(), False),
        ("preset", pa.string(), False),
        ("goal", pa.string(), False),
        ("goal_value", pa.float64(), False),
        ("seed", pa.int64(), False),
        ("rd_lambda", pa.float64(), True),
        ("n_parameters", pa.int64(), True),
        ("n_bytes", pa.int64(), True),
        ("rate_bpp", pa.float64(), True),
        ("estimated_rate_bits", pa.float64(), True),
        ("psnr_db", pa.float64(), True),
        ("ms_ssim", pa.float64(), True),
        ("attempts", pa.int32(), True),
        ("restarts", pa.int32(), True),
        ("fit_seconds", pa.float64(), True),
        ("encode_seconds", pa.float64(), True),
        ("decode_seconds", pa.float64(), True),
        ("verify_seconds", pa.float64(), True),
        ("verified_at", _TIME, True),
        ("device", pa.string(), True),
        ("n_threads", pa.int32(), True),
        ("format_version", pa.int32(), False),
        ("encoder_version", pa.string(), False),
        ("torch_version", pa.string(), False),
        ("python_version", pa.string(), False),
        ("machine", pa.string(), False),
    ],
)

HISTORY_SCHEMA = _schema(
    "history",
    HISTORY_SCHEMA_VERSION,
    [
        ("schema_version", pa.int16(), False),
        ("run_id", pa.string(), False),
        ("image_digest", pa.string(), False),
        ("archive_digest", pa.string(), False),
        ("config_digest", pa.string(), False),
        ("attempt", pa.int32(), False),
        ("step", pa.int32(), False),
        ("n_steps", pa.int32(), False),
        ("rd_lambda", pa.float64(), False),
        ("estimated_bpp", pa.float64(), False),
        ("psnr_db", pa.float64(), False),
    ],
)


AUDITS_SCHEMA = _schema(
    "audits",
    AUDITS_SCHEMA_VERSION,
    [
        ("schema_version", pa.int16(), False),
        ("run_id", pa.string(), False),
        ("checked_at", _TIME, False),
        ("key", pa.string(), False),
        ("image_digest", pa.string(), True),
        ("archive_digest", pa.string(), True),
        ("status", pa.string(), False),
        ("error_type", pa.string(), True),
        ("error_message", pa.string(), True),
        ("n_bytes", pa.int64(), True),
        ("decode_seconds", pa.float64(), True),
    ],
)


@task(
    task_run_name="record {n_records} images",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=lambda _task, _run, state: isinstance(state.data, StorageUnavailable),
)
def record_batch(store_url: str, records: Sequence[CatalogueRecord], n_records: int) -> None:
    """Commit a batch: history part, images part, then the claims are settled and go."""
    store = open_store(store_url)
    append(store, records)
    for record in records:
        if record.status == ARCHIVED and record.image_digest:
            journal.forget(store, record.image_digest, record.archive_digest)


def append(store: ObjectStore, records: Sequence[CatalogueRecord]) -> None:
    """Write one part of each table; the history first, because a record is the commit."""
    history = list(_history_rows(store, records))
    name = _part_name()
    if history:
        store.put(f"{HISTORY}/{name}", _part(history, HISTORY_SCHEMA))
    store.put(f"{IMAGES}/{name}", _part([dataclasses.asdict(record) for record in records], IMAGES_SCHEMA))


def append_audits(store: ObjectStore, rows: Sequence[AuditRow]) -> None:
    """Write one part of ``audits``."""
    part = _part([dataclasses.asdict(row) for row in rows], AUDITS_SCHEMA)
    store.put(f"{AUDITS}/{_part_name()}", part)


def read_audits(store: ObjectStore, columns: Sequence[str] | None = None) -> pa.Table:
    """Every row of ``audits``."""
    return _read(store, AUDITS, AUDITS_SCHEMA, columns)


def last_audits(store: ObjectStore) -> dict[str, AuditRow]:
    """The latest audit of each key."""
    newest: dict[str, AuditRow] = {}
    for values in read_audits(store).to_pylist():
        row = AuditRow(**values)
        if row.key not in newest or row.checked_at >= newest[row.key].checked_at:
            newest[row.key] = row
    return newest


def read_images(store: ObjectStore, columns: Sequence[str] | None = None) -> pa.Table:
    """Every row of ``images``, in the order of part names, with the columns named or all of them."""
    return _read(store, IMAGES, IMAGES_SCHEMA, columns)


def read_history(store: ObjectStore, columns: Sequence[str] | None = None) -> pa.Table:
    """Every row of ``history``."""
    return _read(store, HISTORY, HISTORY_SCHEMA, columns)


def dataset(store: ObjectStore, prefix: str, schema: pa.Schema) -> ds.Dataset:
    """A table that is unpacked column by column as it is scanned; its parts are held as they are stored.

    Times are UTC, without a zone.

    Args:
        store: Where the parts are.
        prefix: `IMAGES` or `HISTORY`.
        schema: Its schema today; what a part lacks is null.

    Raises:
        CatalogueError: A part is damaged, or newer than this program.
        StorageError: The store cannot be read.
    """
    layout = ds.ParquetFileFormat(
        default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    )
    fragments = []
    for key in _parts(store, prefix):
        data = store.get(key, max_bytes=MAX_PART_BYTES)
        with _readable(key):
            _opened(data, key, schema)
            fragments.append(layout.make_fragment(pa.BufferReader(data)))
    without_zone = [
        pa.field(field.name, pa.timestamp("us") if field.type == _TIME else field.type) for field in schema
    ]
    return ds.FileSystemDataset(fragments, pa.schema(without_zone), layout)


def latest(rows: Iterable[Row]) -> list[Row]:
    """The latest row of each (image, archive digest); files without a digest stand for themselves."""
    newest: dict[tuple[str, str], Row] = {}
    for row in rows:
        name = (row["image_digest"] or row["source_uri"], row["archive_digest"])
        if name not in newest or row["recorded_at"] >= newest[name]["recorded_at"]:
            newest[name] = row
    return list(newest.values())


def archived_objects(store: ObjectStore, archive_digest: str) -> dict[str, tuple[str, int]]:
    """Image digest → (key, size in bytes) of each image whose latest record says ``archived``.

    Left out are those that an audit later found damaged or missing.
    """
    columns = ("image_digest", "archive_digest", "source_uri", "recorded_at", "status", "key", "n_bytes")
    table = read_images(store, columns)
    rows = table.filter(pc.equal(table["archive_digest"], archive_digest)).to_pylist()
    audits = last_audits(store)
    return {
        row["image_digest"]: (row["key"], row["n_bytes"])
        for row in latest(rows)
        if row["status"] == ARCHIVED and not _lost(audits.get(row["key"]), row["recorded_at"])
    }


def _lost(audit: AuditRow | None, recorded_at: datetime) -> bool:
    return audit is not None and audit.status in LOST and audit.checked_at > recorded_at


def find(store: ObjectStore, image_digest: str, archive_digest: str) -> CatalogueRecord | None:
    """The latest record of an image under a config that says ``archived``."""
    table = read_images(store)
    same = pc.and_(
        pc.equal(table["image_digest"], image_digest),
        pc.equal(table["archive_digest"], archive_digest),
    )
    rows = [row for row in latest(table.filter(same).to_pylist()) if row["status"] == ARCHIVED]
    if not rows:
        return None
    return record_of(rows[0])


def record_of(row: Row) -> CatalogueRecord:
    """A row of ``images`` as a record; times without a zone are UTC."""
    lists = {name: tuple(row[name] or ()) for name in ("also_at", "notes")}
    times = {
        name: row[name].replace(tzinfo=UTC)
        for name in ("recorded_at", "verified_at")
        if row[name] is not None
    }
    return CatalogueRecord(**{**row, **lists, **times})


def _history_rows(store: ObjectStore, records: Iterable[CatalogueRecord]) -> Iterable[Row]:
    for record in records:
        if record.status != ARCHIVED or not record.image_digest or not record.bitstream_digest:
            continue
        names = (record.image_digest, record.archive_digest, record.bitstream_digest)
        claim = journal.read_claim(store, *names)
        for point in claim.history if claim else ():
            yield _history_row(record, point)


def _history_row(record: CatalogueRecord, point: HistoryPoint) -> Row:
    return {
        "schema_version": HISTORY_SCHEMA_VERSION,
        "run_id": record.run_id,
        "image_digest": record.image_digest,
        "archive_digest": record.archive_digest,
        "config_digest": record.config_digest,
        **dataclasses.asdict(point),
    }


def _part_name() -> str:
    return f"{now():%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex}.parquet"


def _part(rows: list[Row], schema: pa.Schema) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table, sink, compression="zstd", row_group_size=ROWS_PER_GROUP, write_page_checksum=True)
    return bytes(sink.getvalue())


def _read(store: ObjectStore, prefix: str, schema: pa.Schema, columns: Sequence[str] | None) -> pa.Table:
    fields = [schema.field(name) for name in columns or schema.names]
    tables = [
        _read_part(store.get(key, max_bytes=MAX_PART_BYTES), key, schema, fields)
        for key in _parts(store, prefix)
    ]
    return pa.concat_tables(tables) if tables else pa.schema(fields).empty_table()


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


def _parts(store: ObjectStore, prefix: str) -> list[str]:
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

"""Rows into the catalogue: what makes an image archived, and an audit known."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from prefect import task

from inr import Progress
from tasks.catalogue.columns import HISTORY_SCHEMA_VERSION
from tasks.catalogue.parts import AUDITS, HISTORY, IMAGES, Row, new_part_name, write_rows
from tasks.catalogue.records import ARCHIVED, AuditRow, CatalogueRecord
from tasks.errors import StorageUnavailable
from tasks.plan import claims
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore


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
            claims.forget(store, record.image_digest, record.archive_digest)


def append(store: ObjectStore, records: Sequence[CatalogueRecord]) -> None:
    """Write one part of each table; the history first, because a record is the commit."""
    history = list(_history_rows(store, records))
    name = new_part_name()
    if history:
        write_rows(store, HISTORY, name, history)
    write_rows(store, IMAGES, name, [dataclasses.asdict(record) for record in records])


def append_audits(store: ObjectStore, rows: Sequence[AuditRow]) -> None:
    """Write one part of ``audits``."""
    write_rows(store, AUDITS, new_part_name(), [dataclasses.asdict(row) for row in rows])


def _history_rows(store: ObjectStore, records: Iterable[CatalogueRecord]) -> Iterator[Row]:
    for record in records:
        if record.status != ARCHIVED or not record.image_digest or not record.bitstream_digest:
            continue
        names = (record.image_digest, record.archive_digest, record.bitstream_digest)
        claim = claims.read_claim(store, *names)
        for point in claim.history if claim else ():
            yield _history_row(record, point)


def _history_row(record: CatalogueRecord, point: Progress) -> Row:
    return {
        "schema_version": HISTORY_SCHEMA_VERSION,
        "run_id": record.run_id,
        "image_digest": record.image_digest,
        "archive_digest": record.archive_digest,
        "config_digest": record.config_digest,
        **dataclasses.asdict(point),
    }

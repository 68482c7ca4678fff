"""Append rows to the catalogue. An image counts as archived from the moment its row is written."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from inr import Progress
from tasks.catalogue.audits import AuditRow
from tasks.catalogue.columns import HISTORY_COLUMNS, Row
from tasks.catalogue.parts import AUDITS, HISTORY, IMAGES, new_part_name, write_rows
from tasks.catalogue.records import Archived, Outcome, Planned
from tasks.catalogue.rows import audit_row, row_of
from tasks.plan import claims
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore


def record_batch(store_url: str, outcomes: Sequence[Outcome]) -> None:
    """Commit how some images ended: history part, images part, then the claims are settled and go."""
    store = open_store(store_url)
    append(store, outcomes)
    for outcome in outcomes:
        if isinstance(outcome, Archived):
            claims.forget(store, outcome.origin)


def append(store: ObjectStore, outcomes: Sequence[Outcome]) -> None:
    """Write one part of each table; the history first, because a row of ``images`` is the commit."""
    history = list(_history_rows(store, outcomes))
    name = new_part_name()
    if history:
        write_rows(store, HISTORY, name, history)
    write_rows(store, IMAGES, name, [row_of(outcome) for outcome in outcomes])


def append_audits(store: ObjectStore, rows: Sequence[AuditRow]) -> None:
    """Write one part of ``audits``."""
    write_rows(store, AUDITS, new_part_name(), [audit_row(row) for row in rows])


def _history_rows(store: ObjectStore, outcomes: Iterable[Outcome]) -> Iterator[Row]:
    for outcome in outcomes:
        if isinstance(outcome, Archived):
            planned, digest = outcome.origin, outcome.stored.file.bitstream_digest
            claim = claims.read_claim(store, planned.image.digest, planned.setting.archive_digest, digest)
            for point in claim.history if claim else ():
                yield _history_row(planned, point)


def _history_row(planned: Planned, point: Progress) -> Row:
    return {
        "schema_version": HISTORY_COLUMNS.version,
        "run_id": planned.run_id,
        "image_digest": planned.image.digest,
        "archive_digest": planned.setting.archive_digest,
        "config_digest": planned.setting.config_digest,
        **dataclasses.asdict(point),
    }

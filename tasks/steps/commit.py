"""Append rows to the catalogue. An image counts as archived from the moment its row is written."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from inr import Progress
from tasks.catalogue import lookup, parts
from tasks.catalogue.audits import AuditRow
from tasks.catalogue.columns import HISTORY_COLUMNS, Row
from tasks.catalogue.parts import AUDITS, HISTORY, IMAGES
from tasks.catalogue.records import Archived, Outcome, Planned, now
from tasks.catalogue.rows import TICK, audit_row, row_of
from tasks.originals.listing import SourceImage
from tasks.plan import claims
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore

ROWS_OF_PART = 10_000  # of rows that are written once more


def record_batch(store_url: str, outcomes: Sequence[Outcome]) -> None:
    """Commit how some images ended: history part, images part, then the claims are settled and go.

    A row has the time of its commit. It may have waited for its part for hours, and counts after the rows
    that were written meanwhile.
    """
    store = open_store(store_url)
    append(store, _dated(store, outcomes))
    for outcome in outcomes:
        if isinstance(outcome, Archived):
            claims.forget(store, outcome.origin)


def _dated(store: ObjectStore, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes as of now, each later than the rows of its image that are there, whatever clocks say."""
    at, dated = now(), list[Outcome]()
    newest = lookup.newest_times(parts.read_images(store, lookup.NAMING_COLUMNS, since=at).to_pylist())
    for outcome in outcomes:
        name = lookup.name_of(row_of(outcome))
        newest[name] = max(at, newest[name] + TICK) if name in newest else at
        dated.append(dataclasses.replace(outcome, recorded_at=newest[name]))
    return dated


def rename(store: ObjectStore, archive_digest: str, images: Sequence[SourceImage]) -> None:
    """Write the rows of archived images once more, under the names that these have now; the files stay.

    All else stays as it was, the time of verification too, after which audits count.
    """
    if not images:
        return
    records = lookup.archived_among(store, archive_digest, {image.digest for image in images})
    rows = [row_of(_named(records[each.digest], each)) for each in images if each.digest in records]
    for start in range(0, len(rows), ROWS_OF_PART):
        some = rows[start : start + ROWS_OF_PART]
        parts.write_rows(store, IMAGES, parts.new_part_name(*(row["recorded_at"] for row in some)), some)


def _named(record: Archived, image: SourceImage) -> Archived:
    """A record under other names, later than it was in any case."""
    later = max(now(), record.recorded_at + TICK)
    planned = dataclasses.replace(record.origin, image=image)
    return Archived(dataclasses.replace(record.stored, planned=planned), record.verification, later)


def append(store: ObjectStore, outcomes: Sequence[Outcome]) -> None:
    """Write one part of each table; the history first, because a row of ``images`` is the commit."""
    history = list(_history_rows(store, outcomes))
    name = parts.new_part_name(*(outcome.recorded_at for outcome in outcomes))
    if history:
        parts.write_rows(store, HISTORY, name, history)
    parts.write_rows(store, IMAGES, name, [row_of(outcome) for outcome in outcomes])


def append_audits(store: ObjectStore, rows: Sequence[AuditRow]) -> None:
    """Write one part of ``audits``."""
    parts.write_rows(store, AUDITS, parts.new_part_name(), [audit_row(row) for row in rows])


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

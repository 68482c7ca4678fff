"""Answers from the catalogue that take no SQL: the latest rows, what is archived, the record of one image.

Of several rows of an image under a config the latest one counts, as CATALOGUE.md has it.
"""

from collections.abc import Iterable
from datetime import datetime

import pyarrow.compute as pc

from inr.errors import ConfigError
from tasks.catalogue.audits import LOST, AuditRow
from tasks.catalogue.columns import Row
from tasks.catalogue.parts import IMAGES, list_parts, read_audits, read_images
from tasks.catalogue.records import Archived, Status
from tasks.catalogue.rows import archived_of, audit_of
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore


def open_archive(url: str) -> ObjectStore:
    """The store of an archive that is there, for all that reads one; what writes one opens any place.

    Raises:
        ConfigError: The URL is of no store, or nothing was ever recorded there.
        StorageError: The store cannot be listed.
    """
    store = open_store(url)
    if not list_parts(store, IMAGES):
        raise ConfigError(
            f"store {store.url}: expected an archive, found no row of a catalogue; "
            "is the name right, and is it mounted?"
        )
    return store


def last_audits(store: ObjectStore) -> dict[str, AuditRow]:
    """The latest audit of each key."""
    newest: dict[str, AuditRow] = {}
    for values in read_audits(store).to_pylist():
        row = audit_of(values)
        if row.key not in newest or row.checked_at >= newest[row.key].checked_at:
            newest[row.key] = row
    return newest


def latest(rows: Iterable[Row]) -> list[Row]:
    """The latest row of each (image, archive digest); files without a digest stand for themselves."""
    newest: dict[tuple[str, str], Row] = {}
    for row in rows:
        image = row["source_uri"] if row["image_digest"] is None else row["image_digest"]
        name = (image, row["archive_digest"])
        if name not in newest or row["recorded_at"] >= newest[name]["recorded_at"]:
            newest[name] = row
    return list(newest.values())


def archived_objects(store: ObjectStore, archive_digest: str) -> dict[str, tuple[str, int]]:
    """Image digest → (key, size in bytes) of each image whose latest row has status ``archived``.

    Left out are those that an audit later found damaged or missing.
    """
    columns = ("image_digest", "archive_digest", "source_uri", "recorded_at", "status", "key", "n_bytes")
    table = read_images(store, columns)
    rows = table.filter(pc.equal(table["archive_digest"], archive_digest)).to_pylist()
    audits = last_audits(store)
    return {
        row["image_digest"]: (row["key"], row["n_bytes"])
        for row in latest(rows)
        if row["status"] == Status.ARCHIVED and not _lost(audits.get(row["key"]), row["recorded_at"])
    }


def _lost(audit: AuditRow | None, recorded_at: datetime) -> bool:
    return audit is not None and audit.status in LOST and audit.checked_at > recorded_at


def find(store: ObjectStore, image_digest: str, archive_digest: str) -> Archived | None:
    """The record of an image under a config if its latest row has status ``archived``, else None."""
    table = read_images(store)
    same = pc.and_(
        pc.equal(table["image_digest"], image_digest),
        pc.equal(table["archive_digest"], archive_digest),
    )
    rows = [row for row in latest(table.filter(same).to_pylist()) if row["status"] == Status.ARCHIVED]
    return archived_of(rows[0]) if rows else None

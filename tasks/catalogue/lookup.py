"""Answers from the catalogue that take no SQL: the latest rows, what is archived, the record of one image.

Of several rows of an image under a config the latest one counts, as CATALOGUE.md has it. A failure takes
nothing from an image that is archived, as where another run had archived it meanwhile.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from inr.errors import ConfigError
from tasks.catalogue.audits import LOST, AuditRow
from tasks.catalogue.columns import Row
from tasks.catalogue.parts import IMAGES, list_parts, read_audits, read_images
from tasks.catalogue.records import BAD_FILES, BAD_IMAGES, Archived, Status
from tasks.catalogue.rows import archived_of, audit_of, image_of
from tasks.catalogue.versions import Place, holders, uris_of
from tasks.originals.listing import SourceImage
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore

_KNOWN_COLUMNS = (
    *("image_digest", "archive_digest", "source_uri", "source_path", "also_at", "source_n_bytes"),
    *("recorded_at", "verified_at", "status", "key", "n_bytes", "error_type", "error_message"),
)
NAMING_COLUMNS = ("image_digest", "source_uri", "archive_digest", "recorded_at")
LISTED_ALONE = 8  # objects that are looked for one by one; for more the whole archive is listed, in order

Name = tuple[str, str]  # digest of an image, or the URI of a file that has none, and digest of a setting


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


def latest(rows: Iterable[Row], audits: Mapping[str, AuditRow]) -> list[Row]:
    """The row that counts of each (image, archive digest), less what was given up.

    It is the latest one, but for failures after a row as archived whose object no audit has found lost.
    Files without a digest stand for themselves.

    Args:
        rows: The rows.
        audits: The latest audit of each key.
    """
    newest: dict[Name, Row] = {}
    last_file: dict[Name, Row] = {}  # the latest row that says whether there is one
    for row in rows:
        name = name_of(row)
        for found in (newest,) if row["status"] == Status.FAILED else (newest, last_file):
            if name not in found or row["recorded_at"] >= found[name]["recorded_at"]:
                found[name] = row
    for name, row in last_file.items():
        if row["status"] == Status.ARCHIVED and not is_lost(audits.get(row["key"]), row["verified_at"]):
            newest[name] = row
    return [row for row in newest.values() if row["status"] != Status.DROPPED]


def name_of(row: Row) -> Name:
    """The image and the setting that a row is about."""
    image = row["source_uri"] if row["image_digest"] is None else row["image_digest"]
    return image, row["archive_digest"]


def newest_times(rows: Iterable[Row]) -> dict[Name, datetime]:
    """The time of the newest row of each image under each setting, whether that row counts or not."""
    newest: dict[Name, datetime] = {}
    for row in rows:
        name, at = name_of(row), row["recorded_at"]
        newest[name] = max(at, newest.get(name, at))
    return newest


def renewed(store: ObjectStore, record: Archived, since: datetime) -> Archived | None:
    """The record of an image as rows written since a time have it, or as it was; None if it was given up."""
    planned, table = record.origin, read_images(store, since=since)
    same = pc.and_(
        pc.equal(table["image_digest"], planned.image.digest),
        pc.equal(table["archive_digest"], planned.setting.archive_digest),
    )
    rows = [row for row in table.filter(same).to_pylist() if row["status"] != Status.FAILED]
    last = max(rows, key=lambda row: row["recorded_at"], default=None)
    if last is None or last["recorded_at"] <= record.recorded_at:
        return record
    return archived_of(last) if last["status"] == Status.ARCHIVED else None


@dataclass(frozen=True)
class Bad:
    """A file that failed by its own fault, as its latest row has it.

    Attributes:
        error_type: Name of the error.
        error_message: Its message.
        recorded_at: Time of the row, in UTC.
    """

    error_type: str
    error_message: str
    recorded_at: datetime


@dataclass(frozen=True)
class Known:
    """How images ended under a config, by their latest rows.

    Attributes:
        archived: Image digest → key and size in bytes of the object of each archived image; left out are
            those that an audit later found damaged or missing.
        bad_images: Image digest → the failure of each image that failed by its own fault.
        bad_files: URI → the failure of each file that could not be read by its own fault.
        named: Image digest → each image that has a row as archived, lost or not, as that row names it.
        held: The digest of the image that a place holds, by the rows under all configs, for each place that
            several images may claim.
    """

    archived: dict[str, tuple[str, int]]
    bad_images: dict[str, Bad]
    bad_files: dict[str, Bad]
    named: dict[str, SourceImage] = field(default_factory=dict)
    held: dict[Place, str] = field(default_factory=dict)


def known(store: ObjectStore, archive_digest: str) -> Known:
    """How the images of an archive ended under a config.

    Raises:
        CatalogueError, StorageError: The catalogue cannot be read.
    """
    table = read_images(store, _KNOWN_COLUMNS)
    audits = last_audits(store) if len(table) else {}
    found = Known({}, {}, {}, {}, _held(table, audits))
    for row in latest(table.filter(pc.equal(table["archive_digest"], archive_digest)).to_pylist(), audits):
        digest, error = row["image_digest"], row["error_type"]
        if row["status"] == Status.ARCHIVED:
            found.named[digest] = image_of(row)
            if not is_lost(audits.get(row["key"]), row["verified_at"]):
                found.archived[digest] = (row["key"], row["n_bytes"])
        elif error in (BAD_FILES if digest is None else BAD_IMAGES):
            place = found.bad_files if digest is None else found.bad_images
            bad = Bad(error, row["error_message"], row["recorded_at"])
            place[row["source_uri"] if digest is None else digest] = bad
    return found


def _held(table: pa.Table, audits: Mapping[str, AuditRow]) -> dict[Place, str]:
    """The image that a place holds, of those images that share a name with another one or have several.

    They are few as a rule, and are looked for by Arrow, since rows may be a million.
    """
    archived = table.filter(pc.equal(table["status"], Status.ARCHIVED.value))
    images = archived.group_by("source_uri").aggregate([("image_digest", "count_distinct")])
    contested = images.filter(pc.greater(images["image_digest_count_distinct"], 1))["source_uri"].to_pylist()
    has_copies = pc.greater(pc.list_value_length(archived["also_at"]), 0)
    copies = {uri for row in archived.filter(has_copies).to_pylist() for uri in uris_of(image_of(row))}
    uris = pa.array([*contested, *copies], pa.string())
    digests = archived.filter(pc.is_in(archived["source_uri"], uris))["image_digest"]
    rows = latest(table.filter(pc.is_in(table["image_digest"], pc.unique(digests))).to_pylist(), audits)
    return holders((row["recorded_at"], image_of(row)) for row in rows if row["status"] == Status.ARCHIVED)


def is_lost(audit: AuditRow | None, verified_at: datetime) -> bool:
    """True if the last audit of an object, which may be none, found it lost after it was verified.

    The time of its row says less: a row is written again where an image is found under another name.
    """
    return audit is not None and audit.status in LOST and audit.checked_at > verified_at


def archived_among(store: ObjectStore, archive_digest: str, images: Collection[str]) -> dict[str, Archived]:
    """The records of some images that are archived under a config: record and stored object agree.

    Args:
        store: The archive.
        archive_digest: Digest of the recipe.
        images: Digests of the images.

    Returns:
        Image digest → record, for those of the images that are archived, as `known` has it.
    """
    table = read_images(store)
    same = pc.and_(
        pc.equal(table["archive_digest"], archive_digest),
        pc.is_in(table["image_digest"], pa.array(list(images), pa.string())),
    )
    rows = table.filter(same).to_pylist()
    audits = last_audits(store) if rows else {}
    found = [row for row in latest(rows, audits) if row["status"] == Status.ARCHIVED]
    kept = [row for row in found if not is_lost(audits.get(row["key"]), row["verified_at"])]
    sizes = _sizes(store, [row["key"] for row in kept])
    return {row["image_digest"]: archived_of(row) for row in kept if sizes.get(row["key"]) == row["n_bytes"]}


def _sizes(store: ObjectStore, keys: Sequence[str]) -> dict[str, int]:
    """Key → size in bytes of each object that is there; of few keys, only their folders are listed."""
    few = len(keys) <= LISTED_ALONE
    places = {key.rpartition("/")[0] for key in keys} if few else {keys[0].partition("/")[0]}
    return {found.key: found.n_bytes for place in places for found in store.objects(place)}


def find(store: ObjectStore, image_digest: str, archive_digest: str) -> Archived | None:
    """The record of an image under a config if the row that counts has status ``archived``, else None."""
    table = read_images(store)
    same = pc.and_(
        pc.equal(table["image_digest"], image_digest),
        pc.equal(table["archive_digest"], archive_digest),
    )
    rows = table.filter(same).to_pylist()
    found = latest(rows, last_audits(store) if rows else {})
    return next((archived_of(row) for row in found if row["status"] == Status.ARCHIVED), None)

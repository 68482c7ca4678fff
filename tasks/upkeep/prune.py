"""Remove from an archive what no row names: first it is said what that is, then, if wanted, it is done.

That is files of settings that are given up, orphans, what killed runs have left, and parts of the catalogue
that a compacted one replaces. What a run that is not over is about to name stays: it holds a lease or has a
claim, and a claim, like a file without one, is left alone until it is some days old, before which a run that
lives marks it anew. While a file is removed its image is held by a lease, as if it was being fitted, so no
run can take the file over meanwhile.

What can be removed without writing anything goes first, since the disk may be full. The catalogue is changed
before a file is given up: its image has a row that says so from then on, and the file is one that no row
names. So this may be killed at any moment, and the next one goes on.
"""

import re
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from tasks.catalogue import lookup, parts
from tasks.catalogue.audits import AuditRow
from tasks.catalogue.columns import Row
from tasks.catalogue.keys import FOLDER, SUFFIXES
from tasks.catalogue.lookup import Name, name_of
from tasks.catalogue.parts import IMAGES, SCHEMAS
from tasks.catalogue.records import Status, now
from tasks.catalogue.rows import dropped_row
from tasks.errors import StorageError
from tasks.plan import claims, leases
from tasks.plan.batches import KEPT_DAYS, old_batches
from tasks.plan.leases import Leases
from tasks.store.objects import ObjectStore, StoredObject
from tasks.upkeep.giving_up import GivenUp, SettingInUse, chosen, given_up, settings_in_use
from tasks.upkeep.removing import remove_held
from tasks.wording import counted

ROWS_OF_PART = 10_000

GIVING_UP = ("prune", "settings")  # held, as images are, by the one prune that gives up settings

_NAMING = (*lookup.NAMING_COLUMNS, "status", "key")
_SUFFIX = "|".join(map(re.escape, SUFFIXES))
_JOURNAL = re.compile(rf"{claims.FOLDER}/([0-9a-f]{{64}})/([0-9a-f]{{64}})/[^/]+")
_KEY = re.compile(rf"{FOLDER}/[0-9a-f]{{2}}/([0-9a-f]{{64}})/([0-9a-f]{{64}})(?:{_SUFFIX})")


class Kind(StrEnum):
    """Why an object is removed."""

    GIVEN_UP = "files of settings that are given up"
    ORPHAN = "files that no row names"
    CLAIM = "claims of runs that are gone"
    LEASE = "leases that are over"
    BATCH = "batches of runs that are gone"
    PART = "parts of the catalogue that others replace"


@dataclass(frozen=True)
class PrunePlan:
    """What can be removed from an archive.

    Attributes:
        settings: The settings of the archive.
        dropped: Digests of those that are given up.
        even_last: True where images are given up, too, that no other setting has.
        given_up: The rows of the images that are given up.
        objects: The objects to remove, by kind.
        before: What is younger than this may be of a run that is not over.
    """

    settings: list[SettingInUse]
    dropped: frozenset[str]
    even_last: bool
    given_up: GivenUp
    objects: Mapping[Kind, Sequence[StoredObject]]
    before: datetime


@dataclass
class PruneSummary:
    """What can be removed from an archive, or was.

    Attributes:
        store: URL of the archive.
        settings: The settings of the archive before.
        n_given_up: Images given up under a setting.
        n_last: Images that stay though their setting is given up, since no other one has them.
        counts: Objects, by kind.
        n_bytes: Size of all of them.
        is_done: Whether they were removed.
        n_in_use: Files that stayed, since a run came to hold, claim or name them meanwhile.
    """

    store: str
    settings: list[SettingInUse]
    n_given_up: int
    n_last: int
    counts: dict[Kind, int] = field(default_factory=dict)
    n_bytes: int = 0
    is_done: bool = False
    n_in_use: int = 0

    @classmethod
    def of(cls, store: ObjectStore, plan: PrunePlan) -> "PruneSummary":
        """What a plan would remove."""
        summary = cls(store.url, plan.settings, len(plan.given_up.rows), plan.given_up.n_last)
        for kind, objects in plan.objects.items():
            summary.add(kind, objects)
        return summary

    def add(self, kind: Kind, objects: Iterable[StoredObject]) -> None:
        """Count objects."""
        for each in objects:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.n_bytes += each.n_bytes

    def headline(self) -> str:
        """One line that says what is removed."""
        n_objects = sum(self.counts.values())
        last = f"; kept for want of another setting: {counted(self.n_last, 'image')}" if self.n_last else ""
        in_use = f"; kept, since a run uses them: {counted(self.n_in_use, 'file')}" if self.n_in_use else ""
        if not n_objects and not self.n_given_up:
            return f"nothing to remove{last}{in_use}"
        given_up = f"{counted(self.n_given_up, 'row')} given up, " if self.n_given_up else ""
        done = "removed" if self.is_done else "to remove; --remove does it"
        return f"{given_up}{counted(n_objects, 'object')} of {self.n_bytes} bytes {done}{last}{in_use}"

    def as_values(self) -> dict[str, Any]:
        """The summary for machines, as JSON has it."""
        settings = [{**vars(setting), "last_at": setting.last_at.isoformat()} for setting in self.settings]
        counts = {kind.name.lower(): n for kind, n in self.counts.items()}
        return {**vars(self), "counts": counts, "settings": settings}


def plan_prune(
    store: ObjectStore,
    *,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    even_last: bool = False,
    days: float = KEPT_DAYS,
) -> PrunePlan:
    """See what can be removed. Writes nothing.

    Args:
        store: The archive.
        drop: Beginnings of the archive digests of settings to give up.
        keep: Beginnings of those to keep, where all others are given up.
        even_last: True to give up images, too, that no other setting has.
        days: What is younger may be of a run that is not over, and stays.

    Raises:
        ConfigError: A setting is not named as it should be.
        CatalogueError, StorageError: The store cannot be read.
    """
    # In this order: an archive that runs meanwhile claims, stores, records, and only then drops its claim.
    stored, before = store.objects(FOLDER), now() - timedelta(days=days)
    journal = store.objects(claims.FOLDER)
    rows, audits = parts.read_images(store).to_pylist(), lookup.last_audits(store)
    settings = settings_in_use(lookup.latest(rows, audits))
    dropped = chosen(settings, drop, keep)
    theirs = _decided(stored, rows, audits, dropped, even_last=even_last)
    named, used = _named(rows) | dict.fromkeys(map(name_of, theirs.rows)), _used(journal, before)
    found: dict[Kind, Sequence[StoredObject]] = {**_files(stored, named, used, before)}
    found[Kind.CLAIM] = [
        each for each in journal if not each.key.endswith(leases.SUFFIX) and _owner(each.key) not in used
    ]
    found[Kind.LEASE] = [each for each in journal if leases.is_over(each.key)]
    found[Kind.BATCH] = old_batches(store, days)
    found[Kind.PART] = [each for table in SCHEMAS for each in _replaced(store, table)]
    return PrunePlan(settings, dropped, even_last, theirs, found, before)


def _decided(
    stored: Iterable[StoredObject],
    rows: Sequence[Row],
    audits: Mapping[str, AuditRow],
    dropped: frozenset[str],
    *,
    even_last: bool,
) -> GivenUp:
    """What giving up some settings takes, by what is in the archive."""
    there, named = {found.key: found.n_bytes for found in stored}, _named(rows)

    def is_there(row: Row) -> bool:
        is_lost = lookup.is_lost(audits.get(row["key"]), row["verified_at"])
        return there.get(row["key"]) == row["n_bytes"] and not is_lost

    def has_file(row: Row) -> bool:
        return row["status"] == Status.ARCHIVED or named.get(name_of(row)) in there

    return given_up(lookup.latest(rows, audits), dropped, is_there, has_file, even_last=even_last)


def _named(rows: Iterable[Row]) -> dict[Name, str | None]:
    """The key that rows name for each image under each setting; None where it was given up.

    A failure names nothing, and takes nothing from an earlier row: the file of that one may be whole.
    """
    found: dict[Name, str | None] = {}
    for row in sorted(rows, key=lambda row: row["recorded_at"]):
        if row["status"] != Status.FAILED:
            found[name_of(row)] = row["key"]
    return found


def _owner(key: str) -> Name | None:
    """The image and the setting of a file, or of what the journal has; None for what is not ours."""
    match = _KEY.fullmatch(key) or _JOURNAL.fullmatch(key)
    return None if match is None else (match[1], match[2])


def _files(
    stored: Iterable[StoredObject],
    named: Mapping[Name, str | None],
    used: Collection[Name],
    before: datetime,
) -> dict[Kind, list[StoredObject]]:
    """The files that no row names; without a row that gives their image up only those that are old."""
    found: dict[Kind, list[StoredObject]] = {Kind.GIVEN_UP: [], Kind.ORPHAN: []}
    for each in stored:
        name = _owner(each.key)
        if name is None or name in used or named.get(name) == each.key:
            continue
        if name in named and named[name] is None:
            found[Kind.GIVEN_UP].append(each)
        elif each.stored_at < before:
            found[Kind.ORPHAN].append(each)
    return found


def _used(journal: Iterable[StoredObject], before: datetime) -> set[Name]:
    """The images that a run may hold or have claimed, each with its setting."""
    lively = (each for each in journal if not leases.is_over(each.key) and each.stored_at >= before)
    return {name for each in lively if (name := _owner(each.key))}


def _replaced(store: ObjectStore, table: str) -> list[StoredObject]:
    """The parts of a table that do not count any more."""
    replaced = parts.not_counting(store, partial(parts.list_parts, store, table))
    return [found for found in store.objects(table) if found.key in replaced]


def prune(store: ObjectStore, plan: PrunePlan) -> PruneSummary:
    """Remove what no row names, give up what is to be given up, and remove that, too.

    Raises:
        CatalogueError, StorageError: The store cannot be read or written, or another prune gives up settings
            now; the next time goes on.
    """
    store.clean()
    for kind in (Kind.LEASE, Kind.BATCH, Kind.PART):
        for each in plan.objects[kind]:
            store.delete(each.key)
    removed = _remove_files(store, [*plan.objects[Kind.ORPHAN], *plan.objects[Kind.CLAIM]], plan.before)
    done = _give_up(store, plan) if plan.given_up.rows else plan.given_up
    stay = set(map(name_of, plan.given_up.rows)) - set(map(name_of, done.rows))
    going = [each for each in plan.objects[Kind.GIVEN_UP] if _owner(each.key) not in stay]
    removed |= _remove_files(store, going, plan.before)
    summary = PruneSummary(store.url, plan.settings, len(done.rows), done.n_last, is_done=True)
    for kind, objects in {**plan.objects, Kind.GIVEN_UP: going}.items():
        is_held = kind in (Kind.GIVEN_UP, Kind.ORPHAN, Kind.CLAIM)
        gone = [each for each in objects if each.key in removed] if is_held else objects
        summary.n_in_use += len(objects) - len(gone)
        summary.add(kind, gone)
    return summary


def _give_up(store: ObjectStore, plan: PrunePlan) -> GivenUp:
    """Write the rows that give up what is planned, as far as another setting has the images still.

    One prune does this at a time, and sees what those before it have given up. Two at once could each leave
    an image to the setting that the other one gives up.
    """
    with Leases(store) as alone:
        if not alone.take(*GIVING_UP):
            raise StorageError(
                f"store {store.url}: another prune gives up settings of it; try again once that has ended, "
                "or four minutes after it was killed"
            )
        # In the order of a plan.
        stored, rows = store.objects(FOLDER), parts.read_images(store).to_pylist()
        audits = lookup.last_audits(store)
        found = _decided(stored, rows, audits, plan.dropped, even_last=plan.even_last)
        planned, newest = set(map(name_of, plan.given_up.rows)), lookup.newest_times(rows)
        theirs = [row for row in found.rows if name_of(row) in planned]
        run_id = str(uuid.uuid4())
        for start in range(0, len(theirs), ROWS_OF_PART):
            some = theirs[start : start + ROWS_OF_PART]
            new = [dropped_row(row, run_id, newest[name_of(row)]) for row in some]
            parts.write_rows(store, IMAGES, parts.new_part_name(*(row["recorded_at"] for row in new)), new)
    return GivenUp(tuple(theirs), found.n_last)


def _remove_files(store: ObjectStore, files: Sequence[StoredObject], before: datetime) -> set[str]:
    """Remove files and claims that nobody uses or names by now; returns their keys."""
    by_name: dict[Name, list[StoredObject]] = defaultdict(list)
    for each in files:
        if name := _owner(each.key):
            by_name[name].append(each)

    def going(held: Sequence[Name]) -> list[str]:
        used = {name for name in held if claims.is_needed(store, *name, before)}
        named = _named(parts.read_images(store, _NAMING).to_pylist())
        keys = ((name, each.key) for name in held if name not in used for each in by_name[name])
        return [key for name, key in keys if named.get(name) != key]

    return remove_held(store, list(by_name), going)

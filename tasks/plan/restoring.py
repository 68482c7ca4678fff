"""The plan of a restore: which archived images, and the path of each of their files.

Of several versions of a photograph the latest counts, unless all are asked for; of one content under several
settings the one verified last, or the best, and one that was found lost only where there is no other. A file
has the name of its original. Where several would have the same, or one's file is another's folder, one of
them has it, and the others are left without: they get another name as they are written.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from inr.errors import ConfigError
from tasks.catalogue.lookup import is_lost, last_audits
from tasks.catalogue.query import query
from tasks.catalogue.records import Archived, Status
from tasks.catalogue.rows import archived_of
from tasks.catalogue.versions import latest_versions, names_of
from tasks.errors import StorageError
from tasks.originals.names import printable, target_path
from tasks.store.locations import local_path
from tasks.store.objects import ObjectStore


@dataclass(frozen=True)
class Restoring:
    """An image to restore.

    Attributes:
        record: The image, under the names that are wanted.
        own_names: Whether the file of each of these names gets that name.
    """

    record: Archived
    own_names: tuple[bool, ...]

    @property
    def path(self) -> str:
        """Path below the source, fit to be shown."""
        return self.record.path


def check_target(target: str) -> None:
    """Refuse a target that is no folder and cannot become one.

    Args:
        target: The folder to restore into, as a path or ``file:`` URI.

    Raises:
        ConfigError: It has another scheme, or it or a folder above it is something else.
    """
    path = local_path(target).absolute()
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    if not there.is_dir():
        raise ConfigError(f"target: expected a folder, found something else at {printable(str(there))}")


def plan_restore(
    store: ObjectStore, where: str, suffix: str, *, all_versions: bool = False, best: bool = False
) -> list[Restoring]:
    """The images that a predicate selects, by path, each with its names.

    Args:
        store: The archive.
        where: A condition on the columns of ``images``, in SQL.
        suffix: Suffix of the files, with its dot.
        all_versions: Whether to take every version of a photograph that is selected, not only the latest.
        best: Whether to take, of the latest content under several settings, the highest PSNR and not what
            was verified last.

    Raises:
        ConfigError: The predicate is wrong; or all versions are asked for, and the best of them.
        CatalogueError, StorageError: The catalogue cannot be read.
    """
    if all_versions and best:
        raise ConfigError("expected at most one of all versions and the best of them, found both")
    records = select(store, where)
    if not all_versions:
        records = latest_versions(records, _lost(store, records), best=best)
    owned = _owned(records, suffix)
    return [
        Restoring(record, tuple((number, name) in owned for name in names_of(record)))
        for number, record in enumerate(records)
    ]


def _lost(store: ObjectStore, records: Sequence[Archived]) -> set[str]:
    """Keys of the files of images that an audit has found damaged or missing since they were verified."""
    audits = last_audits(store)
    found = ((record.stored.file.key, record.verification.verified_at) for record in records)
    return {key for key, verified_at in found if is_lost(audits.get(key), verified_at)}


def select(store: ObjectStore, where: str) -> list[Archived]:
    """The archived images that a predicate selects, by path and time. Raises as `plan_restore`."""
    if not where.strip():
        raise ConfigError("query: expected a condition, found none")
    archived = f"(select * from images where status = '{Status.ARCHIVED}')"
    sql = f"select * from {archived} where (\n{where}\n) order by source_path, recorded_at, key"
    return [archived_of(row) for row in query(store, sql).records()]


def _owned(records: Sequence[Archived], suffix: str) -> set[tuple[int, str]]:
    """Number of an image, and a name of it, wherever its file gets that name."""
    wanted = list(_paths(records, suffix))
    folders = {folder for _, _, path in wanted for folder in path.parents}
    taken: dict[PurePath, tuple[int, str]] = {}

    def claim(entry: tuple[int, str, PurePath]) -> tuple[bool, float]:
        """Who keeps the name as it was comes first, then who was archived last."""
        number, name, _ = entry
        return not name.lower().endswith(suffix), -records[number].recorded_at.timestamp()

    for number, name, path in sorted(wanted, key=claim):
        if path not in folders:
            taken.setdefault(path, (number, name))
    return set(taken.values())


def _paths(records: Sequence[Archived], suffix: str) -> Iterator[tuple[int, str, PurePath]]:
    """Number of an image, name and path of each file that a path can name."""
    for number, record in enumerate(records):
        for name in names_of(record):
            try:
                yield number, name, target_path(Path(), name, suffix)
            except StorageError:
                continue

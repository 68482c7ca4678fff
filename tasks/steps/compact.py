"""Many small parts of a day → one, while archives write and readers read; CATALOGUE.md has the order.

A day that was not finished is finished the next time, whatever ended it: from the moment that a compacted
part is there, the parts that it replaces do not count, and the rest is only tidying up.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from tasks.catalogue.parts import (
    SCHEMAS,
    contents,
    is_compacted,
    list_parts,
    not_counting,
    write_compacted,
)
from tasks.store.objects import ObjectStore
from tasks.wording import counted

MAX_DAY_BYTES = 1 << 28  # as stored: a day's rows must fit into memory several times over

_DAY = re.compile(r"(\d{8})(?:T\d{6}Z-[0-9a-f]{32}|Z-\d{6})\.parquet")


@dataclass(frozen=True)
class Day:
    """The parts of one day in one table: `table` is a prefix, `date` eight digits."""

    table: str
    date: str

    def describe(self) -> str:
        """The day for people."""
        return f"{self.table.rpartition('/')[2]} of {self.date}"


@dataclass(frozen=True)
class Compacted:
    """The result of a day: parts that became one, if any, its rows, and objects removed."""

    n_parts: int
    n_rows: int
    n_removed: int


@dataclass
class CompactSummary:
    """The totals of a run of ``compact`` so far.

    Attributes:
        run_id: Names the run.
        store: URL of the archive.
        n_planned: Days of a table to do.
        n_done: Days done.
        n_parts: Parts that were compacted.
        n_made: Parts that they became.
        n_rows: Rows in those.
        n_removed: Objects removed.
        n_too_large: Days of over `MAX_DAY_BYTES`, which are left alone.
        failures: Days that failed, each with the reason.
        wall_seconds: Time of the run.
    """

    run_id: str
    store: str
    n_planned: int = 0
    n_done: int = 0
    n_parts: int = 0
    n_made: int = 0
    n_rows: int = 0
    n_removed: int = 0
    n_too_large: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    wall_seconds: float = 0.0

    def add(self, compacted: Compacted) -> None:
        """Count a day."""
        self.n_done += 1
        self.n_parts += compacted.n_parts
        self.n_made += compacted.n_parts > 0
        self.n_rows += compacted.n_rows
        self.n_removed += compacted.n_removed

    def fail(self, day: Day, error: BaseException) -> None:
        """Count a day that failed."""
        self.n_done += 1
        self.failures.append((day.describe(), f"{type(error).__name__}: {error}"))

    @property
    def n_failed(self) -> int:
        """Days that failed."""
        return len(self.failures)

    @property
    def n_bad(self) -> int:
        """None: what is in an archive was no bad original."""
        return 0

    def headline(self) -> str:
        """One line that says what the run did."""
        alone = f"{counted(self.n_too_large, 'day')} of over {MAX_DAY_BYTES >> 20} MiB left alone"
        if not self.n_planned:
            why = alone if self.n_too_large else "no day has more than one part"
            return f"nothing to compact: {why}"
        too_large = f"; {alone}" if self.n_too_large else ""
        failed = f", {counted(self.n_failed, 'day')} failed" if self.failures else ""
        made = f"{counted(self.n_parts, 'part')} became {self.n_made}, with {counted(self.n_rows, 'row')}"
        return f"{made}; {self.n_removed} removed{failed}{too_large}"


def plan_compaction(store: ObjectStore) -> tuple[list[Day], list[Day]]:
    """The days with more than one part, table by table; those of over `MAX_DAY_BYTES` come apart from them.

    Raises:
        StorageError: The store cannot be listed.
    """
    found: dict[Day, list[int]] = defaultdict(list)
    for table in SCHEMAS:
        for listed in store.objects(table):
            if date := _date(listed.key):
                found[Day(table, date)].append(0 if is_compacted(listed.key) else listed.n_bytes)
    several = {day: sum(sizes) for day, sizes in found.items() if len(sizes) > 1}
    too_large = [day for day, n_bytes in several.items() if n_bytes > MAX_DAY_BYTES]
    return [day for day in several if day not in too_large], too_large


def compact_day(store: ObjectStore, day: Day) -> Compacted:
    """Make one part of the parts of a day, and remove parts that no longer count.

    Raises:
        CatalogueError: A part is damaged, newer than this program, or does not read back.
        StorageError: The store cannot be read or written.
    """
    found = contents(store, day.table, partial(_list_day, store, day))
    replaces = {*map(_name, found.listed), *found.replaced}
    made = len(found.keys) > 1 and write_compacted(
        store, day.table, _next_name(day, found.listed), found.rows, replaces
    )
    n_removed = _remove_replaced(store, day)
    return Compacted(len(found.keys), found.rows.num_rows, n_removed) if made else Compacted(0, 0, n_removed)


def _remove_replaced(store: ObjectStore, day: Day) -> int:
    """Remove the parts that do not count, by a fresh listing; returns their number."""
    removed = not_counting(store, partial(_list_day, store, day))
    for key in sorted(removed):
        store.delete(key)
    return len(removed)


def _list_day(store: ObjectStore, day: Day) -> list[str]:
    return [key for key in list_parts(store, day.table) if _date(key) == day.date]


def _next_name(day: Day, listed: Sequence[str]) -> str:
    numbers = [int(_name(key)[10:16]) for key in listed if is_compacted(key)]
    return f"{day.date}Z-{max(numbers, default=0) + 1:06}.parquet"


def _date(key: str) -> str | None:
    match = _DAY.fullmatch(_name(key))
    return match[1] if match else None


def _name(key: str) -> str:
    return key.rpartition("/")[2]

"""The numbers of a report, asked of the catalogue.

Everything is bounded, whatever the size of the archive: the database makes sums and bins, and the number
of rows that are shown one by one has a limit.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from tasks.catalogue.columns import Row
from tasks.catalogue.query import Tables
from tasks.catalogue.recipe import Goal
from tasks.report.html import queries
from tasks.report.html.common import measure

MAX_BINS = 40
BIN_WIDTHS_DB = (0.25, 0.5, 1.0, 2.0, 5.0)
BIN_WIDTHS_OCTAVES = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Sums:
    """Sums over rows.

    Attributes:
        n_archived: Files: bitstreams, and those without loss in place of one.
        n_stored_lossless: Files without loss.
        n_failed: Rows with status ``failed``.
        n_bytes: Size of the files.
        fit_hours: Time in fits, added up over all workers.
    """

    n_archived: int
    n_stored_lossless: int
    n_failed: int
    n_bytes: int
    fit_hours: float


@dataclass(frozen=True)
class Totals(Sums):
    """Sums and means over all rows.

    Attributes:
        n_images: Different originals that are archived.
        originals_n_bytes: Size of the originals, each counted once.
        rate_bpp: 8 · `n_bytes` over the pixels of all files; None where nothing is archived.
        n_inexact: Files whose PSNR is finite.
        mean_psnr_db: Mean of their PSNR; None if there is none.
        worst_psnr_db: Smallest of their PSNR; None if there is none.
        first_at: When the first of the rows was recorded, in UTC; None if there is no row.
        last_at: When the last of the rows was recorded.
        n_settings: Different settings.
    """

    n_images: int
    originals_n_bytes: int
    rate_bpp: float | None
    n_inexact: int
    mean_psnr_db: float | None
    worst_psnr_db: float | None
    first_at: datetime | None
    last_at: datetime | None
    n_settings: int

    @property
    def ratio(self) -> float | None:
        """Size of the originals over that of all their files; None where one of them is zero."""
        return self.originals_n_bytes / self.n_bytes if self.n_bytes and self.originals_n_bytes else None


@dataclass(frozen=True)
class SettingSums(Sums):
    """Sums over the rows of one setting, and means over those that are measured.

    Attributes:
        name: Goal, contract and what else tells the setting from others.
        model: Model family asked for.
        preset: Preset asked for.
        source_n_bytes: Size of the originals of its files.
        decode_seconds: Mean time to decode one of its files; None if there is none.
        n_measured: Bitstreams with loss that `common.measure` has kept; the numbers below are theirs.
        is_compared: True if these are of the same images as those of other settings.
        rate_bpp: 8 · their bytes over their pixels; None if there is none.
        ratio: Size of their originals over theirs; None if there is none.
        mean_psnr_db: Mean of their PSNR; None if there is none.
        worst_psnr_db: Smallest of their PSNR; None if there is none.
        mean_ms_ssim: Mean over those that are large enough for it; None if none is.
    """

    name: str
    model: str
    preset: str
    source_n_bytes: int
    decode_seconds: float | None
    n_measured: int
    is_compared: bool
    rate_bpp: float | None
    ratio: float | None
    mean_psnr_db: float | None
    worst_psnr_db: float | None
    mean_ms_ssim: float | None


@dataclass(frozen=True)
class BitstreamPoint:
    """One bitstream. `goal` is None if there are too many goals to give this one a colour."""

    model: str
    goal: Goal | None
    rate_bpp: float
    psnr_db: float
    path: str


@dataclass(frozen=True)
class Bin:
    """A number of bitstreams of a model: those whose value is at least `low` and below `high`."""

    model: str
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class HistoryPoint:
    """The mean over the fits of a setting of what they reported around a step (the patent's Fig. 5)."""

    model: str
    preset: str
    goal: Goal
    step: float
    estimated_bpp: float
    psnr_db: float
    n_images: int


@dataclass(frozen=True)
class Failure:
    """An image that could not be archived, and why."""

    path: str
    setting: str
    error_type: str
    message: str


@dataclass(frozen=True)
class Finding:
    """A bitstream that the last audit found ``damaged`` or ``missing``."""

    key: str
    status: str
    message: str


@dataclass(frozen=True)
class Facts:
    """The numbers of a report.

    Attributes:
        totals: Over everything.
        settings: The settings, at most `queries.MAX_SETTINGS` of them, from few bits to many.
        n_more_settings: 1 if there are more.
        points: A sample of at most `queries.MAX_POINTS` bitstreams; `n_points` is the number of all.
        n_points: Bitstreams that are not lossless.
        psnr_bins: Numbers of bitstreams by PSNR in dB.
        rate_bins: Numbers of bitstreams by bits per pixel.
        history: Points of the mean fit of each setting.
        reasons: Names of errors, and how many rows failed by each.
        failures: Rows that failed, at most `queries.MAX_FAILURES`.
        findings: Objects of the whole store that audits found lost, at most `queries.MAX_FAILURES`.
    """

    totals: Totals
    settings: tuple[SettingSums, ...]
    n_more_settings: int
    points: tuple[BitstreamPoint, ...]
    n_points: int
    psnr_bins: tuple[Bin, ...]
    rate_bins: tuple[Bin, ...]
    history: tuple[HistoryPoint, ...]
    reasons: tuple[tuple[str, int], ...]
    failures: tuple[Failure, ...]
    findings: tuple[Finding, ...]


def pick(tables: Tables, run_id: str | None) -> None:
    """Keep the latest rows, of one run if that is given, as the temporary table ``picked``.

    ``goals`` are those with a colour of their own; ``measured`` is what `common.measure` makes.
    """
    tables.ask(queries.PICKED, (run_id, run_id))
    tables.ask(queries.GOALS)
    measure(tables)


def read_facts(tables: Tables) -> Facts:
    """The numbers of a report over the rows that `pick` has kept.

    Raises:
        CatalogueError: A part is damaged.
    """
    settings = _settings(tables.ask(queries.SETTINGS).records())
    low_db, high_db, low_octave, high_octave, n_points = tables.ask(queries.RANGES).rows[0]
    octaves = _bins(tables, "log2(rate_bpp)", low_octave, high_octave, BIN_WIDTHS_OCTAVES)
    return Facts(
        totals=Totals(**tables.ask(queries.TOTALS).records()[0]),
        settings=tuple(settings[: queries.MAX_SETTINGS]),
        n_more_settings=len(settings[queries.MAX_SETTINGS :]),
        points=tuple(_points(tables.ask(queries.POINTS).rows)),
        n_points=n_points,
        psnr_bins=tuple(_bins(tables, "psnr_db", low_db, high_db, BIN_WIDTHS_DB)),
        rate_bins=tuple(Bin(each.model, 2**each.low, 2**each.high, each.n) for each in octaves),
        history=tuple(
            HistoryPoint(model, preset, Goal(goal, value), *rest)
            for model, preset, goal, value, *rest in tables.ask(queries.HISTORY).rows
        ),
        reasons=tuple((name, n) for name, n in tables.ask(queries.REASONS).rows),
        failures=tuple(_failures(tables.ask(queries.FAILURES).records())),
        findings=tuple(Finding(*row) for row in tables.ask(queries.FINDINGS).rows),
    )


def worst_rows(tables: Tables, n_images: int) -> list[Row]:
    """The rows of ``images`` with the smallest PSNR, at most one of each image."""
    return tables.ask(queries.WORST, (n_images,)).records()


def _settings(rows: Iterable[Row]) -> list[SettingSums]:
    """The settings; where two would have one name, the digest in the keys of their files is part of it."""
    named = [(_name(row), row) for row in rows]
    n_alike = Counter((name, row["model"], row["preset"]) for name, row in named)
    kept = {field.name for field in fields(SettingSums)}
    found = []
    for name, row in named:
        if n_alike[name, row["model"], row["preset"]] > 1:
            name = f"{name}, {row['archive_digest'][:8]}"
        found.append(SettingSums(name=name, **{key: value for key, value in row.items() if key in kept}))
    return found


def _name(row: Row) -> str:
    config = json.loads(row["config_json"])
    least = f", at least {row['min_psnr_db']:g} dB" if row["min_psnr_db"] is not None else ""
    hidden = ", hidden colours kept" if config.get("hidden") == "keep" else ""
    seed = f", seed {config['seed']}" if config.get("seed") else ""
    return f"{Goal(row['goal'], row['goal_value'])}{least}{hidden}{seed}"


def _points(rows: Iterable[Sequence[Any]]) -> Iterable[BitstreamPoint]:
    for model, _, shown, goal, value, rate_bpp, psnr_db, path in rows:
        yield BitstreamPoint(model, Goal(goal, value) if shown else None, rate_bpp, psnr_db, path)


def _bins(
    tables: Tables, value: str, low: float | None, high: float | None, widths: Sequence[float]
) -> list[Bin]:
    """Bins of the smallest width that gives at most `MAX_BINS`, or of the last width if none does."""
    if low is None or high is None:
        return []
    width = next((each for each in widths if (high - low) / each <= MAX_BINS - 1), widths[-1])
    rows = tables.ask(queries.BINS.format(value=value, width=width)).rows
    return [Bin(model, number * width, (number + 1) * width, n) for model, number, n in rows]


def _failures(rows: Iterable[Row]) -> Iterable[Failure]:
    for row in rows:
        setting = f"{row['model']} {row['preset']}, {Goal(row['goal'], row['goal_value'])}"
        yield Failure(row["source_path"], setting, row["error_type"], row["error_message"])

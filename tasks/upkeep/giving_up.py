"""The settings of an archive, and which images one of them can be given up for.

A setting is what one archive digest stands for: a recipe, under one version of this package. Unless all the
same is asked for, an image is given up under a setting only where another one has it: nothing is lost but a
choice.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from inr.errors import ConfigError
from tasks.catalogue.columns import Row
from tasks.catalogue.recipe import Goal
from tasks.catalogue.records import Status

SHOWN_DIGITS = 12  # of the digest of a setting


@dataclass(frozen=True)
class SettingInUse:
    """A setting that an archive has rows of.

    Attributes:
        archive_digest: Its digest, as rows have it.
        encoder_version: Version of this package.
        how: Model, length of a fit, goal and contract, for people.
        n_archived: Images archived under it.
        n_failed: Images that failed.
        n_bytes: Size of the files of those archived.
        last_at: Time of its latest row, in UTC.
    """

    archive_digest: str
    encoder_version: str
    how: str
    n_archived: int
    n_failed: int
    n_bytes: int
    last_at: datetime


def settings_in_use(rows: Iterable[Row]) -> list[SettingInUse]:
    """The settings of the latest rows of an archive, those used last first."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["archive_digest"]].append(row)
    settings = [_setting(digest, some) for digest, some in found.items()]
    return sorted(settings, key=lambda setting: setting.last_at, reverse=True)


def _setting(digest: str, rows: Sequence[Row]) -> SettingInUse:
    archived, first = [row for row in rows if row["status"] == Status.ARCHIVED], rows[0]
    least = f", at least {first['min_psnr_db']:g} dB" if first["min_psnr_db"] is not None else ""
    goal = Goal(first["goal"], first["goal_value"])
    return SettingInUse(
        archive_digest=digest,
        encoder_version=first["encoder_version"],
        how=f"{json.loads(first['config_json'])['model']} {first['preset']}, {goal}{least}",
        n_archived=len(archived),
        n_failed=len(rows) - len(archived),
        n_bytes=sum(row["n_bytes"] for row in archived),
        last_at=max(row["recorded_at"] for row in rows),
    )


def chosen(settings: Sequence[SettingInUse], drop: Sequence[str], keep: Sequence[str]) -> frozenset[str]:
    """The digests of the settings to give up.

    Args:
        settings: The settings of the archive.
        drop: Beginnings of the digests of those to give up.
        keep: Beginnings of the digests of those to keep; all others are given up.

    Raises:
        ConfigError: A beginning is that of no setting or of several; or both lists say something.
    """
    if drop and keep:
        raise ConfigError("expected at most one of --drop and --keep, found both")
    named = frozenset(_named(settings, beginning) for beginning in (*drop, *keep))
    return frozenset(setting.archive_digest for setting in settings) - named if keep else named


def _named(settings: Sequence[SettingInUse], beginning: str) -> str:
    digests = [setting.archive_digest for setting in settings]
    found = [digest for digest in digests if beginning and digest.startswith(beginning)]
    if len(found) != 1:
        there_are = ", ".join(digest[:SHOWN_DIGITS] for digest in digests) or "none"
        raise ConfigError(
            f"setting: expected the beginning of the digest of one, found {beginning!r}, which is that of "
            f"{len(found)}; there are {there_are}"
        )
    return found[0]


@dataclass(frozen=True)
class GivenUp:
    """The latest rows that are given up, and how many images are kept since no other setting has them."""

    rows: tuple[Row, ...]
    n_last: int


def given_up(
    rows: Sequence[Row],
    settings: Collection[str],
    is_there: Callable[[Row], bool],
    has_file: Callable[[Row], bool],
    *,
    even_last: bool,
) -> GivenUp:
    """What giving up some settings takes.

    Args:
        rows: The latest rows of an archive.
        settings: Digests of the settings to give up.
        is_there: Tells of the row of an archived image whether its object can be relied on.
        has_file: Tells of a row whether it may stand for a file: a failure does where an earlier row names
            one that is there, which may be whole.
        even_last: True to give up images, too, that no other setting has.
    """
    elsewhere = {
        row["image_digest"]
        for row in rows
        if row["archive_digest"] not in settings and row["status"] == Status.ARCHIVED and is_there(row)
    }
    theirs = [row for row in rows if row["archive_digest"] in settings]
    found = [row for row in theirs if even_last or not has_file(row) or row["image_digest"] in elsewhere]
    return GivenUp(tuple(found), len(theirs) - len(found))

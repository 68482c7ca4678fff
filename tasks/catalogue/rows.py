"""Rows of the tables ``images`` and ``audits``: made of what the tasks know, and read back.

A row has every column of its table, in order; what was not known when an image failed is null. What is
read back comes from outside: a value that must be there and is not raises a `CatalogueError` by column.
"""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.columns import AUDITS_COLUMNS, IMAGES_COLUMNS, Row
from tasks.catalogue.recipe import Setting
from tasks.catalogue.records import (
    LOSSLESS,
    Archived,
    Effort,
    Listed,
    Maker,
    NetworkFacts,
    Outcome,
    PictureFacts,
    Planned,
    Status,
    Stored,
    StoredFile,
    Verification,
)
from tasks.errors import CatalogueError
from tasks.originals.listing import SourceImage

TICK = timedelta(microseconds=1)  # by which a row is later than another one, after which it is to count

# In the row of an archived image.
MAY_BE_NULL = frozenset({"min_psnr_db", "refits", "device", "ms_ssim", "n_steps", "budget_seconds"})

_KEPT_OF_DROPPED = (
    *("image_digest", "source_uri", "source_path", "also_at", "source_n_bytes"),
    *(part.name for kind in (Setting, Maker) for part in dataclasses.fields(kind)),
)

Part = TypeVar("Part", Setting, Maker, PictureFacts, Effort, StoredFile, NetworkFacts, Verification)


def row_of(outcome: Outcome) -> Row:
    """The row of ``images`` of an image that was archived or failed."""
    is_archived = isinstance(outcome, Archived)
    row: Row = {
        **dict.fromkeys(IMAGES_COLUMNS.names),
        "schema_version": IMAGES_COLUMNS.version,
        "status": (Status.ARCHIVED if is_archived else Status.FAILED).value,
        "recorded_at": outcome.recorded_at,
        **_of_origin(outcome.origin),
    }
    if outcome.stored is not None:
        row |= _of_stored(outcome.stored)
    if isinstance(outcome, Archived):
        return {**row, **dataclasses.asdict(outcome.verification)}
    return {**row, "error_type": outcome.error_type, "error_message": outcome.error_message}


def dropped_row(row: Row, run_id: str, newest: datetime) -> Row:
    """The row by which an image is given up under its setting: of its latest row, what is known before a fit.

    It is just later than the rows that were known as this was decided. Another row that is written meanwhile,
    as by a run that has archived the image anew, is later and counts.

    Args:
        row: The latest row.
        run_id: Name of the run that gives it up.
        newest: Time of the newest row of the image under that setting, whether it counts or not.
    """
    return {
        **dict.fromkeys(IMAGES_COLUMNS.names),
        **{name: row[name] for name in _KEPT_OF_DROPPED},
        "schema_version": IMAGES_COLUMNS.version,
        "status": Status.DROPPED.value,
        "recorded_at": newest + TICK,
        "run_id": run_id,
        "notes": [],
    }


def _of_origin(origin: Listed | Planned) -> Row:
    row = {
        "run_id": origin.run_id,
        **dataclasses.asdict(origin.setting),
        **dataclasses.asdict(origin.maker),
        "notes": [],
    }
    if isinstance(origin, Listed):
        file = origin.file
        return {**row, "source_uri": file.uri, "source_path": file.path, "also_at": [], "source_n_bytes": 0}
    image = origin.image
    return {
        **row,
        "image_digest": image.digest,
        "source_uri": image.uri,
        "source_path": image.path,
        "also_at": list(image.also_at),
        "source_n_bytes": image.n_bytes,
    }


def _of_stored(stored: Stored) -> Row:
    network = {} if stored.network is None else dataclasses.asdict(stored.network)
    return {
        **dataclasses.asdict(stored.picture),
        "notes": list(stored.picture.notes),
        **dataclasses.asdict(stored.effort),
        **dataclasses.asdict(stored.file),
        **network,
        "model": stored.model,
    }


def archived_of(row: Row) -> Archived:
    """Read a row of ``images`` with status ``archived``; its times are UTC, with a zone or without.

    Raises:
        CatalogueError: The row has another status, or lacks a value that every such row has.
    """
    if required(row, "status") != Status.ARCHIVED:
        raise CatalogueError(f"status: expected {Status.ARCHIVED}, found {row['status']!r}")
    stored = Stored(
        planned=_planned_of(row),
        picture=_part(PictureFacts, row, notes=tuple(required(row, "notes"))),
        effort=_part(Effort, row),
        file=_part(StoredFile, row),
        network=None if required(row, "model") == LOSSLESS else _part(NetworkFacts, row),
    )
    verification = _part(Verification, row, verified_at=_time(row, "verified_at"))
    return Archived(stored, verification, _time(row, "recorded_at"))


def image_of(row: Row) -> SourceImage:
    """The original of an archived image, as its row names it.

    Raises:
        CatalogueError: The row lacks a value that every such row has.
    """
    return SourceImage(
        digest=required(row, "image_digest"),
        uri=required(row, "source_uri"),
        path=required(row, "source_path"),
        n_bytes=required(row, "source_n_bytes"),
        also_at=tuple(required(row, "also_at")),
    )


def _planned_of(row: Row) -> Planned:
    setting = _part(Setting, row, model=_model_asked_for(row))
    return Planned(required(row, "run_id"), image_of(row), setting, _part(Maker, row))


def _model_asked_for(row: Row) -> str:
    """The model of a row's config, which the column ``model`` names unless the file is without loss."""
    if row["model"] != LOSSLESS:
        return str(row["model"])
    try:
        return str(json.loads(row["config_json"])["model"])
    except (ValueError, KeyError, TypeError) as error:
        raise CatalogueError(f"config_json: expected a config with a model: {error}") from error


def required(row: Row, column: str) -> Any:
    """The value of a column that an archived image's row has.

    Raises:
        CatalogueError: It is null.
    """
    if (value := row[column]) is None:
        raise CatalogueError(f"{column}: expected a value in the row of an archived image, found none")
    return value


def _part(kind: type[Part], row: Row, **given: Any) -> Part:
    """An instance of a class whose fields are columns, but for those that are given."""
    columns = [field.name for field in dataclasses.fields(kind) if field.name not in given]
    values = {name: row[name] if name in MAY_BE_NULL else required(row, name) for name in columns}
    return kind(**values, **given)


def _time(row: Row, column: str) -> datetime:
    time: datetime = required(row, column)
    return time.replace(tzinfo=UTC)


def audit_row(found: AuditRow) -> Row:
    """The row of ``audits`` for the result of an audit."""
    return {**dataclasses.asdict(found), "status": found.status.value}


def audit_of(row: Row) -> AuditRow:
    """Read a row of ``audits``.

    Raises:
        CatalogueError: The row has a status that this program does not know.
    """
    values = {name: row[name] for name in AUDITS_COLUMNS.names}
    try:
        return AuditRow(**{**values, "status": AuditStatus(row["status"])})
    except ValueError as error:
        raise CatalogueError(f"{row['key']}: status: {error}") from error

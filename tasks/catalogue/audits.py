"""The finding of an audit about one object of the store: a row of the table ``audits``."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tasks.catalogue.columns import AUDITS_COLUMNS


class AuditStatus(StrEnum):
    """A finding. `UNAVAILABLE` says nothing about the object, and is in no row of ``audits``."""

    INTACT = "intact"
    DAMAGED = "damaged"
    MISSING = "missing"
    ORPHAN = "orphan"
    UNAVAILABLE = "unavailable"


LOST = frozenset({AuditStatus.DAMAGED, AuditStatus.MISSING})


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """A finding about one object; CATALOGUE.md describes each field.

    Image and archive digest are None for an orphan, whose image is unknown; error type and message for an
    intact object or an orphan; size and seconds for an object that is not intact.
    """

    schema_version: int = AUDITS_COLUMNS.version
    run_id: str
    checked_at: datetime
    key: str
    image_digest: str | None = None
    archive_digest: str | None = None
    status: AuditStatus
    error_type: str | None = None
    error_message: str | None = None
    n_bytes: int | None = None
    decode_seconds: float | None = None

    @property
    def reason(self) -> str:
        """The reason why the object is damaged, missing or unavailable; empty if it is none of these."""
        return "" if self.error_message is None else self.error_message

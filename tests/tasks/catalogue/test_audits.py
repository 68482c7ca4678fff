import dataclasses

import pytest

from tasks.catalogue.audits import LOST, AuditRow, AuditStatus
from tasks.catalogue.columns import AUDITS_COLUMNS
from tasks.catalogue.records import now

ROW = AuditRow(run_id="run", checked_at=now(), key="k", status=AuditStatus.DAMAGED, error_message="one bit")


def test_a_row_has_the_columns_of_its_table():
    assert tuple(field.name for field in dataclasses.fields(AuditRow)) == AUDITS_COLUMNS.names
    assert ROW.schema_version == AUDITS_COLUMNS.version


@pytest.mark.parametrize(
    ("status", "is_lost"),
    [("intact", False), ("damaged", True), ("missing", True), ("orphan", False), ("unavailable", False)],
)
def test_an_image_is_lost_with_what_is_damaged_or_missing(status: str, is_lost: bool):
    assert (AuditStatus(status) in LOST) is is_lost


def test_the_reason_is_the_message_if_there_is_one():
    assert ROW.reason == "one bit"
    assert dataclasses.replace(ROW, status=AuditStatus.ORPHAN, error_message=None).reason == ""

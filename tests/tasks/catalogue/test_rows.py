import dataclasses
import math
from datetime import UTC, timedelta
from typing import Any

import pytest

from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.columns import AUDITS_COLUMNS, IMAGES_COLUMNS
from tasks.catalogue.records import LOSSLESS, Failed, Outcome, now
from tasks.catalogue.rows import MAY_BE_NULL, archived_of, audit_of, audit_row, dropped_row, row_of
from tasks.errors import CatalogueError
from tests.tasks.rows import archived, failed, listed, planned, stored_of

LOSSLESS_IMAGE = archived(model=LOSSLESS, psnr_db=math.inf, min_psnr_db=60.0, refits=3, device=None)
STORED = stored_of(planned())
OUTCOMES: dict[str, Outcome] = {
    "archived": archived(also_at=("b.png", "c.png"), ms_ssim=0.9),
    "lossless": LOSSLESS_IMAGE,
    "failed to verify": Failed.of(STORED, ValueError("no")),
    "failed to fit": failed(),
    "failed to read": Failed.of(listed(), OSError("no")),
}
# What is null in the row of each, beside what the contract and a small image leave out.
NETWORK = {"rd_lambda", "n_parameters", "estimated_rate_bits"}
ERROR = {"error_type", "error_message"}
VERIFIED = {"ms_ssim", "decode_seconds", "verify_seconds", "verified_at"}
FILE = {"key", "bitstream_digest", "symbols_digest", "pixels_digest", "n_bytes", "rate_bpp", "psnr_db"}
PICTURE = {"source_format", "source_mode", "width", "height", "channels", "icc_n_bytes", "exif_n_bytes"}
EFFORT = {"attempts", "restarts", "refits", "fit_seconds", "encode_seconds", "device", "n_threads"}
EFFORT |= {"n_steps", "budget_seconds"}
UNFITTED = NETWORK | FILE | PICTURE | EFFORT | VERIFIED | {"min_psnr_db"}


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_a_row_has_every_column_in_order(outcome: Outcome):
    row = row_of(outcome)
    assert tuple(row) == IMAGES_COLUMNS.names
    may_be_null = {name for name, _, nullable in IMAGES_COLUMNS.columns if nullable}
    assert {name for name, value in row.items() if value is None} <= may_be_null


@pytest.mark.parametrize(
    ("kind", "null"),
    [
        ("archived", ERROR | {"min_psnr_db", "refits", "budget_seconds"}),
        ("lossless", ERROR | NETWORK | {"ms_ssim", "device", "budget_seconds"}),
        ("failed to verify", VERIFIED | {"min_psnr_db", "refits", "budget_seconds"}),
        ("failed to fit", UNFITTED),
        ("failed to read", UNFITTED | {"image_digest"}),
    ],
)
def test_what_is_null_was_not_known(kind: str, null: set[str]):
    assert {name for name, value in row_of(OUTCOMES[kind]).items() if value is None} == null


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_what_is_given_up_keeps_what_was_known_before_a_fit_and_is_just_later(outcome: Outcome):
    row = row_of(outcome)
    newest = row["recorded_at"] + timedelta(
        hours=1
    )  # as of a failure, after which a file counts all the same
    found = dropped_row(row, "pruned", newest)
    assert tuple(found) == IMAGES_COLUMNS.names
    assert (found["status"], found["run_id"], found["notes"]) == ("dropped", "pruned", [])
    assert found["recorded_at"] == newest + timedelta(microseconds=1)
    null = {name for name, value in found.items() if value is None}
    assert null - {"image_digest", "min_psnr_db"} == (UNFITTED | ERROR) - {"min_psnr_db"}
    changed = {"status", "recorded_at", "run_id", "notes", *null}
    assert all(found[name] == row[name] for name in found if name not in changed)


def test_a_failed_verification_keeps_what_was_stored():
    row, archived_row = row_of(OUTCOMES["failed to verify"]), row_of(archived())
    for column in FILE | PICTURE | (EFFORT - {"refits", "budget_seconds"}) | NETWORK | {"notes", "model"}:
        assert row[column] == archived_row[column], column
    assert (row["status"], row["error_type"], row["error_message"]) == ("failed", "ValueError", "no")


def test_a_file_that_could_not_be_read_has_its_place_and_no_bytes():
    row = row_of(OUTCOMES["failed to read"])
    assert (row["source_uri"], row["source_path"]) == ("file:///photos/a.png", "a.png")
    assert (row["source_n_bytes"], row["also_at"], row["notes"]) == (0, [], [])


@pytest.mark.parametrize("kind", ["archived", "lossless"])
def test_an_archived_image_comes_back_from_its_row(kind: str):
    outcome = OUTCOMES[kind]
    assert archived_of(row_of(outcome)) == outcome
    assert row_of(archived_of(row_of(outcome))) == row_of(outcome)


def test_times_without_a_zone_are_utc():
    image = archived()
    row = row_of(image)
    without = {name: row[name].replace(tzinfo=None) for name in ("recorded_at", "verified_at")}
    found = archived_of({**row, **without})
    assert found == image
    assert found.recorded_at.tzinfo is UTC


def test_what_was_measured_on_the_stored_bytes_is_the_psnr_of_the_row():
    image = archived()
    verified = dataclasses.replace(image.verification, psnr_db=31.2500001)
    assert row_of(dataclasses.replace(image, verification=verified))["psnr_db"] == 31.2500001


def test_a_lossless_file_names_the_model_in_the_row_and_the_one_asked_for_in_its_config():
    row = row_of(LOSSLESS_IMAGE)
    assert row["model"] == LOSSLESS
    assert archived_of(row).origin.setting.model == "mlp"
    assert archived_of(row).stored.network is None


REQUIRED = sorted(set(IMAGES_COLUMNS.names) - MAY_BE_NULL - ERROR - {"schema_version"})


@pytest.mark.parametrize("column", REQUIRED)
def test_a_value_that_an_archived_image_must_have_is_named_where_it_is_missing(column: str):
    with pytest.raises(CatalogueError, match=f"^{column}: expected a value"):
        archived_of({**row_of(archived()), column: None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "failed"}, "status: expected archived, found 'failed'"),
        ({"status": "stored"}, "status: expected archived, found 'stored'"),
        ({"model": LOSSLESS, "config_json": "{"}, "config_json: expected a config with a model"),
        ({"model": LOSSLESS, "config_json": "[]"}, "config_json: expected a config with a model"),
        ({"model": LOSSLESS, "config_json": "{}"}, "config_json: expected a config with a model"),
    ],
)
def test_a_row_that_says_something_else_is_refused(changes: dict[str, Any], message: str):
    with pytest.raises(CatalogueError, match=message):
        archived_of({**row_of(archived()), **changes})


def test_audits_have_every_column_and_come_back():
    row = AuditRow(run_id="run", checked_at=now(), key="k", status=AuditStatus.DAMAGED, error_type="X")
    assert tuple(audit_row(row)) == AUDITS_COLUMNS.names
    assert audit_row(row)["status"] == "damaged"
    assert type(audit_row(row)["status"]) is str
    assert audit_of(audit_row(row)) == row
    with pytest.raises(CatalogueError, match="k: status: 'fine'"):
        audit_of({**audit_row(row), "status": "fine"})

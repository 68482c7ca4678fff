import dataclasses
import math
from pathlib import Path

import pytest

from benchmarks.archive.rows import add_synthetic_rows
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.parts import HISTORY, write_rows
from tasks.catalogue.query import tables
from tasks.catalogue.recipe import Goal
from tasks.catalogue.records import Failed, now
from tasks.report.html import facts, queries
from tasks.report.html.facts import Facts, Finding, pick, read_facts, worst_rows
from tasks.steps.commit import append, append_audits
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore
from tests.tasks.report.html.archive import LAMBDAS, sweep_records
from tests.tasks.rows import archived, digest, planned


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store"))


def facts_of(store: ObjectStore, run_id: str | None = None) -> Facts:
    with tables(store) as found:
        pick(found, run_id)
        return read_facts(found)


def test_totals_count_originals_once_and_bitstreams_each(store: ObjectStore):
    records = list(sweep_records(n_images=2))
    append(store, records)
    totals = facts_of(store).totals
    assert (totals.n_images, totals.n_archived, totals.n_settings) == (2, 12, 6)
    assert (totals.originals_n_bytes, totals.source_n_bytes) == (200_000, 1_200_000)
    assert totals.n_bytes == sum(record.stored.file.n_bytes for record in records)
    assert totals.ratio == 1_200_000 / totals.n_bytes
    assert totals.rate_bpp == pytest.approx(8 * totals.n_bytes / (12 * 16_000))
    assert totals.mean_psnr_db == pytest.approx(32.05)
    assert totals.worst_psnr_db == 30.0
    assert totals.fit_hours == pytest.approx(12 * 36 / 3600)


def test_only_the_latest_row_of_an_image_counts(store: ObjectStore):
    append(store, [Failed.of(planned("a"), ValueError("no"))])
    append(store, [archived("a")])
    assert (facts_of(store).totals.n_failed, facts_of(store).totals.n_archived) == (0, 1)


def test_what_has_no_loss_has_no_psnr_and_no_point(store: ObjectStore):
    append(store, [archived("a", model="lossless", psnr_db=math.inf, rd_lambda=None), archived("b")])
    found = facts_of(store)
    assert (found.totals.n_stored_lossless, found.totals.mean_psnr_db, found.n_points) == (1, 31.25, 1)
    assert [setting.model for setting in found.settings] == ["mlp", "lossless"]


def test_nothing_archived_is_no_number_but_its_failures(store: ObjectStore):
    append(store, [Failed.of(planned("a"), ValueError("no")), Failed.of(planned("b"), OSError("gone"))])
    found = facts_of(store)
    assert found.totals.rate_bpp is found.totals.mean_psnr_db is found.totals.ratio is None
    assert (found.points, found.psnr_bins, found.rate_bins, found.history) == ((), (), (), ())
    assert found.reasons == (("OSError", 1), ("ValueError", 1))
    assert [(failure.path, failure.message) for failure in found.failures] == [("b", "gone"), ("a", "no")]


def test_bins_hold_every_bitstream_once(store: ObjectStore):
    records = list(sweep_records())
    append(store, records)
    found = facts_of(store)
    for bins, values in (
        (found.psnr_bins, [record.verification.psnr_db for record in records]),
        (found.rate_bins, [record.stored.file.rate_bpp for record in records]),
    ):
        assert sum(each.n for each in bins) == len(records)
        assert all(any(each.low <= value < each.high for each in bins) for value in values)


@pytest.mark.parametrize("spread", [0.0, 0.01, 3.0, 400.0])
def test_there_are_never_many_bins(store: ObjectStore, spread: float):
    append(store, [archived(str(n), psnr_db=20 + n / 99 * spread) for n in range(100)])
    bins = facts_of(store).psnr_bins
    assert sum(each.n for each in bins) == 100
    assert len(bins) <= max(facts.MAX_BINS, spread / facts.BIN_WIDTHS_DB[-1] + 1)


def test_points_are_a_sample_and_rare_goals_are_the_others(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queries, "POINTS", queries.POINTS.replace(f"limit {queries.MAX_POINTS}", "limit 30"))
    rare = [archived(f"rare {n}", goal_value=0.5 + n / 100) for n in range(10)]
    append(store, [*sweep_records(n_images=10), *rare])
    found = facts_of(store)
    assert (len(found.points), found.n_points) == (30, 70)
    assert found.points == facts_of(store).points
    with tables(store) as asked:
        pick(asked, None)
        goals = {Goal(*row) for row in asked.ask("select * from goals").rows}
    assert {Goal("rd_lambda", rd_lambda) for rd_lambda in LAMBDAS} < goals
    assert len(goals) == queries.MAX_GOALS
    assert {point.goal for point in found.points} <= {*goals, None}


def test_the_history_is_the_mean_of_each_last_attempt(store: ObjectStore):
    records = [archived("a"), archived("b")]
    append(store, records)
    rows = [
        {
            **dict.fromkeys(("run_id", "config_digest"), "any"),
            "schema_version": 1,
            "image_digest": record.origin.image.digest,
            "archive_digest": record.origin.setting.archive_digest,
            "attempt": attempt,
            "step": step,
            "n_steps": 100,
            "rd_lambda": 0.002,
            "estimated_bpp": bpp * attempt,
            "psnr_db": 20.0 + step / 10,
        }
        for record, bpp in zip(records, (0.2, 0.4), strict=True)
        for attempt in (1, 2)
        for step in (50, 100)
    ]
    write_rows(store, HISTORY, "history.parquet", rows)
    history = facts_of(store).history
    assert [(point.step, point.psnr_db, point.n_images) for point in history] == [
        (50, 25.0, 2),
        (100, 30.0, 2),
    ]
    assert all(point.estimated_bpp == pytest.approx(0.6) for point in history)


def test_the_worst_row_of_each_image_comes_once(store: ObjectStore):
    append(store, [*sweep_records(n_images=3), archived("better", psnr_db=40.0)])
    with tables(store) as found:
        pick(found, None)
        rows = worst_rows(found, 3)
    assert [row["psnr_db"] for row in rows] == [30.0, 30.1, 30.2]
    assert len({row["image_digest"] for row in rows}) == 3


def test_a_run_is_told_apart(store: ObjectStore):
    append(
        store,
        [*sweep_records(n_images=1), archived("a"), Failed.of(planned("b", "other"), ValueError("no"))],
    )
    assert facts_of(store, "sweep").totals.n_archived == 6
    assert facts_of(store, "other").totals.n_failed == 1
    assert facts_of(store, "none of them").totals.n_archived == 0


def test_findings_are_the_last_audits_that_are_losses(store: ObjectStore):
    record = archived("a")
    append(store, [record])
    first = AuditRow(
        run_id="audit", checked_at=now(), key="a.inr", status=AuditStatus.DAMAGED, error_message="one bit"
    )
    again = dataclasses.replace(first, checked_at=now(), status=AuditStatus.INTACT)
    append_audits(store, [first, dataclasses.replace(first, key="b.inr"), again])
    assert facts_of(store).findings == (Finding("b.inr", "damaged", "one bit"),)


def test_failures_and_settings_are_bounded(store: ObjectStore):
    many = [Failed.of(planned(f"{n:04d}"), ValueError("no")) for n in range(queries.MAX_FAILURES + 5)]
    append(store, [*many, *(archived(str(n), goal_value=1 + n) for n in range(queries.MAX_SETTINGS + 5))])
    found = facts_of(store)
    assert (len(found.failures), found.totals.n_failed) == (queries.MAX_FAILURES, queries.MAX_FAILURES + 5)
    assert (len(found.settings), found.n_more_settings) == (queries.MAX_SETTINGS, 1)


def test_rows_of_the_benchmark_are_rows(store: ObjectStore):
    add_synthetic_rows(store, 130)
    found = facts_of(store)
    assert (found.totals.n_archived, found.totals.n_failed, found.n_points) == (128, 2, 128)
    assert len(found.history) == 2 * 5 * 40
    assert digest("a") not in {point.path for point in found.points}

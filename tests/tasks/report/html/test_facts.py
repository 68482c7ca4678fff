import dataclasses
import math
from pathlib import Path

import pytest

from benchmarks.archive.rows import add_synthetic_rows
from inr import CodecConfig
from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.catalogue.parts import HISTORY, write_rows
from tasks.catalogue.query import tables
from tasks.catalogue.recipe import Goal, Recipe
from tasks.catalogue.records import Failed, Planned, now
from tasks.report.html import facts, queries
from tasks.report.html.facts import Facts, Finding, pick, read_facts, worst_rows
from tasks.steps.commit import append, append_audits
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore
from tests.tasks.report.html.archive import LAMBDAS, sweep_records
from tests.tasks.rows import archived, archived_from, digest, planned, source_image


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
    assert totals.originals_n_bytes == 200_000
    assert totals.n_bytes == sum(record.stored.file.n_bytes for record in records)
    assert totals.ratio == totals.originals_n_bytes / totals.n_bytes
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
    assert (found.totals.n_archived, found.totals.n_inexact) == (2, 1)
    [setting] = found.settings
    assert (setting.model, setting.n_archived, setting.n_stored_lossless, setting.n_measured) == (
        "mlp",
        2,
        1,
        1,
    )


def test_settings_are_measured_over_the_images_that_all_of_them_have(store: ObjectStore):
    records = list(sweep_records(n_images=4))
    lacking = records[:-1]  # the last image lacks one setting
    alone = [archived(f"alone {n}", psnr_db=20.0, archive_digest="e" * 64, goal_value=0.5) for n in range(9)]
    append(store, [*lacking, *alone])
    found = facts_of(store).settings
    assert [(each.n_measured, each.is_compared) for each in found].count((3, True)) == 6
    [other] = [each for each in found if not each.is_compared]
    assert (other.n_measured, other.mean_psnr_db) == (9, 20.0)
    for each in found:
        if each.is_compared:
            n_bytes = round(each.rate_bpp * 3 * 16_000 / 8) if each.rate_bpp else 0
            mine = [
                record
                for record in lacking[:18]
                if (record.stored.model, record.origin.setting.goal_value)
                == (each.model, float(each.name.removeprefix("λ ")))
            ]
            assert n_bytes == sum(record.stored.file.n_bytes for record in mine)
            assert each.ratio == 300_000 / n_bytes
            assert each.mean_psnr_db == pytest.approx(mine[1].stored.file.psnr_db)
    assert sorted(each.n_archived for each in found) == [3, 4, 4, 4, 4, 4, 9]


def test_rows_of_settings_add_up_to_the_totals(store: ObjectStore):
    lossless = archived("a", model="lossless", psnr_db=math.inf, rd_lambda=None)
    append(store, [*sweep_records(), lossless, Failed.of(planned("b"), ValueError("no"))])
    found = facts_of(store)
    for name in ("n_archived", "n_stored_lossless", "n_failed", "n_bytes"):
        assert sum(getattr(each, name) for each in found.settings) == getattr(found.totals, name), name
    assert len(found.settings) == found.totals.n_settings == 7


def test_settings_of_one_goal_are_told_apart(store: ObjectStore):
    recipes = [
        Recipe(
            CodecConfig(model="mlp", preset="draft", rd_lambda=0.01, seed=seed, hidden=hidden), None, n_steps
        )
        for seed, hidden, n_steps in (
            (0, "ignore", None),
            (0, "ignore", 7),
            (3, "ignore", None),
            (0, "keep", None),
        )
    ]
    append(store, [archived_from(Planned.of("run", recipe, source_image())) for recipe in recipes])
    names = {(each.preset, each.name) for each in facts_of(store).settings}
    alike = {("draft", "λ 0.01"), ("7 steps", "λ 0.01")}
    assert names == {*alike, ("draft", "λ 0.01, seed 3"), ("draft", "λ 0.01, hidden colours kept")}


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


def test_the_history_is_the_mean_of_each_last_attempt_that_is_whole(store: ObjectStore):
    """The third one of the first image goes on from the second, so that it has no first steps."""
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
        for attempt, step in ((1, 50), (1, 100), (2, 50), (2, 100), (3, 80), (3, 100))
        if attempt < 3 or record is records[0]
    ]
    write_rows(store, HISTORY, "history.parquet", rows)
    history = facts_of(store).history
    assert [(point.step, point.psnr_db, point.n_images) for point in history] == [
        (50, 25.0, 2),
        (100, 30.0, 2),
    ]
    assert all(point.estimated_bpp == pytest.approx(0.6) for point in history)


def test_a_line_of_the_history_is_over_the_same_images_from_end_to_end(store: ObjectStore):
    """And over those of the compared settings: an image that one of them lacks is in no line of theirs."""
    records = list(sweep_records(n_images=4))[:-1]
    append(store, records)
    rows = [
        {
            **dict.fromkeys(("run_id", "config_digest"), "any"),
            "schema_version": 1,
            "image_digest": record.origin.image.digest,
            "archive_digest": record.origin.setting.archive_digest,
            "attempt": 1,
            "step": step,
            "n_steps": 100,
            "rd_lambda": record.origin.setting.goal_value,
            "estimated_bpp": 1.0,
            "psnr_db": record.stored.file.psnr_db,
        }
        for record in records
        for step in (50, 100)
        if step == 100 or record is not records[0]
    ]
    write_rows(store, HISTORY, "history.parquet", rows)
    history = facts_of(store).history
    assert {point.n_images for point in history} == {3}
    of_first = [point for point in history if (point.model, point.goal.value) == ("mlp", LAMBDAS[0])]
    assert [point.step for point in of_first] == [100]
    assert len(history) == 2 * 6 - 1


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
    settings = [
        archived(str(n), goal_value=1 + n, archive_digest=digest(str(n)))
        for n in range(queries.MAX_SETTINGS + 5)
    ]
    append(store, [*many, *settings])
    found = facts_of(store)
    assert (len(found.failures), found.totals.n_failed) == (queries.MAX_FAILURES, queries.MAX_FAILURES + 5)
    assert (len(found.settings), found.n_more_settings) == (queries.MAX_SETTINGS, 1)


def test_rows_of_the_benchmark_are_rows(store: ObjectStore):
    add_synthetic_rows(store, 130)
    found = facts_of(store)
    assert (found.totals.n_archived, found.totals.n_failed, found.n_points) == (128, 2, 128)
    assert len(found.history) == 2 * 5 * 40
    assert digest("a") not in {point.path for point in found.points}

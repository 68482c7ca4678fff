import dataclasses
import json
import math
import re

import pytest

from tasks.catalogue.columns import IMAGES_COLUMNS
from tasks.catalogue.records import LOSSLESS, Failed
from tasks.errors import UnsuitableFile, VerificationMismatch
from tasks.report import summary as report
from tasks.report.markdown import markdown
from tasks.report.summary import RunSummary, as_values, in_a_line, missed_target, reason, table_row
from tests.tasks.rows import archived, digest, failed, listed, planned, stored_of


def summary_of(n_planned: int = 3) -> RunSummary:
    return RunSummary("run", "photos", "store", "mlp draft", "3 to archive", n_planned)


def test_totals():
    summary = summary_of()
    summary.add(archived("a", psnr_db=30.0))
    summary.add(archived("b", psnr_db=34.0))
    summary.add(archived("c", psnr_db=math.inf))
    summary.add(failed("d"))
    assert (summary.n_archived, summary.n_failed, summary.n_done, summary.n_exact) == (3, 1, 4, 1)
    assert summary.mean_psnr_db == 32.0
    assert summary.rate_bpp == 8 * 3 * len(b"bitstream") / (3 * 16 * 12)


def test_a_table_row_is_what_the_terminal_shows():
    assert list(table_row(archived()).values()) == [
        *("a.png", "16x12x3", "mlp draft", "0.002", "0.375", "31.25", "2.0", "yes")
    ]
    assert reason(archived()) == ""
    failure = failed()
    assert reason(failure) == "ValueError: no"
    shown = table_row(failure)
    assert list(shown.values()) == ["a.png", "", "mlp draft", "", "", "", "", "FAILED"]
    assert tuple(shown) == report.COLUMNS


def test_what_is_stored_without_loss_is_told():
    summary = summary_of()
    summary.add(archived("a", model="lossless", psnr_db=math.inf, rd_lambda=None))
    assert summary.headline() == "1 of 3 images archived and verified, 1 without loss"
    assert list(table_row(summary.records()[0]).values())[2:4] == ["lossless", ""]


@pytest.mark.parametrize(
    ("goal", "value", "told"),
    [
        ("target_psnr_db", 31.5, "the target of 31.5 dB is missed, 31.250 dB was reached"),
        ("target_psnr_db", 31.25, ""),
        ("target_bpp", 0.37, "the target of 0.37 bpp is missed, 0.3750 bpp was reached"),
        ("target_bpp", 0.375, ""),
        ("rd_lambda", 9.0, ""),
    ],
)
def test_a_target_that_is_missed_is_told(goal: str, value: float, told: str):
    summary, image = summary_of(2), archived("a", goal=goal, goal_value=value)
    summary.add(image)
    assert missed_target(image) == told
    misses = ", 1 of them misses its target" if told else ""
    assert summary.headline() == f"1 of 2 images archived and verified{misses}"
    assert told in markdown(summary)
    assert as_values(summary)["n_missed"] == bool(told)
    assert missed_target(failed()) == ""


def test_images_that_were_renamed_are_told():
    summary = dataclasses.replace(summary_of(1), n_before=3, n_renamed=2)
    summary.add(archived("a"))
    told = "1 of 1 image archived and verified, 3 archived before, 2 of them renamed"
    assert summary.headline() == told
    assert summary.recounted({digest("a"): archived("a")}, 0).headline() == told
    nothing = dataclasses.replace(summary_of(0), n_before=3, n_renamed=2)
    assert nothing.headline() == "nothing to do: 3 images archived already, 2 of them renamed"
    assert as_values(nothing)["n_renamed"] == 2


def test_failures_come_first_and_rows_are_bounded(monkeypatch):
    monkeypatch.setattr(report, "KEPT_ROWS", 2)
    summary = summary_of(6)
    for name in ("e", "b", "c"):
        summary.add(archived(name))
    for name in ("d", "a", "f"):
        summary.add(failed(name))
    assert [record.path for record in summary.records()] == ["a", "d", "b", "e"]
    assert summary.headline() == "3 of 6 images archived and verified, 3 failed"


def test_what_is_archived_counts_whatever_was_told_on_the_way():
    summary = summary_of(5)
    summary.n_before, summary.n_excluded, summary.wall_seconds = 7, 4, 2.5
    for outcome in (
        archived("a"),
        archived("b"),
        failed("c"),
        failed("d"),
        Failed.of(listed("e"), UnsuitableFile()),
    ):
        summary.add(outcome)
    summary.n_known_bad, summary.known_bad = 1, [("f", "empty")]
    found = summary.recounted({digest("a"): archived("a", psnr_db=20.0), digest("d"): archived("d")}, 1)
    assert [record.path for record in found.records()] == ["c", "e", "a", "d"]
    assert (found.n_archived, found.n_failed, found.n_before, found.wall_seconds) == (2, 3, 7, 2.5)
    assert found.n_excluded == 4
    failed_so = "3 failed, 1 of them by its own fault, 1 known to be bad"
    assert found.headline() == f"2 of 5 images archived and verified, 7 archived before, {failed_so}"
    assert found.known_bad == [("f", "empty")]
    assert found.mean_psnr_db == pytest.approx((20 + 31.25) / 2)


def test_nothing_to_do_says_so():
    summary = RunSummary("", "photos", "store", "mlp", "", n_before=7)
    assert summary.headline() == "nothing to do: 7 images archived already"
    assert dataclasses.replace(summary, n_before=0).headline() == "nothing to do: the source has no image"
    nothing = dataclasses.replace(summary, n_before=0, n_excluded=3)
    assert nothing.headline() == "nothing to do: include and exclude leave out 3 originals, and take none"
    known = dataclasses.replace(summary, n_known_bad=2).headline()
    assert known == "nothing to do: 7 images archived already, 2 known to be bad"


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ({"n_planned": 1, "n_archived": 1}, "1 of 1 image archived and verified"),
        ({"n_planned": 1, "n_failed": 1}, "0 of 1 image archived and verified, 1 failed"),
        (
            {"n_planned": 1, "n_failed": 1, "n_bad": 1},
            "0 of 1 image archived and verified, 1 failed by its own fault",
        ),
        (
            {"n_planned": 4, "n_failed": 3, "n_bad": 3, "n_archived": 1},
            "1 of 4 images archived and verified, 3 failed by their own fault",
        ),
        (
            {"n_planned": 4, "n_failed": 3, "n_bad": 2, "n_archived": 1},
            "1 of 4 images archived and verified, 3 failed, 2 of them by their own fault",
        ),
        ({"n_before": 1}, "nothing to do: 1 image archived already"),
        ({"n_excluded": 1}, "nothing to do: include and exclude leave out 1 original, and take none"),
        ({"n_known_bad": 1}, "nothing to do: the source has no other image, 1 known to be bad"),
    ],
)
def test_a_headline_reads_well_for_one_and_for_many(counts: dict[str, int], says: str):
    assert RunSummary("", "photos", "store", "mlp", "", **counts).headline() == says


def test_values_for_machines_are_plain():
    summary = summary_of()
    summary.add(archived())
    values = as_values(summary)
    assert values["n_archived"] == 1
    assert values["images"][0]["recorded_at"].endswith("+00:00")


def test_what_a_verification_found_wrong_shows_what_was_stored():
    summary = summary_of()
    summary.add(Failed.of(stored_of(planned("a")), VerificationMismatch("SHA-256")))
    [outcome] = summary.records()
    shown = table_row(outcome)
    assert list(shown.values()) == ["a", "16x12x3", "mlp draft", "0.002", "0.375", "31.25", "1.5", "FAILED"]
    assert (summary.n_failed, summary.n_archived, summary.n_bytes) == (1, 0, 0)


def test_exact_is_not_stored_without_loss():
    summary = summary_of()
    summary.add(archived("a", psnr_db=math.inf))
    summary.add(archived("b", psnr_db=math.inf, model=LOSSLESS))
    summary.add(archived("c"))
    assert (summary.n_exact, summary.n_stored_lossless) == (2, 1)
    assert summary.mean_psnr_db == 31.25


def test_sizes_say_over_which_images_a_mean_is():
    summary = summary_of()
    summary.add(archived("a"))
    assert summary.sizes() == "1000 bytes of originals became 9 bytes: 0.375 bpp, mean PSNR 31.25 dB"
    summary.add(archived("b", psnr_db=math.inf, model=LOSSLESS))
    assert summary.sizes().endswith("18 bytes: 0.375 bpp, mean PSNR 31.25 dB over 1, and 1 without any loss")
    exact = summary_of()
    exact.add(archived("b", psnr_db=math.inf, model=LOSSLESS))
    assert exact.sizes() == "1000 bytes of originals became 9 bytes: 0.375 bpp, all without any loss"


def test_without_an_image_there_are_no_means():
    summary = summary_of()
    summary.add(failed("a"))
    assert math.isnan(summary.mean_psnr_db)
    assert math.isnan(summary.rate_bpp)


def test_memory_does_not_grow_with_the_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(report, "KEPT_ROWS", 10)
    summary = summary_of(200)
    for n in range(100):
        summary.add(archived(f"{n:03}"))
        summary.add(failed(f"{n:03}"))
    assert len(summary.records()) == 20
    assert (summary.n_archived, summary.n_failed) == (100, 100)
    assert len(as_values(summary)["images"]) == 20


def test_values_for_machines_have_every_column_of_a_row():
    summary = summary_of()
    summary.add(archived(psnr_db=math.inf))
    values = as_values(summary)
    assert tuple(values["images"][0]) == IMAGES_COLUMNS.names
    assert not {"rows", "points"} & values.keys()
    assert json.loads(json.dumps(values))["n_exact"] == 1


def test_a_line_says_how_an_image_ended():
    kept, fitted = in_a_line(archived("a.png", psnr_db=math.inf)), in_a_line(archived("b.png", psnr_db=30.0))
    assert re.fullmatch(
        r"b\.png: archived, 16x12x\d, [\d.]+ bpp, 30\.00 dB, 9 bytes, λ [\d.e-]+, [\d.]+ s", fitted
    )
    assert ", inf dB, " in kept
    assert in_a_line(failed("z.png")) == f"z.png: failed: {reason(failed('z.png'))}"

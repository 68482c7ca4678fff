import math

from tasks.report import summary as report
from tasks.report.summary import RunSummary, as_values, reason, table_row
from tests.tasks.rows import archived, failed


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


def test_failures_come_first_and_rows_are_bounded(monkeypatch):
    monkeypatch.setattr(report, "KEPT_ROWS", 2)
    summary = summary_of(6)
    for name in ("e", "b", "c"):
        summary.add(archived(name))
    for name in ("d", "a", "f"):
        summary.add(failed(name))
    assert [record.path for record in summary.records()] == ["a", "d", "b", "e"]
    assert summary.headline() == "3 of 6 images archived and verified, 3 failed"


def test_nothing_to_do_says_so():
    summary = RunSummary("", "photos", "store", "mlp", "", n_before=7)
    assert summary.headline() == "nothing to do: 7 images are archived already"


def test_values_for_machines_are_plain():
    summary = summary_of()
    summary.add(archived())
    values = as_values(summary)
    assert values["n_archived"] == 1
    assert values["images"][0]["recorded_at"].endswith("+00:00")

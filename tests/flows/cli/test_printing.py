import csv
import io
import json
import math

import pytest
from rich.console import Console

from flows.cli import printing
from inr import Progress
from tasks.report.summary import RunSummary


def test_a_table_has_no_markup_and_numbers_stand_at_the_right(capsys: pytest.CaptureFixture[str]):
    printing.table(("name[a]", "n"), [("[red]a", "1"), ("b", "200")], red=lambda row: row == 0)
    header, first, second = (line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert header.split() == ["name[a]", "n"]
    assert (first.split(), second.split()) == (["[red]a", "1"], ["b", "200"])
    assert len(header) == len(first) == len(second)


def test_rows_that_do_not_fit_are_one_field_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    columns, rows = ("name", "a", "b"), [("x" * 30, "1" * 30, "2" * 30), ("y", "", "3")]
    monkeypatch.setenv("COLUMNS", "80")
    printing.table(columns, rows)
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        *("name: " + "x" * 30, "a: " + "1" * 30, "b: " + "2" * 30),
        "",
        *("name: y", "a:", "b: 3"),
    ]
    monkeypatch.delenv("COLUMNS")  # in a pipe there is room
    printing.table(columns, rows)
    header, first, second = capsys.readouterr().out.splitlines()
    assert first.split() == list(rows[0])
    assert (len(header), len(second)) == (len(first), len(first)) == (94, 94)


def test_a_long_name_is_folded_where_the_rest_of_its_row_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "40")
    printing.table(("name", "n"), [("x" * 60, "12")])
    header, *lines = (line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert header.split() == ["name", "n"]
    assert lines == ["x" * 36 + "  12", "x" * 24]


def test_csv_quotes_what_must_be_and_has_json_for_lists(capsys: pytest.CaptureFixture[str]):
    printing.csv_lines(("a", "b"), [("x,\n", None), (1.25, ["p", "q"]), (math.inf, {"c": 1})])
    shown = capsys.readouterr().out
    assert list(csv.reader(io.StringIO(shown))) == [
        ["a", "b"],
        ["x,\n", ""],
        ["1.25", '["p", "q"]'],
        ["inf", '{"c": 1}'],
    ]


def test_json_has_null_for_what_it_cannot_say_and_lists_for_tuples(capsys: pytest.CaptureFixture[str]):
    printing.show_json({"a": [math.inf, (math.nan, 1.5)], "b": {"c": -math.inf, "d": "inf"}})
    assert json.loads(capsys.readouterr().out) == {"a": [None, [None, 1.5]], "b": {"c": None, "d": "inf"}}


def test_bars_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch):
    with printing.fit_bar(True) as report, printing.run_bar(True) as listener:
        assert report is None
        listener(RunSummary("run", "", "", "", "", n_planned=2))
    monkeypatch.setattr(printing, "_err", terminal)
    with printing.fit_bar(False) as report:
        assert report is None


def test_bars_on_a_terminal_say_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(printing, "_err", terminal)
    with printing.run_bar(True) as listener:
        listener(RunSummary("run", "", "", "", "", n_planned=4, n_archived=1, n_failed=2))
    assert "3 of 4 images, 2 failed" in capsys.readouterr().err
    with printing.fit_bar(True) as report:
        assert report is not None
        report(Progress(attempt=1, step=5, n_steps=10, rd_lambda=0.002, estimated_bpp=1.25, psnr_db=30.5))
    assert "λ 0.002  estimated 1.250 bpp  30.50 dB" in capsys.readouterr().err


def terminal() -> Console:
    return Console(stderr=True, force_terminal=True, width=100)

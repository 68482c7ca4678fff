"""The words that people see, from values that no run has to make."""

import dataclasses
from collections.abc import Callable

import pytest

from flows.cli import display
from tasks.catalogue.query import Answer
from tasks.errors import SourceError
from tasks.plan.estimate import Estimate
from tasks.report.summary import RunSummary
from tasks.steps.compact import Compacted, CompactSummary, Day
from tasks.steps.restore import Restored, RestoreSummary
from tests.tasks import rows


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The lines that were printed since it was last called."""
    return lambda: [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_run_is_a_table_failures_first_with_reasons_below(shown: Callable[[], list[str]]):
    summary = RunSummary("run", "", "", "", "2 to archive", n_planned=2)
    summary.add(rows.archived("a.png"))
    summary.add(rows.failed("[bold]z.png", SourceError("gone")))
    display.show_run(summary)
    header, failed, archived, reason, headline, plan, _ = shown()
    assert header.split()[0] == "image"
    assert failed.split()[0] == "[bold]z.png"  # no markup
    assert failed.endswith("FAILED")
    assert archived.split()[:2] == ["a.png", "16x12x3"]
    assert reason == "[bold]z.png: SourceError: gone"
    assert headline == summary.headline()
    assert plan == "plan: 2 to archive"


def test_a_run_with_nothing_to_do_is_two_lines(shown: Callable[[], list[str]]):
    display.show_run(RunSummary("", "", "", "", "0 to archive", n_before=3))
    assert shown() == ["nothing to do: 3 images archived already", "plan: 0 to archive"]


def test_an_answer_has_numbers_on_the_right_and_empty_cells_for_null(shown: Callable[[], list[str]]):
    display.show_answer(Answer(("name", "psnr"), [("a", 30.123456789), ("longer\nname", None)]))
    header, first, second = shown()
    assert (header.split(), first.split(), second) == (["name", "psnr"], ["a", "30.1235"], r"longer\nname")
    assert header.index("psnr") + len("psnr") == len(first)
    display.show_answer(Answer(("name",), []))
    assert shown() == ["name"]


def test_an_estimate_says_what_is_known(shown: Callable[[], list[str]]):
    known = {
        "plan": "3 to archive",
        "n_images": 3,
        "n_pixels": 1_500_000,
        "source_n_bytes": 9,
        "n_workers": 2,
    }
    rates = {"hours": 1.0, "n_bytes": 7, "psnr_db": 31.25, "origin": "a table"}
    display.show_estimate(Estimate(**known, **rates, n_refused=1, refused=(("a.png", "why"),)))
    assert shown() == [
        "a.png: why",
        "plan: 3 to archive",
        "1 file cannot be archived, by the headers alone",
        "1.5 megapixels in 9 bytes",
        "about 60 min with 2 at a time",
        "about 7 bytes, and 31.2 dB in the mean",
        "by a table",
    ]
    none = {"hours": None, "n_bytes": None, "psnr_db": None, "origin": "no rates"}
    display.show_estimate(Estimate(**known, **{**rates, **none}, n_refused=0))
    assert shown()[-2:] == ["1.5 megapixels in 9 bytes", "by no rates"]
    small = {**known, "n_images": 1, "n_pixels": 1, "origin": "a table"}
    display.show_estimate(Estimate(**{**small, **none}, n_refused=0))
    assert "1 pixel in 9 bytes" in shown()
    empty = {**known, **rates, "plan": "0 to archive", "n_images": 0, "n_pixels": 0}
    display.show_estimate(Estimate(**empty, n_refused=0))
    assert shown()[-1] == "plan: 0 to archive"
    some = Estimate(**known, **rates, n_refused=1, n_steps=90, n_too_short=1, needed="3 hours")
    display.show_estimate(some)
    assert shown()[-4:] == [
        "about 60 min with 2 at a time, fits of 90 steps",
        "about 7 bytes, and 31.2 dB in the mean",
        "the time is too short for a fit of 1 of them; enough would be 3 hours",
        "by a table",
    ]
    display.show_estimate(dataclasses.replace(some, n_too_short=2))
    assert not any(line.startswith("about") for line in shown())


def test_what_failed_comes_before_the_totals(shown: Callable[[], list[str]]):
    restored = RestoreSummary("run", "store", "target", n_planned=2)
    restored.add(Restored(1, 0, 10))
    restored.fail("a.png", SourceError("gone"))
    display.show_restored(restored)
    assert shown() == ["a.png: SourceError: gone", restored.headline(), "10 bytes in target, 0.0 s"]
    compacted = CompactSummary("run", "store", n_planned=2)
    compacted.add(Compacted(4, 9, 4))
    compacted.fail(Day("catalogue/images", "20260101"), SourceError("gone"))
    display.show_compacted(compacted)
    assert shown() == ["images of 20260101: SourceError: gone", compacted.headline()]

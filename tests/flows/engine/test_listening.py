import pytest

from flows.engine.listening import current_listener, duration, listening
from tasks.report.summary import RunSummary
from tasks.steps.restore import RestoreSummary


def test_only_who_listens_hears():
    heard: list[object] = []
    first, second = RunSummary("run", "", "", "", ""), RestoreSummary("run", "", "")
    current_listener()(first)
    with listening(heard.append):
        current_listener()(first)
        current_listener()(second)
    current_listener()(second)
    assert heard == [first, second]


def test_the_innermost_hears_and_one_that_was_asked_for_before_stays_with_who_asked():
    outer: list[object] = []
    inner: list[object] = []
    summary = RunSummary("run", "", "", "", "")
    with listening(outer.append):
        kept = current_listener()
        with listening(inner.append):
            current_listener()(summary)
            kept(summary)
            kept(summary)
    assert (len(outer), len(inner)) == (2, 1)


@pytest.mark.parametrize(
    ("hours", "text"),
    [(0.0, "0 s"), (119 / 3600, "119 s"), (2 / 60, "2 min"), (1.9, "114 min"), (30, "30.0 h")],
)
def test_durations_have_a_unit_that_suits_them(hours: float, text: str):
    assert duration(hours) == text

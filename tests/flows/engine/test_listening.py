from flows.engine.listening import current_listener, listening
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

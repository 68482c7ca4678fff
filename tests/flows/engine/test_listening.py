from flows.engine.listening import Counted, listening, relaying, tell
from tasks.report.summary import RunSummary


def summary_of(n_planned: int, n_archived: int, n_failed: int = 0) -> RunSummary:
    return RunSummary("run", "", "", "", "", n_planned, n_archived=n_archived, n_failed=n_failed)


def told(summary: object) -> tuple[int, int, int]:
    return summary.n_planned, summary.n_done, summary.n_failed  # type: ignore[attr-defined]


def test_only_who_listens_is_told():
    heard: list[object] = []
    tell(summary_of(1, 0))
    with listening(heard.append):
        tell(summary_of(2, 1))
    tell(summary_of(3, 2))
    assert [told(summary) for summary in heard] == [(2, 1, 0)]


def test_a_part_is_told_as_what_it_makes_of_the_whole_and_counted_once():
    heard: list[object] = []
    also: list[object] = []
    whole = summary_of(10, 3, 1)
    with listening(heard.append):
        with relaying(whole, also.append) as tell_all:
            tell(summary_of(4, 1, 1))
            whole.n_archived += 2
            tell_all()
        tell(whole)
    assert [told(summary) for summary in heard] == [(10, 6, 2), (10, 6, 1), (10, 6, 1)]
    assert [told(summary) for summary in also] == [(10, 6, 2), (10, 6, 1)]
    assert heard[0] == Counted(10, 6, 2)


def test_without_a_listener_what_goes_along_is_still_told():
    also: list[object] = []
    with relaying(summary_of(10, 0), also.append):
        tell(summary_of(4, 1))
    assert [told(summary) for summary in also] == [(10, 1, 0)]

"""The clock beside fits, by a clock of the test's own where time matters."""

from collections.abc import Mapping

import pytest

from inr import DeadlineExceeded, Progress
from tasks.errors import RunCancelled
from tasks.steps import deadlines
from tasks.steps.deadlines import FitWatch, at_most_every, cancel, go_on, heed

PROGRESS = Progress(attempt=1, step=100, n_steps=600, rd_lambda=0.002, estimated_bpp=0.5, psnr_db=30.0)


class Clock:
    """Time that passes only when a test says so."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(deadlines, "time", clock)
    return clock


def after(clock: Clock, seconds: float, watch: FitWatch, *numbers: int) -> Mapping[int, Exception]:
    """The answer to a report of some images, so many seconds after the last one."""
    clock.now += seconds
    return watch(dict.fromkeys(numbers, PROGRESS))


def test_a_watch_reports_and_drops_nothing_by_itself():
    seen: list[Mapping[int, Progress]] = []
    watch = FitWatch(report=seen.append)
    assert watch({0: PROGRESS, 3: PROGRESS}) == {}
    assert watch.alone(PROGRESS) is None
    assert seen == [{0: PROGRESS, 3: PROGRESS}, {0: PROGRESS}]


def test_time_counts_for_the_images_that_report_at_its_end(clock: Clock):
    watch = FitWatch(started=0.0)
    for seconds, numbers in ((2.0, (0,)), (3.0, (0,)), (4.0, (1,)), (1.0, (1, 2))):
        after(clock, seconds, watch, *numbers)
    assert watch.fit_seconds == {0: 5.0, 1: 4.5, 2: 0.5}
    assert watch.busy_seconds == 10.0


def test_a_deadline_ends_the_image_that_is_over_it_and_no_other(clock: Clock):
    watch = FitWatch(deadline_seconds=5.0, started=0.0)
    assert after(clock, 5.0, watch, 0) == {}
    dropped = after(clock, 6.0, watch, 0, 1)  # which share the time
    assert dropped.keys() == {0}
    assert isinstance(dropped[0], DeadlineExceeded)
    assert str(dropped[0]) == "expected at most 5 s, found 8.0 s at step 100 of 600, attempt 1"
    assert after(clock, 2.0, watch, 1) == {}
    assert after(clock, 0.1, watch, 1).keys() == {1}


def test_time_that_a_report_takes_counts_too(clock: Clock):
    def slow(progress: Mapping[int, Progress]) -> None:
        clock.now += 6.0

    assert after(clock, 0.0, FitWatch(deadline_seconds=5.0, report=slow, started=0.0), 0).keys() == {0}


def test_a_cancelled_run_ends_every_image_and_no_other_run():
    watch = FitWatch(run_id="cancelled", deadline_seconds=1e-9)
    assert isinstance(watch.alone(PROGRESS), DeadlineExceeded)
    cancel("cancelled")
    dropped = watch({0: PROGRESS, 1: PROGRESS})
    assert {type(error) for error in dropped.values()} == {RunCancelled}
    assert str(dropped[1]) == "the run was stopped at step 100 of 600"
    assert FitWatch(run_id="another").alone(PROGRESS) is None


def test_reports_are_thinned_out(clock: Clock):
    seen: list[Progress] = []
    report = at_most_every(30.0, seen.append)
    for seconds in (10.0, 19.0, 1.0, 29.0, 31.0):
        clock.now += seconds
        report(PROGRESS)
    assert len(seen) == 2


def test_without_an_interval_every_report_is_passed_on():
    seen: list[Progress] = []
    report = at_most_every(0, seen.append)
    report(PROGRESS)
    assert seen == [PROGRESS]


def test_a_run_that_is_tried_again_is_not_cancelled_any_more():
    cancel("again")
    with pytest.raises(RunCancelled):
        heed("again")
    go_on("again")
    heed("again")
    assert FitWatch(run_id="again").alone(PROGRESS) is None

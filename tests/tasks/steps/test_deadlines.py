import pytest

from inr import DeadlineExceeded, Progress
from tasks.errors import RunCancelled
from tasks.steps.deadlines import FitWatch, at_most_every, cancel

PROGRESS = Progress(attempt=1, step=100, n_steps=600, rd_lambda=0.002, estimated_bpp=0.5, psnr_db=30.0)


def test_a_watch_keeps_the_history_and_reports():
    seen: list[Progress] = []
    watch = FitWatch(report=seen.append)
    watch(PROGRESS)
    assert seen == watch.history == [PROGRESS]
    assert watch.fit_seconds > 0


def test_a_watch_ends_a_fit_at_its_deadline_and_when_its_run_is_cancelled():
    with pytest.raises(DeadlineExceeded, match=r"at most 1e-09 s, found 0.0 s at step 100 of 600"):
        FitWatch(deadline_seconds=1e-9)(PROGRESS)
    watch = FitWatch(run_id="cancelled")
    watch(PROGRESS)
    cancel("cancelled")
    with pytest.raises(RunCancelled, match="step 100"):
        watch(PROGRESS)
    FitWatch(run_id="another")(PROGRESS)


def test_reports_are_thinned_out():
    seen: list[Progress] = []
    report = at_most_every(3600, seen.append)
    report(PROGRESS)
    assert seen == []
    report = at_most_every(0, seen.append)
    report(PROGRESS)
    assert seen == [PROGRESS]

import pickle

import pytest

from inr.errors import InrError
from tasks import errors
from tasks.errors import ImagesFailed, StorageError, StorageUnavailable, Summary
from tasks.report.summary import RunSummary
from tasks.report.sweep import SweepReport
from tasks.steps.audit import AuditSummary
from tasks.steps.compact import CompactSummary
from tasks.steps.restore import RestoreSummary

RUN = RunSummary("run", "photos", "store", "mlp draft", "plan", n_planned=3, n_archived=1, n_failed=1)
SUMMARIES: list[Summary] = [
    RUN,
    SweepReport(RUN, 1, ()),
    RestoreSummary("run", "store", "target", n_planned=3, n_restored=1, n_failed=1),
    AuditSummary("run", "store", n_planned=3, counts={"intact": 1, "damaged": 1}),
    CompactSummary("run", "store", n_planned=3, n_done=2, failures=[("images of 20260101", "no")]),
]
NAMED = [getattr(errors, name) for name in errors.__all__ if name not in {"Summary", "ImagesFailed"}]


@pytest.mark.parametrize("summary", SUMMARIES, ids=lambda summary: type(summary).__name__)
def test_every_flow_counts_alike_and_its_failure_carries_the_counts(summary: Summary):
    assert (summary.n_planned, summary.n_done, summary.n_failed, summary.n_bad) == (3, 2, 1, 0)
    failure = ImagesFailed(summary.headline(), summary)
    assert str(failure) == summary.headline() != ""
    assert failure.summary is summary


@pytest.mark.parametrize("kind", NAMED)
def test_an_error_comes_whole_from_a_worker_in_another_process(kind: type[InrError]):
    found = pickle.loads(pickle.dumps(kind("what, where, expected, found")))
    assert type(found) is kind
    assert str(found) == "what, where, expected, found"


def test_the_docstring_draws_every_error():
    drawn = (errors.__doc__ or "").split("InrError\n")[1]
    assert {kind.__name__ for kind in NAMED} - {"InrError"} <= set(drawn.replace("─", " ").split())


def test_only_what_may_go_better_the_next_time_is_retried():
    assert issubclass(errors.ChecksumFailed, StorageUnavailable)
    assert not issubclass(errors.ObjectMissing, StorageUnavailable)
    assert issubclass(StorageUnavailable, StorageError)

"""How far a run is while batches go on, without a batch."""

from typing import cast

from prefect import flow
from prefect.runtime import flow_run

from flows.batches.counting import SoFar
from flows.engine.artifacts import Figures
from tasks.errors import SourceError, Summary
from tasks.report.summary import RunSummary
from tests.flows.logs import log_of
from tests.tasks import rows


def test_batches_that_go_on_count_once_and_what_they_said_counts_no_more_when_they_end():
    shown: list[Summary] = []
    so_far = SoFar(RunSummary("run", "", "", "", "", n_planned=6), shown.append)
    so_far.hear(0, Figures(3, 1, 0, 10.0))
    so_far.hear(1, Figures(3, 2, 1, 20.0))
    so_far.hear(0, Figures(3, 2, 0, 15.0))
    assert [(seen.n_done, seen.n_failed) for seen in shown] == [(1, 0), (3, 1), (4, 1)]
    assert cast("RunSummary", shown[-1]).fit_seconds == 35.0
    so_far.end(0, [rows.archived(f"{n}.png") for n in range(3)])
    assert (shown[-1].n_done, shown[-1].n_failed, len(shown)) == (5, 1, 4)


def test_an_image_that_fails_is_named_in_the_log_of_the_run():
    failed = rows.failed("z.png", SourceError("gone"))

    @flow(name="counting")
    def counting() -> tuple[str, set[str]]:
        so_far = SoFar(RunSummary("run", "", "", "", ""), lambda summary: None)
        so_far.end(0, [rows.archived("a.png"), failed])
        return str(flow_run.id), so_far.failed

    run_id, digests = counting()
    lines = [line.message for line in log_of(run_id)]
    assert "z.png: failed: SourceError: gone" in lines
    assert not any(line.startswith("a.png") for line in lines)  # the log of its batch has it
    assert len(digests) == 1

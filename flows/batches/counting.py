"""How far a run of ``archive`` is: what it has counted, and what its batches say, here and on other hosts."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from flows.engine.artifacts import Figures
from flows.engine.images import log_ended
from tasks.catalogue.records import Failed, Outcome, Planned
from tasks.errors import Summary
from tasks.report.summary import RunSummary


class SoFar:
    """How far a run is: the images that it has counted, and those of the batches that go on.

    Attributes:
        failed: The digest of each image that was said to have failed, and whether by its own fault.
    """

    def __init__(self, summary: RunSummary, show: Callable[[Summary], None]) -> None:
        self.failed = dict[str, bool]()
        self._summary, self._show, self._going_on = summary, show, dict[int, Figures]()

    def hear(self, number: int, batch: Figures) -> None:
        """Take how far a batch is that goes on."""
        self._going_on[number] = batch
        self._show_all()

    def end(self, number: int, outcomes: Iterable[Outcome]) -> None:
        """Count the images of a batch that is over."""
        self._going_on.pop(number, None)
        self.count(outcomes)

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Count images; those that failed are named in the log."""
        for outcome in outcomes:
            self._summary.add(outcome)
            if isinstance(outcome, Failed):
                log_ended(outcome)
                if isinstance(outcome.origin, Planned):
                    self.failed[outcome.origin.image.digest] = outcome.is_bad
        self._show_all()

    def _show_all(self) -> None:
        whole, others = self._summary, self._going_on.values()
        n_failed = sum(batch.n_failed for batch in others)
        n_archived = sum(batch.n_done for batch in others) - n_failed
        self._show(
            replace(
                whole,
                n_archived=whole.n_archived + n_archived,
                n_failed=whole.n_failed + n_failed,
                fit_seconds=whole.fit_seconds + sum(batch.fit_seconds for batch in others),
            )
        )

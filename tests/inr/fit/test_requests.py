import numpy as np

from inr import DeadlineExceeded
from inr.fit.requests import FitReport, FitRequest, Fitted, GoesOn, one_by_one
from tests.inr.toy import toy_network

PIXELS = np.zeros((4, 4, 1), np.uint8)
REQUESTS = [FitRequest(pixels=PIXELS, rd_lambda=0.1 * n, seed=n, preset="draft") for n in (1, 2, 3)]


def fit_one(request: FitRequest, device: str, goes_on: GoesOn) -> Fitted | None:
    steps = (1, 2, 3)
    if all(goes_on(FitReport(step, 3, 1.0, 10.0 * request.seed)) for step in steps):
        return Fitted(toy_network(request.pixels, 1), float(request.seed))
    return None


def test_each_request_has_its_result_or_its_error() -> None:
    late = DeadlineExceeded("late")
    seen: list[tuple[int, int]] = []

    def on_reports(reports: dict[int, FitReport]) -> dict[int, DeadlineExceeded]:
        seen.extend((n, report.step) for n, report in reports.items())
        return {1: late} if seen[-1] == (1, 2) else {}

    first, second, third = one_by_one(fit_one, REQUESTS, device="cpu", on_reports=on_reports)
    assert isinstance(first, Fitted)
    assert second is late
    assert isinstance(third, Fitted)
    assert third.estimated_bits == 3.0
    assert seen == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]


def test_a_request_that_is_dropped_before_its_turn_is_not_begun() -> None:
    late = DeadlineExceeded("late")
    begun: list[int] = []

    def noted(request: FitRequest, device: str, goes_on: GoesOn) -> Fitted | None:
        begun.append(request.seed)
        return fit_one(request, device, goes_on)

    results = one_by_one(noted, REQUESTS, device="cpu", on_reports=lambda reports: {2: late})
    assert begun == [1, 2]
    assert results[2] is late

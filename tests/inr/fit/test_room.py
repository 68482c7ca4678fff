import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from inr.errors import CardTooSmall, DeadlineExceeded, InrError
from inr.fit.requests import FitReport, FitRequest, Fitter, OnReports
from inr.fit.room import fit_with_room


def requests_of(*sides: int) -> list[FitRequest]:
    return [
        FitRequest(pixels=np.zeros((side, side, 3), np.uint8), rd_lambda=1e-3, seed=place, preset="draft")
        for place, side in enumerate(sides)
    ]


def card(n_pixels: int, groups: list[list[int]]) -> Fitter:
    """A family on a card with room for so many pixels; its results are seeds, or what dropped a request."""

    def fit(requests: Sequence[FitRequest], *, device: str, on_reports: OnReports) -> Any:
        if sum(request.pixels.shape[0] ** 2 for request in requests) > n_pixels:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee the manual.")
        groups.append([request.seed for request in requests])
        dropped = on_reports({place: FitReport(1, 2, 1.0, 30.0) for place in range(len(requests))})
        return [dropped.get(place, request.seed) for place, request in enumerate(requests)]

    return Fitter(fit, {}, 1)


def test_what_has_no_room_together_is_fitted_in_halves_and_keeps_its_place(caplog: pytest.LogCaptureFixture):
    groups: list[list[int]] = []
    seen: list[int] = []
    late = DeadlineExceeded("enough")

    def on_reports(reports: Mapping[int, FitReport]) -> dict[int, InrError]:
        seen.extend(reports)
        return {3: late}

    with caplog.at_level(logging.WARNING, "inr"):
        found = fit_with_room(
            card(2 * 64, groups), requests_of(8, 8, 8, 8, 8), device="cuda", on_reports=on_reports
        )
    assert groups == [[0, 1], [2], [3, 4]]
    assert (found, seen) == ([0, 1, 2, late, 4], [0, 1, 2, 3, 4])
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "the card has no room for 5 images at once, which are fitted in halves"
    assert len(lines) == 2


def test_an_image_that_has_no_room_alone_ends_and_its_neighbours_go_on():
    groups: list[list[int]] = []
    found = fit_with_room(card(64, groups), requests_of(8, 9, 8), device="cuda", on_reports=lambda _: {})
    assert (found[0], found[2], groups) == (0, 2, [[0], [2]])
    assert isinstance(found[1], CardTooSmall)
    assert str(found[1]) == (
        "the card has no room for a fit of 9x9 pixels: CUDA out of memory. Tried to allocate 2 GiB."
    )

"""Fits on a card whose memory is too small for all of them at once."""

import logging
from collections.abc import Mapping, Sequence

import torch

from inr.errors import CardTooSmall, InrError
from inr.fit.requests import FitReport, FitRequest, Fitted, Fitter, OnReports

_log = logging.getLogger(__name__)


def fit_with_room(
    fitter: Fitter, requests: Sequence[FitRequest], *, device: str, on_reports: OnReports
) -> list[Fitted | InrError]:
    """Fit requests; where the card has no room for them, one half after the other, and so on.

    Args:
        fitter: The family.
        requests: The requests.
        device: See `Fitter`.
        on_reports: See `Fitter`.

    Returns:
        See `Fitter`; `CardTooSmall` for a request that has no room alone.
    """
    try:
        return fitter.fit(requests, device=device, on_reports=on_reports)
    except torch.OutOfMemoryError as error:
        why = str(error).partition("\n")[0]
    # What the fit held is free once its error is gone.
    torch.cuda.empty_cache()
    if len(requests) == 1:
        height, width, _ = requests[0].pixels.shape
        return [CardTooSmall(f"the card has no room for a fit of {width}x{height} pixels: {why}")]
    _log.warning("the card has no room for %d images at once, which are fitted in halves", len(requests))
    middle = len(requests) // 2

    def on_second(reports: Mapping[int, FitReport]) -> dict[int, InrError]:
        dropped = on_reports({middle + place: report for place, report in reports.items()})
        return {place - middle: error for place, error in dropped.items() if place >= middle}

    first = fit_with_room(fitter, requests[:middle], device=device, on_reports=on_reports)
    return first + fit_with_room(fitter, requests[middle:], device=device, on_reports=on_second)

"""Fits rehearsed for whoever has a clock: some of their first steps, and what follows the last one.

What follows, the end of the fit and its file, takes about as long for a row as for any other, so that it is
rehearsed on some rows. Nothing of it is kept.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from inr.errors import EncodeError, InrError
from inr.fit.aims import begin_lambda
from inr.fit.candidates import Subject
from inr.fit.encoding import EncodeRequest
from inr.fit.requests import FitReport, FitRequest, Fitted, Fitter

MOST_STEPS = 900  # that a rehearsal may take
_SCHEDULE = 1000  # steps of the fits of which these are the first


class Rehearsal:
    """The rehearsal of the first fits of a group of images.

    Args:
        requests: The images, all of one family; those that need no network take no part.
        fitter: The fitting side of that family.
        device: "cpu" or "cuda".

    Attributes:
        device: "cpu" or "cuda".
        n_images: Images that take part.
        n_pixels: Pixels of these.
        time_after_steps: See `Fitter`.
    """

    def __init__(self, requests: Sequence[EncodeRequest], fitter: Fitter, device: str) -> None:
        fits = [_first_fit(request) for request in requests]
        self._fits = [fit for fit in fits if fit.pixels.shape[2]]
        self._fitter, self.device = fitter, device
        self.time_after_steps = fitter.time_after_steps
        self._fitted: list[Fitted] = []
        self.n_images = len(self._fits)
        self.n_pixels = sum(fit.pixels.shape[0] * fit.pixels.shape[1] for fit in self._fits)

    def take_steps(self, goes_on: Callable[[Collection[int]], bool]) -> None:
        """Take steps of each fit, at most `MOST_STEPS`, in the way in which a family takes them.

        Args:
            goes_on: Called after each step with the places of the images that took it together; its answer
                decides whether they take another one.
        """

        def on_reports(reports: Mapping[int, FitReport]) -> dict[int, InrError]:
            step = max(report.step for report in reports.values())
            if goes_on(reports.keys()) and step < MOST_STEPS:
                return {}
            return dict.fromkeys(reports, EncodeError("only the first steps were asked for"))

        self._fitter.fit(self._fits, device=self.device, on_reports=on_reports)

    def end_fits(self, share: float) -> None:
        """Take one step, and end the fit, on the first rows of each image, about so large a share of them."""
        fits = [_of_rows(fit, share) for fit in self._fits]
        found = self._fitter.fit(fits, device=self.device, on_reports=lambda reports: {})
        self._fitted = [fitted for fitted in found if isinstance(fitted, Fitted)]

    def make_files(self) -> None:
        """Code the networks that `end_fits` made, and render them: a decoder's work is much the same."""
        for fitted in self._fitted:
            fitted.network.sections()
            fitted.network.render()


def _first_fit(request: EncodeRequest) -> FitRequest:
    config = request.config
    keeps_hidden = config.hidden == "keep"
    subject = Subject(request.pixels, request.metadata, config.model, keeps_hidden=keeps_hidden)
    return FitRequest(
        pixels=subject.coded,
        visible=subject.visible,
        rd_lambda=begin_lambda(subject, config),
        seed=config.seed,
        preset=config.preset,
        n_steps=_SCHEDULE,
        report_steps=1,
    )


def _of_rows(fit: FitRequest, share: float) -> FitRequest:
    """A fit of one step to the first rows of an image, without reports that ask for the clock."""
    n_rows = math.ceil(share * fit.pixels.shape[0])
    visible = None if fit.visible is None else fit.visible[:n_rows]
    return replace(
        fit,
        pixels=fit.pixels[:n_rows],
        visible=None if visible is None or not visible.any() else visible,
        n_steps=1,
        report_steps=None,
        sized_by=fit.pixels,
    )

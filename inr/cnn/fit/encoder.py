"""Family `cnn`: an image → a fitted, rounded network with its side information."""

from collections.abc import Sequence

from inr.cnn.fit.presets import choose_pyramid, choose_settings
from inr.cnn.fit.trainer import fit_pyramid
from inr.errors import InrError
from inr.fit.requests import FitRequest, Fitted, GoesOn, OnReports, one_by_one


def fit_cnn(requests: Sequence[FitRequest], *, device: str, on_reports: OnReports) -> list[Fitted | InrError]:
    """Fit a latent pyramid to each request's image; see `encoder.Fitter.fit`."""
    return one_by_one(_fit_one, requests, device=device, on_reports=on_reports)


def _fit_one(request: FitRequest, device: str, goes_on: GoesOn) -> Fitted | None:
    return fit_pyramid(
        request.pixels,
        choose_pyramid(request.pixels, request.rd_lambda),
        choose_settings(request.preset, request.n_steps),
        rd_lambda=request.rd_lambda,
        seed=request.seed,
        device=device,
        goes_on=goes_on,
        visible=request.visible,
    )

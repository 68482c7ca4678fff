"""Family `cnn`: images → fitted, rounded networks with their side information."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from inr.cnn.architecture import MAX_PIXELS, LatentPyramid
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.fit.presets import choose_pyramid, choose_settings
from inr.cnn.fit.trainer import fit_pyramid
from inr.cnn.network import CnnNetwork
from inr.errors import ConfigError, InrError
from inr.fit.requests import FitReport, FitRequest, Fitted, GoesOn, OnReports, one_by_one

BYTES_OF_PIXEL = 320  # of a card's memory; 130 to 240 were measured, in large groups and of one image


def fit_cnn(requests: Sequence[FitRequest], *, device: str, on_reports: OnReports) -> list[Fitted | InrError]:
    """Fit a latent pyramid to each request's image; see `encoder.Fitter.fit`.

    On a graphics card, images of one size, with networks of one kind and of as many steps, take them
    together.

    Raises:
        ConfigError: The device is a graphics card, and there is no Triton.
    """
    if device == "cpu":
        return one_by_one(_fit_one, requests, device=device, on_reports=on_reports)
    _expect_triton()
    found: dict[int, Fitted | InrError] = {}
    for places in _alike(requests):
        found.update(_fit_alike({place: requests[place] for place in places}, device, on_reports))
    return [found[place] for place in range(len(requests))]


def _fit_one(request: FitRequest, _device: str, goes_on: GoesOn) -> Fitted | None:
    return fit_pyramid(
        request.pixels,
        _pyramid_of(request),
        _settings_of(request),
        rd_lambda=request.rd_lambda,
        seed=request.seed,
        goes_on=goes_on,
        visible=request.visible,
        aim=request.aim,
        begin=_begin_of(request),
    )


def _begin_of(request: FitRequest) -> CnnNetwork | None:
    return request.begin if isinstance(request.begin, CnnNetwork) else None


def _settings_of(request: FitRequest) -> PyramidSettings:
    goes_on = _begin_of(request) is not None
    return choose_settings(request.preset, request.n_steps, request.report_steps, goes_on=goes_on)


def _pyramid_of(request: FitRequest) -> LatentPyramid:
    begin = _begin_of(request)
    if begin is not None:
        return begin.shape
    whole = request.pixels if request.sized_by is None else request.sized_by
    height, width, _ = request.pixels.shape
    return replace(choose_pyramid(whole, request.rd_lambda), height=height, width=width)


def _expect_triton() -> None:
    try:
        from inr.cnn.fit.fused import fits  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"device: expected Triton, by which cnn is fitted on CUDA, found none that imports: {error}"
        ) from error


def _alike(requests: Sequence[FitRequest]) -> list[list[int]]:
    """Places of the requests, those together that can be fitted in step.

    A group has no more pixels than the largest image that the family takes, and than the card has room for.
    """
    room = min(MAX_PIXELS, _pixels_with_room())
    groups: dict[object, list[int]] = {}
    for place, request in enumerate(requests):
        settings = _settings_of(request)
        pyramid, is_steered = _pyramid_of(request), request.aim is not None
        network = (request.pixels.shape, pyramid.prior.rd_lambda, pyramid.n_levels, pyramid.gain)
        groups.setdefault((network, settings, is_steered), []).append(place)
    found = []
    for places in groups.values():
        height, width, _ = requests[places[0]].pixels.shape
        most = max(1, room // (height * width))
        found += [places[start : start + most] for start in range(0, len(places), most)]
    return found


def _pixels_with_room() -> int:
    """Pixels of a group for which there is memory."""
    if not torch.cuda.is_available():  # kernels are interpreted
        return MAX_PIXELS
    free, _ = torch.cuda.mem_get_info()
    return int(free) // BYTES_OF_PIXEL


def _fit_alike(
    requests: Mapping[int, FitRequest], device: str, on_reports: OnReports
) -> dict[int, Fitted | InrError]:
    """Fit requests in step, by place; one that is dropped goes along, and its result is left."""
    from inr.cnn.fit.fused.fits import fit_together  # where there is no card, there may be no Triton

    places, first = list(requests), next(iter(requests.values()))
    dropped: dict[int, InrError] = {}

    def goes_on(reports: Mapping[int, FitReport]) -> bool:
        running = {places[n]: report for n, report in reports.items() if places[n] not in dropped}
        dropped.update(on_reports(running))
        return len(dropped) < len(places)

    fitted = fit_together(
        [request.pixels for request in requests.values()],
        _pyramid_of(first),
        _settings_of(first),
        rd_lambdas=[request.rd_lambda for request in requests.values()],
        seeds=[request.seed for request in requests.values()],
        device=device,
        goes_on=goes_on,
        visible=[request.visible for request in requests.values()],
        aims=[request.aim for request in requests.values()],
        begins=[_begin_of(request) for request in requests.values()],
    )
    found: dict[int, Fitted | InrError] = dict(dropped)
    if fitted is not None:
        found |= {place: its for place, its in zip(places, fitted, strict=True) if place not in dropped}
    return found

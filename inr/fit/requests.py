"""The seam between the encoder and a family's fit: requests in, one result or error for each.

A fit takes requests and may advance them in any order, one after the other or all in step. Every so many
steps it reports where they stand, and the caller's answer names the requests to drop: nothing is raised
through a fit, so that one image's deadline ends that image alone.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from inr.errors import CardTooSmall, InrError
from inr.fit.steering import Aim
from inr.network import Network

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class FitRequest:
    """One image to fit at one λ.

    Attributes:
        pixels: uint8 [height, width, 1 to 4]: the channels that need a network.
        rd_lambda: λ of Eq. 5, loss = MSE + λ · bpp, for pixels in [0, 1].
        seed: Seed of all that the fit draws.
        preset: Length of the fit, one of `config.PRESETS`.
        n_steps: Optimiser steps in place of the preset's; None leaves the preset's.
        visible: bool [height, width]; where it is False, only the last channel, alpha, counts in the loss
            (`fit.hidden.sample_weights`). None: all samples count.
        report_steps: Steps between two reports; None leaves the family's.
        sized_by: uint8 [height, width, channels] of an image of which `pixels` are some rows: the network is
            as large as that image's. None: `pixels` are the whole image.
        aim: Where the fit is to end, for a family that steers; λ is then the one to begin with.
        begin: The network of a fit to this image that missed its aim by a little, for a family that steers:
            the fit goes on from it and takes only the last of its steps. None: it begins anew.
    """

    pixels: NDArray[np.uint8]
    rd_lambda: float
    seed: int
    preset: str
    n_steps: int | None = None
    visible: NDArray[np.bool_] | None = None
    report_steps: int | None = None
    sized_by: NDArray[np.uint8] | None = None
    aim: Aim | None = None
    begin: Network | None = None


@dataclass(frozen=True)
class FitReport:
    """A report of one fit on its way.

    Attributes:
        step: Steps done, counted with those that a fit leaves out which goes on from another.
        n_steps: Steps in all, counted likewise.
        estimated_bpp: Bits per pixel that its rounded symbols would take.
        psnr_db: PSNR in dB of the last step's pixels.
    """

    step: int
    n_steps: int
    estimated_bpp: float
    psnr_db: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted, rounded network.

    Attributes:
        network: The network, as a decoder will have it.
        estimated_bits: Bits of its payload by the fit's own estimate (Eq. 4); not finite if the fit diverged.
        rd_lambda: λ at the end of a fit that was steered; None: that of the request.
    """

    network: Network
    estimated_bits: float
    rd_lambda: float | None = None


# Takes the reports of running requests, by their place among the requests; returns those to drop, each with
# the error that ends it.
OnReports = Callable[[Mapping[int, FitReport]], Mapping[int, InrError]]


class _Fit(Protocol):
    def __call__(
        self, requests: Sequence[FitRequest], *, device: str, on_reports: OnReports
    ) -> list[Fitted | InrError]: ...


@dataclass(frozen=True)
class Fitter:
    """The fitting side of a model family.

    Attributes:
        fit: Fits a network to each request's image on "cpu" or "cuda". It calls `on_reports` every so many
            steps, drops the requests that the answer names, and returns one result or error for each.
        preset_steps: Optimiser steps of each preset, by its name.
        least_steps: Steps below which a fit makes no sense.
        time_after_steps: Share of the steps' time that what follows them takes, where that grows with them.
    """

    fit: _Fit
    preset_steps: Mapping[str, int]
    least_steps: int
    time_after_steps: float = 0.0


# Takes one report; returns whether the fit goes on.
GoesOn = Callable[[FitReport], bool]

FitOne = Callable[[FitRequest, str, GoesOn], Fitted | None]


def one_by_one(
    fit_one: FitOne, requests: Sequence[FitRequest], *, device: str, on_reports: OnReports
) -> list[Fitted | InrError]:
    """Fit requests one after the other.

    Args:
        fit_one: Fits one request on a device, and asks after each report whether to go on; it returns None
            where the answer was no.
        requests: The requests; one that is dropped before its turn is not begun.
        device: "cpu" or "cuda".
        on_reports: Called with each report.

    Returns:
        A result, or the error that dropped the request, for each, in order.
    """
    dropped: dict[int, InrError] = {}
    results: list[Fitted | InrError] = []
    for number, request in enumerate(requests):

        def goes_on(report: FitReport, number: int = number) -> bool:
            dropped.update(on_reports({number: report}))
            return number not in dropped

        fitted = None if number in dropped else fit_one(request, device, goes_on)
        results.append(dropped[number] if fitted is None else fitted)
    return results


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

"""Fit → round → code → pack → decode again and compare (the patent's Fig. 2 and 6), for one image or many.

Each request has a search of its own (search.py), which asks for one fit after the other. `encode_many`
advances all searches in step: in every round, the fits that are asked for go to their family together.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from inr.bitstream import Metadata
from inr.cnn.fit import presets as cnn
from inr.cnn.fit.encoder import fit_cnn
from inr.config import CodecConfig, Contract
from inr.errors import ConfigError, InrError
from inr.fit.encoding import Encoded, EncodeRequest, Encoding
from inr.fit.process import threads_available
from inr.fit.rehearsal import Rehearsal
from inr.fit.requests import FitReport, Fitter, fit_with_room
from inr.mlp.fit import presets as mlp
from inr.mlp.fit.encoder import fit_mlp
from inr.search import Progress

Device = Literal["auto", "cpu", "cuda"]

# Takes the progress of running requests, by their place; returns those to drop, each with the error that
# ends it.
OnProgress = Callable[[Mapping[int, Progress]], Mapping[int, InrError]]


FITTERS = {
    "mlp": Fitter(fit_mlp, mlp.PRESET_STEPS, mlp.LEAST_STEPS),
    "cnn": Fitter(fit_cnn, cnn.PRESET_STEPS, cnn.LEAST_STEPS, cnn.TIME_AFTER_STEPS),
}


def resolve_device(device: Device) -> str:
    """The device that a setting means here: "cpu" or "cuda".

    Raises:
        ConfigError: CUDA was asked for and there is none, or the name is unknown.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device: expected auto, cpu or cuda, found {device!r}")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ConfigError("device: expected a CUDA device, found none")
    return "cuda" if available and device != "cpu" else "cpu"


def encode_many(
    requests: Sequence[EncodeRequest], *, device: Device = "auto", on_progress: OnProgress | None = None
) -> list[Encoded | InrError]:
    """Encode images; each file is decoded again and compared.

    Args:
        requests: The images, each with its config.
        device: The device of the fits; "auto" takes CUDA if it is there. Bitstreams decode alike everywhere.
        on_progress: Called every so many steps with the progress of running requests, by their place.
            It returns those to drop, each with the error that ends it; the others go on.

    Returns:
        For each request, in order, its result or the error that ended it: a `ConfigError` where its pixels
        are not of the form that a request asks for, `ContractMissed`, `SelfCheckFailed`, `CardTooSmall`, or
        the error that `on_progress` returned.

    Raises:
        ConfigError: The device is not there.
    """
    resolved = resolve_device(device)
    families = [request.config.model for request in requests]
    encodings = [
        Encoding(request, FITTERS[family], resolved)
        for request, family in zip(requests, families, strict=True)
    ]
    while running := [n for n, encoding in enumerate(encodings) if encoding.outcome is None]:
        for family in dict.fromkeys(families[n] for n in running):
            places = [n for n in running if families[n] == family]
            _fit_round(FITTERS[family], places, encodings, resolved, on_progress)
    return [encoding.outcome for encoding in encodings if encoding.outcome is not None]


def _fit_round(
    fitter: Fitter,
    places: Sequence[int],
    encodings: Sequence[Encoding],
    device: str,
    on_progress: OnProgress | None,
) -> None:
    """Have a family make the fits that the encodings at some places ask for."""

    def on_reports(reports: Mapping[int, FitReport]) -> Mapping[int, InrError]:
        progress = {places[n]: encodings[places[n]].report(report) for n, report in reports.items()}
        dropped = on_progress(progress) if on_progress is not None else {}
        return {n: dropped[place] for n, place in enumerate(places) if place in dropped}

    asked_for = [encodings[place].next_fit() for place in places]
    results = fit_with_room(fitter, asked_for, device=device, on_reports=on_reports)
    with ThreadPoolExecutor(min(len(places), threads_available())) as pool:  # loops leave the GIL
        for _ in pool.map(lambda place, fitted: encodings[place].take(fitted), places, results):
            pass


def rehearse(requests: Sequence[EncodeRequest], *, device: Device = "auto") -> Rehearsal:
    """Prepare to see how long requests will take, without encoding them.

    Args:
        requests: The images, at least one, whose configs name one model.
        device: See `encode_many`.

    Raises:
        ConfigError: The device is not there.
    """
    return Rehearsal(requests, FITTERS[requests[0].config.model], resolve_device(device))


def steps_of(config: CodecConfig, n_steps: int | None = None) -> int:
    """The optimiser steps of each fit under a config; `n_steps`, where given, stand for its preset's."""
    return FITTERS[config.model].preset_steps[config.preset] if n_steps is None else n_steps


def encode(
    pixels: NDArray[np.uint8],
    config: CodecConfig,
    *,
    metadata: Metadata = Metadata(),
    contract: Contract | None = None,
    n_steps: int | None = None,
    device: Device = "auto",
    on_progress: Callable[[Progress], InrError | None] | None = None,
) -> Encoded:
    """Fit a network to an image and write it as a bitstream that was decoded again and compared.

    Args:
        pixels: uint8 [height, width, channels]: grey, grey and alpha, RGB, or RGB and alpha.
        config: Model, preset, goal and seed, and whether hidden colours count.
        metadata: ICC profile, EXIF and XMP to carry along.
        contract: A PSNR that the encoding must reach, if any.
        n_steps: Optimiser steps of each fit in place of the preset's, at least 1; None leaves the preset's.
        device: The device of the fits; "auto" takes CUDA if it is there. Bitstreams decode alike everywhere.
        on_progress: Called every so many steps; an error that it returns ends the encoding and is raised,
            which is how a caller cancels or keeps a deadline.

    Raises:
        ConfigError: The pixels are not of that form, exceed the limits, or the device is not there.
        ContractMissed: No fit met the contract.
        SelfCheckFailed: The bitstream does not decode to what was fitted.
    """

    def of_one(progress: Mapping[int, Progress]) -> Mapping[int, InrError]:
        error = on_progress(progress[0]) if on_progress is not None else None
        return {} if error is None else {0: error}

    request = EncodeRequest(pixels, config, metadata, contract, n_steps)
    [outcome] = encode_many([request], device=device, on_progress=of_one)
    if isinstance(outcome, InrError):
        raise outcome
    return outcome


def precompile() -> None:
    """Compile the loops of the families' fits and decoders, so that no image has to wait for it.

    It takes half a minute of processor time. The machine code is kept where numba has its cache: beside the
    sources, or in the folder that the variable NUMBA_CACHE_DIR names. It serves this kind of processor.
    """
    picture = np.random.default_rng(0).integers(100, 150, (48, 48, 3), np.uint8)
    for family, fitter in FITTERS.items():
        encode(picture, CodecConfig(model=family), n_steps=fitter.least_steps, device="cpu")

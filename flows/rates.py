"""The pace of fits on this machine, as a run of the archive has it: side by side, as there are workers."""

import platform
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import inr
from flows.engine.cores import fits_on_card, images_per_fit, n_cores, n_fits, n_threads
from flows.engine.workers import switching_often
from inr import CodecConfig, EncodeRequest
from inr.encoder import resolve_device
from inr.search import first_lambda
from tasks.plan.machine import Machine, cache_folder, this_machine
from tasks.plan.pace import Pace
from tasks.plan.timing import measured_pace
from tasks.settings import RunOptions
from tasks.steps.threads import use_threads

LIBRARIES = ("torch", "numpy", "numba")


def rates_here(config: CodecConfig, options: RunOptions) -> Machine:
    """The pace of fits on this machine, which is measured where nothing of today is kept.

    Args:
        config: Its model is fitted, at its first λ.
        options: Device and workers.

    Raises:
        ConfigError: The device is not there.
    """
    on_card = fits_on_card(options)
    at_once, together = n_fits(options, on_card=on_card), images_per_fit(options, on_card=on_card)

    def measure(pixels: NDArray[np.uint8]) -> Pace:
        def of_group(_: int) -> Pace:
            use_threads(n_threads(options, on_card=on_card), with_torch=True)
            pace = measured_pace([EncodeRequest(pixels, config)] * together, options.device)
            assert pace is not None  # the picture has more than one colour
            return pace

        with switching_often(), ThreadPoolExecutor(at_once) as pool:
            found = list(pool.map(of_group, range(at_once)))
        return Pace(*(float(np.mean(values)) / together for values in zip(*map(_values, found), strict=True)))

    return this_machine(_key(config, options), measure, cache_folder())


def _values(pace: Pace) -> tuple[float, float, float]:
    return pace.step_seconds, pace.end_seconds, pace.check_seconds


def _key(config: CodecConfig, options: RunOptions) -> dict[str, str]:
    """All that the pace depends on, but for the time of day."""
    return {
        "node": platform.node(),
        "processor": _processor(),
        "cores": str(n_cores()),
        "device": _device(options),
        "workers": str(options.workers),
        "images_per_fit": str(options.images_per_fit),
        "inr": inr.__version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "model": config.model,
        "rd_lambda": f"{first_lambda(config):g}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _device(options: RunOptions) -> str:
    return torch.cuda.get_device_name() if resolve_device(options.device) == "cuda" else "cpu"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"

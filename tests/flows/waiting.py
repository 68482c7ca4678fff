"""Flows for workers that are stopped: they wait, each in its way, until a file is there."""

import signal
import time
from pathlib import Path

from prefect import flow

from flows.engine.interrupts import handing_back, heed_stop


@flow
def friendly(folder: str) -> None:
    """Go back to the pool when the worker stops."""
    with handing_back():
        _wait(Path(folder))


@flow
def busy(folder: str) -> None:
    """Go back to the pool when the worker stops, but begin something that lasts, and look at nothing then."""
    with handing_back():
        _begin(Path(folder))
        while not (Path(folder) / "over").exists():
            time.sleep(0.05)


@flow
def deaf(folder: str) -> None:
    """Know nothing of workers that stop, until SIGTERM."""
    _wait(Path(folder))


@flow
def stubborn(folder: str) -> None:
    """Heed nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _wait(Path(folder))


def _begin(folder: Path) -> None:
    (folder / f"begun-{time.time_ns()}").touch()


def _wait(folder: Path) -> None:
    _begin(folder)
    while not (folder / "over").exists():
        heed_stop()
        time.sleep(0.05)

"""The pace of fits on this machine, measured once a day and kept in a folder of the user's.

What is kept says all that it depends on, when it was measured, and what else the machine did then. It counts
for that machine, version, device and number of workers alone, and for a day: nobody sees a cooler clog, or a
neighbour move in. What was measured on a busy machine is not kept.
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from tasks.catalogue.records import now
from tasks.plan.pace import Pace

SIDES = (96, 448)  # of the images that are fitted; between and beyond them a pace is a line over pixels
MAX_AGE = timedelta(days=1)
QUIET = 0.5  # load of a core, up to which a measurement is worth to be kept


@dataclass(frozen=True)
class PaceAt:
    """The pace of an image of so many pixels."""

    n_pixels: int
    pace: Pace


@dataclass(frozen=True)
class Machine:
    """The pace of fits on a machine.

    Attributes:
        key: All that it depends on: processor, device, versions, model, workers.
        measured_at: When it was measured, in UTC.
        load: The load of the machine before that: of other work.
        points: The paces that were measured, by rising pixels.
    """

    key: dict[str, str]
    measured_at: datetime
    load: float
    points: tuple[PaceAt, ...]

    def pace(self, n_pixels: int) -> Pace:
        """The pace of an image of so many pixels."""
        pixels = [point.n_pixels for point in self.points]

        def line(name: str) -> float:
            values = [getattr(point.pace, name) for point in self.points]
            slope = max(0.0, (values[-1] - values[0]) / (pixels[-1] - pixels[0]))
            if n_pixels < pixels[0]:
                return float(min(values[0], max(values[0] / 2, values[0] - slope * (pixels[0] - n_pixels))))
            return float(values[0] + slope * (n_pixels - pixels[0]))

        return Pace(line("step_seconds"), line("end_seconds"), line("check_seconds"))

    def describe(self) -> str:
        """When and under which load it was measured, for people."""
        when = f"{self.measured_at:%Y-%m-%d %H:%M} UTC"
        return f"measured on this machine at {when}, beside a load of {self.load:.1f}"


_MACHINE = TypeAdapter(Machine)


def cache_folder() -> Path:
    """The folder in which this user's measurements are kept."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(caches)) / "inr" / "rates"  # noqa: PTH111  where there is no home, too


def this_machine(
    key: Mapping[str, str], measure: Callable[[NDArray[np.uint8]], Pace], folder: Path
) -> Machine:
    """The pace of fits here: what is kept of it, or else what is measured now, which takes some seconds.

    Args:
        key: All that it depends on.
        measure: Measures the pace of fits of an image, uint8 [height, width, 3].
        folder: Where it is kept; one that cannot be written keeps nothing.
    """
    file = folder / f"{hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:32]}.json"
    if (kept := _kept(file, key)) is not None:
        return kept
    load = os.getloadavg()[0]
    points = tuple(PaceAt(side * side, measure(picture(side))) for side in SIDES)
    found = Machine(dict(key), now(), load, points)
    if load <= QUIET * len(os.sched_getaffinity(0)):
        _keep(found, file)
    return found


def picture(side: int) -> NDArray[np.uint8]:
    """A picture with detail of every size, about as much as a photograph has: uint8 [side, side, 3]."""
    draw = np.random.default_rng(0)
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequencies[0, 0] = 1.0
    shared = np.fft.fft2(draw.normal(size=(side, side)))
    planes = [shared + 0.2 * np.fft.fft2(draw.normal(size=(side, side))) for _ in range(3)]
    seen = np.stack([np.fft.ifft2(plane / frequencies**1.2).real for plane in planes], axis=2)
    pixels: NDArray[np.uint8] = np.clip(128 + 50 * seen / seen.std(), 0, 255).astype(np.uint8)
    return pixels


def _kept(file: Path, key: Mapping[str, str]) -> Machine | None:
    try:
        found = _MACHINE.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
    values = [value for point in found.points for value in asdict(point.pace).values()]
    is_sound = all(math.isfinite(value) and value >= 0 for value in values)
    is_sound &= [point.n_pixels for point in found.points] == [side * side for side in SIDES]
    is_sound &= all(point.pace.step_seconds > 0 for point in found.points)
    is_fresh = timedelta() <= now() - found.measured_at <= MAX_AGE
    return found if found.key == dict(key) and is_sound and is_fresh else None


def _keep(found: Machine, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as stream:
            stream.write(_MACHINE.dump_json(found, indent=1))
        Path(stream.name).replace(file)
    except OSError:
        return

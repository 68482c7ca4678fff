"""An estimate of how long an archive will take and how large it will be, by what earlier fits took.

First counts what the store's own catalogue has under the same settings; then what it has of the same
model and preset under other λ; then a table that comes with this package, measured by
`benchmarks/rates.py`. Seconds and bytes are taken to be a line over the pixels of an image, and
between two λ a power of λ.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from inr import CodecConfig
from inr.search import TYPICAL_FITS, first_lambda
from tasks.catalogue.columns import Row
from tasks.catalogue.parts import read_images
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Status
from tasks.catalogue.rows import required
from tasks.errors import UnsupportedImage
from tasks.plan.planning import Plan
from tasks.store.objects import ObjectStore


@dataclass(frozen=True)
class Measured:
    """One fit: its λ, the image's pixels, the seconds of encoding and verification, and the file's bytes."""

    rd_lambda: float
    n_pixels: int
    seconds: float
    n_bytes: int


@dataclass(frozen=True)
class Rates:
    """The fits that an estimate goes by, their origin, and how many fits an image takes."""

    measured: tuple[Measured, ...]
    origin: str
    fits_per_image: int = 1


@dataclass(frozen=True)
class Estimate:
    """The size of a run, and what it would take.

    Attributes:
        plan: The plan, for people.
        n_images: Images to archive.
        n_refused: Files that will be rows with status ``failed``: refused by their header, or unreadable.
        refused: Path and reason of each of these.
        n_pixels: Pixels of the images that are not refused.
        source_n_bytes: Size of their files.
        n_workers: Images at a time.
        hours: Time of the run; None if there are no rates.
        n_bytes: Size of the bitstreams; None if there are no rates.
        origin: Source of the rates, for people.
    """

    plan: str
    n_images: int
    n_refused: int
    n_pixels: int
    source_n_bytes: int
    n_workers: int
    hours: float | None
    n_bytes: int | None
    origin: str
    refused: tuple[tuple[str, str], ...] = ()


def estimate(plan: Plan, store: ObjectStore, config: CodecConfig, n_workers: int) -> Estimate:
    """Estimate what archiving a plan would take. Reads the store's catalogue and no image; writes nothing.

    Args:
        plan: The plan, with the sizes of its images.
        store: The archive, whose catalogue has earlier fits.
        config: Config to encode with; further fits that a contract may take are not counted.
        n_workers: Images at a time.

    Raises:
        CatalogueError, StorageError: The store's catalogue cannot be read.
    """
    sizes = {image.path: plan.sizes[image.digest] for image in plan.images}
    known = [size[0] * size[1] for size in sizes.values() if not isinstance(size, UnsupportedImage)]
    refused = {path: size for path, size in sizes.items() if isinstance(size, UnsupportedImage)}
    reasons = [*refused.items(), *((file.path, error) for file, error in plan.unreadable)]
    rates = rates_of(store, config)
    found = predicted(rates, config, known)
    return Estimate(
        plan=plan.describe(),
        n_images=len(plan.images),
        n_refused=len(reasons),
        refused=tuple((path, f"{type(error).__name__}: {error}") for path, error in reasons),
        n_pixels=sum(known),
        source_n_bytes=sum(image.n_bytes for image in plan.images if image.path not in refused),
        n_workers=n_workers,
        hours=None if found is None else found[0] / 3600 / min(n_workers, max(1, len(known))),
        n_bytes=None if found is None else round(found[1]),
        origin=rates.origin,
    )


def rates_of(store: ObjectStore, config: CodecConfig) -> Rates:
    """The best rates there are for a config, see the top of this module."""
    rows = _rows(store, config)
    wanted = Recipe(config).goal
    if same := [row for row in rows if (row["goal"], row["goal_value"]) == wanted]:
        made = tuple(_measured(row, first_lambda(config)) for row in same)
        return Rates(made, f"{len(same)} images of this archive under the same settings")
    fits = 1 if wanted[0] == "rd_lambda" else TYPICAL_FITS
    if others := [row for row in rows if row["goal"] == "rd_lambda"]:
        made = tuple(_measured(row, row["rd_lambda"]) for row in others)
        return Rates(made, f"{len(others)} images of this archive under other λ", fits)
    table, name = tuple(_of_table(config)), f"{config.model} {config.preset}"
    origin = f"a table of {len(table)} fits of {name} on a CPU" if table else f"no rates for {name} are known"
    return Rates(table, origin, fits)


def predicted(rates: Rates, config: CodecConfig, sizes: Sequence[int]) -> tuple[float, float] | None:
    """Seconds on one worker and bytes of images with these numbers of pixels; None if there are no rates."""
    if not rates.measured:
        return None
    groups: dict[float, list[Measured]] = defaultdict(list)
    for made in rates.measured:
        groups[made.rd_lambda].append(made)
    lambdas = sorted(groups)
    pixels = np.asarray(sizes, dtype=np.float64)

    def at_lambda(value: Callable[[Measured], float]) -> float:
        totals = [
            _line([made.n_pixels for made in groups[each]], [value(made) for made in groups[each]], pixels)
            for each in lambdas
        ]
        logs = np.log(np.maximum(totals, 1e-9))
        return float(np.exp(np.interp(math.log(first_lambda(config)), np.log(lambdas), logs)))

    seconds = at_lambda(lambda made: made.seconds) * rates.fits_per_image
    if config.target_bpp is not None:
        return seconds, config.target_bpp * float(pixels.sum()) / 8
    return seconds, at_lambda(lambda made: made.n_bytes)


def _line(x: Sequence[float], y: Sequence[float], at: NDArray[np.float64]) -> float:
    """Sum over `at` of the line through some points, by least squares; it rises, and from above zero."""
    slope, start = sum(y) / sum(x), 0.0
    if len(set(x)) > 1:
        slope, start = (float(part) for part in np.polyfit(x, y, 1))
        if start < 0:
            slope, start = float(np.dot(x, y) / np.dot(x, x)), 0.0
        if slope < 0:
            slope, start = 0.0, sum(y) / len(y)
    return float((start + slope * at).sum())


def _rows(store: ObjectStore, config: CodecConfig) -> list[Row]:
    """Archived images of a model and preset that were fitted."""
    names = ("status", "model", "preset", "goal", "goal_value", "rd_lambda")
    sizes = ("width", "height", "n_bytes", "encode_seconds", "verify_seconds")
    rows = read_images(store, (*names, *sizes)).to_pylist()
    wanted = (Status.ARCHIVED, config.model, config.preset)
    return [row for row in rows if (row["status"], row["model"], row["preset"]) == wanted]


def _measured(row: Row, rd_lambda: float) -> Measured:
    seconds = required(row, "encode_seconds") + required(row, "verify_seconds")
    n_pixels = required(row, "width") * required(row, "height")
    return Measured(rd_lambda, n_pixels, seconds, required(row, "n_bytes"))


def _of_table(config: CodecConfig) -> list[Measured]:
    """The fits of `benchmarks/rates.py`."""
    table = json.loads(files("tasks.plan").joinpath("rates.json").read_text(encoding="utf-8"))
    names = ("rd_lambda", "n_pixels", "seconds", "n_bytes")
    return [
        Measured(**{name: point[name] for name in names})
        for point in table["points"]
        if (point["model"], point["preset"]) == (config.model, config.preset)
    ]

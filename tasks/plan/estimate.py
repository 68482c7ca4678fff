"""An estimate of how long an archive will take and how large it will be, by what earlier fits took.

First counts what the store's own catalogue has under the same settings; then what it has of the same
model and length of a fit under other λ; then the pace that was measured on this machine, and for bytes and
PSNR a table that comes with this package, measured by `benchmarks/rates.py`. Seconds and bytes are taken to
be a line over the pixels of an image, between two λ a power of λ, and between two lengths of a fit a power
of its steps.
"""

import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from inr import CodecConfig
from inr.config import PRESETS
from inr.search import first_lambda
from tasks.catalogue.columns import Row
from tasks.catalogue.parts import read_images
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Status
from tasks.catalogue.rows import required
from tasks.errors import UnsupportedImage
from tasks.plan.machine import Machine
from tasks.plan.outlook import outlook
from tasks.plan.pace import TYPICAL_FITS
from tasks.plan.planning import Plan
from tasks.store.objects import ObjectStore
from tasks.wording import counted

SHORT_STEPS = {"mlp": (400,), "cnn": (50, 100, 300)}  # of fits of the table beside those of presets
MOST_DB = 99.0  # for which an image without any error counts


@dataclass(frozen=True)
class Measured:
    """One fit: its λ, the image's pixels, the seconds of encoding and verification, bytes and PSNR."""

    rd_lambda: float
    n_pixels: int
    seconds: float
    n_bytes: int
    psnr_db: float


@dataclass(frozen=True)
class Rates:
    """The fits that an estimate goes by.

    Attributes:
        measured: The fits.
        origin: Their origin, for people.
        fits_per_image: Fits that an image takes.
        of_archive: Whether they are the archive's own.
        more_bytes: Factor by which files are expected to be larger.
        more_db: By how much PSNR is expected to be higher, in dB.
    """

    measured: tuple[Measured, ...]
    origin: str
    fits_per_image: float = 1.0
    of_archive: bool = False
    more_bytes: float = 1.0
    more_db: float = 0.0


@dataclass(frozen=True)
class Predicted:
    """What is expected of images: seconds on one worker, bytes of all files, and their mean PSNR, in dB."""

    seconds: float
    n_bytes: float
    psnr_db: float


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
        psnr_db: PSNR of an image, in the mean; None if there are no rates.
        origin: Source of the rates, for people.
        n_steps: Steps of a fit, in the mean over all pixels, by the pace of this machine; None if that was
            not asked for.
        n_too_short: Images for whose fit the time that is given is too short.
        needed: The time that would be long enough, in words; None if the one that is given is, or none is.
        known_bad: Path and reason of each file that will be left alone.
    """

    plan: str
    n_images: int
    n_refused: int
    n_pixels: int
    source_n_bytes: int
    n_workers: int
    hours: float | None
    n_bytes: int | None
    psnr_db: float | None
    origin: str
    n_steps: int | None = None
    n_too_short: int = 0
    needed: str | None = None
    refused: tuple[tuple[str, str], ...] = ()
    known_bad: tuple[tuple[str, str], ...] = ()


def estimate(
    plan: Plan,
    store: ObjectStore,
    recipe: Recipe,
    n_workers: int,
    *,
    hours: float | None = None,
    machine: Callable[[], Machine] | None = None,
) -> Estimate:
    """Estimate what archiving a plan would take. Reads the store's catalogue and no image.

    Args:
        plan: The plan, with the sizes of its images.
        store: The archive, whose catalogue has earlier fits.
        recipe: The recipe of each file; what a contract takes beyond a typical fit more is not counted.
        n_workers: Images at a time.
        hours: Time of the run, where its images share one.
        machine: Gives the pace of fits on this machine; asked for where the archive's own fits say nothing.
            None: the table does.

    Raises:
        CatalogueError, StorageError: The store's catalogue cannot be read.
    """
    sizes = {image.path: plan.sizes[image.digest] for image in plan.images}
    known = [size[0] * size[1] for size in sizes.values() if not isinstance(size, UnsupportedImage)]
    refused = {path: size for path, size in sizes.items() if isinstance(size, UnsupportedImage)}
    reasons = [*refused.items(), *((file.path, error) for file, error in plan.unreadable)]
    rates, ahead = rates_of(store, recipe), None
    origin = rates.origin
    if machine is not None and known and (recipe.has_budget or not rates.of_archive):
        measured = machine()
        ahead = outlook(known, recipe, measured, n_workers, hours)
        rates = rates if rates.measured else _of_steps(recipe.config, ahead.n_steps)
        origin = f"a pace {measured.describe()}, and {rates.origin}"
    found = predicted(rates, recipe.config, known)
    seconds = found.seconds if found and ahead is None else ahead.seconds if ahead else None
    return Estimate(
        plan=plan.describe(),
        n_images=len(plan.images),
        n_refused=len(reasons),
        refused=tuple((path, f"{type(error).__name__}: {error}") for path, error in reasons),
        known_bad=tuple((bad.path, bad.describe()) for bad in plan.known_bad),
        n_pixels=sum(known),
        source_n_bytes=sum(image.n_bytes for image in plan.images if image.path not in refused),
        n_workers=n_workers,
        hours=None if seconds is None else seconds / 3600 / min(n_workers, max(1, len(known))),
        n_bytes=None if found is None else round(found.n_bytes),
        psnr_db=None if found is None else round(found.psnr_db, 2),
        origin=origin,
        n_steps=ahead.n_steps if ahead else None,
        n_too_short=ahead.n_too_short if ahead else 0,
        needed=ahead.needed if ahead else None,
    )


def rates_of(store: ObjectStore, recipe: Recipe) -> Rates:
    """The best rates there are for a recipe, see the top of this module."""
    rows, config = _rows(store, recipe), recipe.config
    wanted = recipe.goal
    if same := [row for row in rows if (row["goal"], row["goal_value"]) == wanted]:
        made = tuple(_measured(row, first_lambda(config)) for row in same)
        return Rates(
            made, f"{counted(len(same), 'image')} of this archive under the same settings", of_archive=True
        )
    fits = 1.0 if wanted[0] == "rd_lambda" else TYPICAL_FITS[config.model]
    if others := [row for row in rows if row["goal"] == "rd_lambda"]:
        made = tuple(_measured(row, row["rd_lambda"]) for row in others)
        return Rates(
            made, f"{counted(len(others), 'image')} of this archive under other λ", fits, of_archive=True
        )
    table, name = tuple(_of_table(config, recipe.length)), f"{config.model} {recipe.length}"
    origin = (
        f"a table of {counted(len(table), 'fit')} of {name} on a CPU"
        if table
        else f"no rates for {name} are known"
    )
    return Rates(table, origin, fits)


def predicted(rates: Rates, config: CodecConfig, sizes: Sequence[int]) -> Predicted | None:
    """What images with these numbers of pixels become; None if there are no rates."""
    if not rates.measured:
        return None
    groups: dict[float, list[Measured]] = defaultdict(list)
    for made in rates.measured:
        groups[made.rd_lambda].append(made)
    lambdas = sorted(groups)
    pixels, at = np.asarray(sizes, dtype=np.float64), math.log(first_lambda(config))

    def at_lambda(value: Callable[[Measured], float]) -> float:
        if not len(pixels):
            return 0.0
        totals = [
            _line([made.n_pixels for made in groups[each]], [value(made) for made in groups[each]], pixels)
            for each in lambdas
        ]
        return float(np.exp(np.interp(at, np.log(lambdas), np.log(np.maximum(totals, 1e-9)))))

    seconds = at_lambda(lambda made: made.seconds) * rates.fits_per_image
    n_bytes, target = at_lambda(lambda made: made.n_bytes), config.target_bpp
    if target is not None:
        n_bytes = target * float(pixels.sum()) / 8
    means = [min(MOST_DB, float(np.mean([made.psnr_db for made in groups[each]]))) for each in lambdas]
    psnr_db = float(np.interp(at, np.log(lambdas), means)) + rates.more_db
    return Predicted(seconds, n_bytes * rates.more_bytes, config.target_psnr_db or psnr_db)


def _of_steps(config: CodecConfig, n_steps: int) -> Rates:
    """Rates by the table for fits of so many steps.

    Its fits of the preset ``draft``, which are of more sizes than others, and by how much those of more or
    fewer steps differ from them, for images of the same sizes.
    """
    from inr.encoder import steps_of  # loads torch, which takes seconds

    preset_steps = {steps_of(dataclasses.replace(config, preset=preset)): preset for preset in PRESETS}
    names = {**preset_steps, **{n: f"{n} steps" for n in SHORT_STEPS[config.model]}}
    base = _of_table(config, "draft")
    logs, more_bytes, more_db = [], [], []
    for steps, name in sorted(names.items()):
        table = _of_table(config, name)
        alike = {(made.rd_lambda, made.n_pixels): made for made in base}
        pairs = [(made, alike[key]) for made in table if (key := (made.rd_lambda, made.n_pixels)) in alike]
        if pairs:
            logs.append(math.log(steps))
            more_bytes.append(float(np.mean([math.log(one.n_bytes / other.n_bytes) for one, other in pairs])))
            more_db.append(float(np.mean([one.psnr_db - other.psnr_db for one, other in pairs])))
    if not logs:
        return Rates((), f"no rates for {config.model} are known")
    origin = f"a table of fits of {config.model}, for {n_steps} steps"
    at = math.log(n_steps)
    found = float(np.exp(np.interp(at, logs, more_bytes))), float(np.interp(at, logs, more_db))
    return Rates(tuple(base), origin, more_bytes=found[0], more_db=found[1])


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


def _rows(store: ObjectStore, recipe: Recipe) -> list[Row]:
    """Archived images of a model and a length of fits that were fitted."""
    names = ("status", "model", "preset", "goal", "goal_value", "rd_lambda")
    sizes = ("width", "height", "n_bytes", "psnr_db", "encode_seconds", "verify_seconds")
    rows = read_images(store, (*names, *sizes)).to_pylist()
    wanted = (Status.ARCHIVED, recipe.config.model, recipe.length)
    return [row for row in rows if (row["status"], row["model"], row["preset"]) == wanted]


def _measured(row: Row, rd_lambda: float) -> Measured:
    seconds = required(row, "encode_seconds") + required(row, "verify_seconds")
    n_pixels = required(row, "width") * required(row, "height")
    return Measured(rd_lambda, n_pixels, seconds, required(row, "n_bytes"), required(row, "psnr_db"))


def _of_table(config: CodecConfig, length: str) -> list[Measured]:
    """The fits of `benchmarks/rates.py` of a length, see `Recipe.length`."""
    table = json.loads(files("tasks.plan").joinpath("rates.json").read_text(encoding="utf-8"))
    names = ("rd_lambda", "n_pixels", "seconds", "n_bytes", "psnr_db")
    return [
        Measured(**{name: point[name] for name in names})
        for point in table["points"]
        if (point["model"], point["preset"]) == (config.model, length)
    ]

"""The pace of fits of an image on this machine, found by rehearsing them, and the steps that fit into a time.

The first steps of the image itself are timed once they no longer load or compile anything, and so is what
follows a fit, on some rows of it. Nothing is kept between two images: what was true a minute ago need not be.
"""

import functools
import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inr import CodecConfig, EncodeRequest
from inr.encoder import FITTERS, Device, rehearse
from inr.metrics import ms_ssim
from inr.search import TYPICAL_FITS
from tasks.catalogue.recipe import Recipe
from tasks.errors import BudgetTooSmall

WARM_STEPS = {"cpu": 1, "cuda": 25}  # at least, before steps are timed: on a card they are recorded meanwhile
WARM_SECONDS, MOST_WARM_STEPS = 0.25, 10  # the first steps take longer; whichever is reached first is enough
LEAST_STEPS, LEAST_SECONDS = 5, 0.25  # timed: at least so many, for at least so long
SHARE = 0.03  # of a budget, in which steps are timed
PIXELS_OF_ROWS = 1 << 16  # on which the end of a fit is rehearsed
TYPICAL_REFITS = 1  # that a contract takes


@dataclass(frozen=True)
class Pace:
    """The time that a group of images takes, in seconds of all of them.

    Attributes:
        step_seconds: An optimiser step of each.
        end_seconds: What follows the steps of a fit, until its file is there and was decoded again.
        check_seconds: Decoding the files once more, and comparing them with their originals.
    """

    step_seconds: float
    end_seconds: float
    check_seconds: float


@dataclass(frozen=True)
class Bounds:
    """The least and the largest number of steps that a fit of a model is given."""

    least: int
    most: int

    @classmethod
    def of(cls, model: str) -> "Bounds":
        """The bounds of a model; no fit takes more than its preset ``best`` does."""
        fitter = FITTERS[model]
        return cls(fitter.least_steps, max(fitter.preset_steps.values()))


def fits_of(recipe: Recipe) -> int:
    """The fits that an image takes as a rule: more than one for a target, and one more for a contract."""
    return (1 if recipe.goal.name == "rd_lambda" else TYPICAL_FITS) + (
        TYPICAL_REFITS if recipe.contract else 0
    )


def steps_within(seconds: float, pace: Pace, bounds: Bounds, n_fits: int = 1) -> int:
    """The steps of each fit with which images end after some time.

    Args:
        seconds: The time that is left for steps, ends and checks.
        pace: The pace of the images.
        bounds: The bounds of their model.
        n_fits: The fits that share the time.

    Raises:
        BudgetTooSmall: That are fewer than the least.
    """
    rest = pace.check_seconds + n_fits * pace.end_seconds
    n_steps = int((seconds - rest) / n_fits / pace.step_seconds)
    if n_steps >= bounds.least:
        return min(n_steps, bounds.most)
    needed = rest + n_fits * bounds.least * pace.step_seconds
    fits = f"{n_fits} fits" if n_fits > 1 else "a fit"
    raise BudgetTooSmall(
        f"expected at least {needed:.1f} s, for {fits} of {bounds.least} steps of {pace.step_seconds:.3g} s "
        f"and {rest:.1f} s of other work, found {max(0.0, seconds):.1f} s, for {max(0, n_steps)} steps"
    )


def steps_until(
    ends_at: float, requests: Sequence[EncodeRequest], recipe: Recipe, device: Device, *, checked: bool
) -> int:
    """The steps of each fit with which a group of images is done at some time.

    Args:
        ends_at: The time, by `time.perf_counter`.
        requests: The images of the group.
        recipe: Their recipe.
        device: Device of the fits, see `inr.encode_many`.
        checked: True if their files are verified in that time, too.

    Raises:
        BudgetTooSmall: These are fewer than the least of the model.
        ConfigError: See `measured_pace`.
    """
    bounds = Bounds.of(recipe.config.model)
    pace = measured_pace(requests, device, budget_seconds=ends_at - time.perf_counter())
    if pace is None:
        return bounds.most
    pace = pace if checked else replace(pace, check_seconds=0.0)
    return steps_within(ends_at - time.perf_counter(), pace, bounds, fits_of(recipe))


def measured_pace(
    requests: Sequence[EncodeRequest], device: Device, *, budget_seconds: float = 0.0
) -> Pace | None:
    """Rehearse the fits of a group.

    Args:
        requests: The images of the group, which are fitted under one config.
        device: Device of the fits, see `inr.encode_many`.
        budget_seconds: The time that the group has; steps are timed for a small share of it.

    Returns:
        The pace of the group; None if no image needs a fit.

    Raises:
        ConfigError: The device is not there, or a request asks for what no fit is made for.
    """
    rehearsal = rehearse(requests, device=device)
    if not rehearsal.n_images:
        return None
    watch = _Watch(rehearsal.device, max(LEAST_SECONDS, SHARE * budget_seconds / rehearsal.n_images))
    rehearsal.take_steps(watch)
    share = min(1.0, PIXELS_OF_ROWS / rehearsal.n_pixels) if rehearsal.device == "cpu" else 1.0
    _load_what_follows(requests[0].config, device)
    of_fits = _seconds_of(lambda: rehearsal.end_fits(share)) / share
    of_files = _seconds_of(rehearsal.make_files) / share
    rows = requests[0].pixels[: math.ceil(share * len(requests[0].pixels))]
    of_comparing = _seconds_of(lambda: ms_ssim(reference=rows, decoded=rows))
    of_comparing *= rehearsal.n_pixels / (rows.shape[0] * rows.shape[1])
    end_seconds = max(0.0, of_fits - watch.step_seconds) + 2 * of_files  # made, and decoded again
    return Pace(watch.step_seconds, end_seconds, of_files + of_comparing)


@functools.cache
def _load_what_follows(config: CodecConfig, device: Device) -> None:
    """Have all loaded and compiled that ends a fit, so that it is no part of what is timed."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    rehearsal = rehearse([EncodeRequest(noise, config)], device=device)
    rehearsal.end_fits(1.0)
    rehearsal.make_files()
    ms_ssim(reference=noise, decoded=noise)


def _seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class _Watch:
    """Times the steps of fits that are rehearsed; images that take theirs together count as one."""

    def __init__(self, device: str, seconds: float) -> None:
        self._least_warm, self._seconds = WARM_STEPS[device], seconds
        self._arrived: dict[tuple[int, ...], list[float]] = defaultdict(list)  # when each step was done
        self._warm: dict[tuple[int, ...], int] = {}  # the steps before those that count

    def __call__(self, places: Collection[int]) -> bool:
        """Take note of a step; return whether another one is to be taken."""
        who, now = tuple(sorted(places)), time.perf_counter()
        arrived = self._arrived[who]
        arrived.append(now)
        if who not in self._warm:
            long_enough = len(arrived) >= MOST_WARM_STEPS or now - arrived[0] >= WARM_SECONDS
            if len(arrived) >= self._least_warm and long_enough:
                self._warm[who] = len(arrived) - 1
            return True
        n_steps, seconds = self._timed(who)
        return n_steps < LEAST_STEPS or seconds < self._seconds

    def _timed(self, who: tuple[int, ...]) -> tuple[int, float]:
        arrived = self._arrived[who][self._warm[who] :]
        return len(arrived) - 1, arrived[-1] - arrived[0]

    @property
    def step_seconds(self) -> float:
        """Seconds of a step of every image."""
        timed = [self._timed(who) for who in self._arrived]
        return sum(seconds / n_steps for n_steps, seconds in timed)

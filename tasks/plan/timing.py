"""The pace of fits of an image on this machine, found by rehearsing them.

The first steps of the image itself are timed once they no longer load or compile anything, and so is what
follows a fit, on some rows of it. Nothing is kept between two images: what was true a minute ago need not be.
"""

import functools
import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from inr import CodecConfig, EncodeRequest
from inr.encoder import Device, rehearse
from inr.metrics import ms_ssim
from tasks.catalogue.recipe import Recipe
from tasks.plan.pace import Bounds, Pace, fits_of, steps_within

WARM_STEPS = {"cpu": 1, "cuda": 25}  # at least, before steps are timed: on a card they are recorded meanwhile
WARM_SECONDS, MOST_WARM_STEPS = 0.25, 10  # the first steps take longer; whichever is reached first is enough
LEAST_STEPS, LEAST_SECONDS = 5, 0.25  # timed: at least so many, for at least so long
SHARE, MOST_SECONDS = 0.03, 10.0  # of a budget, in which steps are timed, and at most so long
PIXELS_OF_ROWS = 1 << 16  # on which the end of a fit is rehearsed

Heed = Callable[[], None]  # raises what ends the work


def steps_until(
    ends_at: float,
    requests: Sequence[EncodeRequest],
    recipe: Recipe,
    device: Device,
    *,
    checked: bool,
    heed: Heed = lambda: None,
) -> int:
    """The steps of each fit with which a group of images is done at some time.

    Args:
        ends_at: The time, by `time.perf_counter`.
        requests: The images of the group.
        recipe: Their recipe.
        device: Device of the fits, see `inr.encode_many`.
        checked: True if their files are verified in that time, too.
        heed: Called after each step that is timed; what it raises ends the work.

    Raises:
        BudgetTooSmall: These are fewer than the least of the model.
        ConfigError: See `measured_pace`.
    """
    bounds = Bounds.of(recipe.config.model)
    pace = measured_pace(requests, device, budget_seconds=ends_at - time.perf_counter(), heed=heed)
    if pace is None:
        return bounds.most
    pace = pace if checked else replace(pace, check_seconds=0.0)
    return steps_within(ends_at - time.perf_counter(), pace, bounds, fits_of(recipe))


def measured_pace(
    requests: Sequence[EncodeRequest],
    device: Device,
    *,
    budget_seconds: float = 0.0,
    heed: Heed = lambda: None,
) -> Pace | None:
    """Rehearse the fits of a group.

    Args:
        requests: The images of the group, which are fitted under one config.
        device: Device of the fits, see `inr.encode_many`.
        budget_seconds: The time that the group has; steps are timed for a small share of it.
        heed: See `steps_until`.

    Returns:
        The pace of the group; None if no image needs a fit.

    Raises:
        ConfigError: The device is not there, or a request asks for what no fit is made for.
    """
    rehearsal = rehearse(requests, device=device)
    if not rehearsal.n_images:
        return None
    seconds = min(MOST_SECONDS, SHARE * budget_seconds) / rehearsal.n_images
    watch = _Watch(rehearsal.device, max(LEAST_SECONDS, seconds), heed)
    rehearsal.take_steps(watch)
    share = min(1.0, PIXELS_OF_ROWS / rehearsal.n_pixels) if rehearsal.device == "cpu" else 1.0
    _load_what_follows(requests[0].config, device)
    of_fits = _seconds_of(lambda: rehearsal.end_fits(share)) / share
    of_files = _seconds_of(rehearsal.make_files) / share
    rows = requests[0].pixels[: math.ceil(share * len(requests[0].pixels))]
    of_comparing = _seconds_of(lambda: ms_ssim(reference=rows, decoded=rows))
    of_comparing *= rehearsal.n_pixels / (rows.shape[0] * rows.shape[1])
    end_seconds = max(0.0, of_fits - watch.step_seconds) + 2 * of_files  # made, and decoded again
    step_seconds = watch.step_seconds * (1 + rehearsal.time_after_steps)
    return Pace(step_seconds, end_seconds, of_files + of_comparing)


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

    def __init__(self, device: str, seconds: float, heed: Heed = lambda: None) -> None:
        self._least_warm, self._seconds, self._heed = WARM_STEPS[device], seconds, heed
        self._arrived: dict[tuple[int, ...], list[float]] = defaultdict(list)  # when each step was done
        self._warm: dict[tuple[int, ...], int] = {}  # the steps before those that count

    def __call__(self, places: Collection[int]) -> bool:
        """Take note of a step; return whether another one is to be taken."""
        self._heed()
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

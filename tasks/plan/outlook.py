"""What one gets for a time on this machine: steps, seconds, and whether they are enough for a fit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.catalogue.recipe import Recipe
from tasks.plan.machine import Machine
from tasks.plan.pace import Bounds, Pace, fits_of
from tasks.plan.shares import weight_of


@dataclass(frozen=True)
class Outlook:
    """The outlook of a run.

    Attributes:
        seconds: Time of all images, one after the other.
        n_steps: Steps of a fit, in the mean over all pixels.
        n_too_short: Images whose time is too short for a fit.
        needed: The time that would be enough for all of these, in words; None if there are none.
    """

    seconds: float
    n_steps: int
    n_too_short: int = 0
    needed: str | None = None


def outlook(
    sizes: Sequence[int], recipe: Recipe, machine: Machine, n_workers: int, hours: float | None = None
) -> Outlook:
    """The outlook of a run on a machine.

    Args:
        sizes: Pixels of each image, at least one.
        recipe: The recipe of each file.
        machine: The pace of fits.
        n_workers: Images at a time.
        hours: Time of the run, where its images share one.
    """
    from inr.encoder import steps_of

    bounds, n_fits = Bounds.of(recipe.config.model), fits_of(recipe)
    paces = [machine.pace(n_pixels) for n_pixels in sizes]
    if not recipe.has_budget:
        n_steps = steps_of(recipe.config, recipe.n_steps)
        return Outlook(sum(_seconds(pace, n_steps, n_fits) for pace in paces), n_steps)
    budgets = _budgets(sizes, recipe, n_workers, hours)
    steps, seconds, missing = [], 0.0, [1.0]
    for pace, budget in zip(paces, budgets, strict=True):
        rest = _seconds(pace, 0, n_fits)
        found = int((budget - rest) / n_fits / pace.step_seconds)
        steps.append(min(max(found, bounds.least), bounds.most))
        if found < bounds.least:
            missing.append(_seconds(pace, bounds.least, n_fits) / budget)
        else:
            seconds += min(budget, _seconds(pace, bounds.most, n_fits))
    mean = round(float(np.average(steps, weights=sizes)))
    n_too_short = len(missing) - 1
    return Outlook(seconds, mean, n_too_short, _needed(max(missing), recipe, hours) if n_too_short else None)


def _needed(factor: float, recipe: Recipe, hours: float | None) -> str:
    if hours is None:
        assert recipe.seconds_per_image is not None
        return f"{factor * recipe.seconds_per_image:.3g} s for each image"
    return f"{factor * hours:.3g} hours"


def _budgets(sizes: Sequence[int], recipe: Recipe, n_workers: int, hours: float | None) -> list[float]:
    """Seconds of each image."""
    if hours is None:
        assert recipe.seconds_per_image is not None
        return [recipe.seconds_per_image] * len(sizes)
    weights = [weight_of(n_pixels) for n_pixels in sizes]
    whole = hours * 3600 * min(n_workers, max(1, len(sizes)))
    return [whole * weight / max(1, sum(weights)) for weight in weights]


def _seconds(pace: Pace, n_steps: int, n_fits: float) -> float:
    return n_fits * (n_steps * pace.step_seconds + pace.end_seconds) + pace.check_seconds

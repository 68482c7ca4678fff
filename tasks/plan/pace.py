"""The pace of fits, and the steps that fit into a time. As light as what says how long a plan takes."""

import math
from dataclasses import dataclass

from tasks.catalogue.recipe import Recipe
from tasks.errors import BudgetTooSmall

# Fits that a target takes, or what takes as long: those of cnn steer, those of mlp are searched for.
TYPICAL_FITS = {"cnn": 1.2, "mlp": 3.0}
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
        from inr.encoder import FITTERS  # loads torch, which takes seconds

        fitter = FITTERS[model]
        return cls(fitter.least_steps, max(fitter.preset_steps.values()))


def fits_of(recipe: Recipe) -> float:
    """The fits that an image takes as a rule: more for a target, and one more for a contract."""
    of_goal = 1.0 if recipe.goal.name == "rd_lambda" else TYPICAL_FITS[recipe.config.model]
    return of_goal + (TYPICAL_REFITS if recipe.contract else 0)


def steps_within(seconds: float, pace: Pace, bounds: Bounds, n_fits: float = 1) -> int:
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
    fits = f"{n_fits:g} fits" if n_fits > 1 else "a fit"
    more = math.ceil(10 * (needed - seconds)) / 10
    begun = "the start and the timing of first steps"
    left = f"{seconds:.1f} s are left of it after {begun}"
    if seconds < 0:
        left = f"{begun} took {-seconds:.1f} s more than it"
    raise BudgetTooSmall(
        f"the time is too short: {left}, and {needed:.1f} s are needed, for {fits} of "
        f"{bounds.least} steps of {pace.step_seconds:.3g} s and {rest:.1f} s of other work; "
        f"give at least {more:.1f} s more"
    )

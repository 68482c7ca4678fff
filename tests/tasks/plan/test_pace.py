import pytest

from inr import CodecConfig, Contract
from inr.config import MODELS
from inr.encoder import FITTERS
from tasks.catalogue.recipe import Recipe
from tasks.errors import BudgetTooSmall
from tasks.plan.pace import TYPICAL_FITS, Bounds, Pace, fits_of, steps_within

BOUNDS = Bounds(100, 20_000)
PACE = Pace(step_seconds=0.1, end_seconds=3.0, check_seconds=1.0)


@pytest.mark.parametrize(
    ("seconds", "n_fits", "n_steps"),
    [(24.0, 1, 200), (14.001, 1, 100), (124.0, 3, 380), (24.6, 1.2, 166), (1e9, 1, 20_000), (1e9, 5, 20_000)],
)
def test_steps_fill_the_time_less_what_else_there_is_to_do(seconds: float, n_fits: float, n_steps: int):
    assert steps_within(seconds, PACE, BOUNDS, n_fits) == n_steps


@pytest.mark.parametrize(
    ("seconds", "n_fits", "found"),
    [
        (9.0, 1, "9.0 s are left .* 14.0 s are needed, for a fit of .*; give at least 5.0 s more"),
        (-3.0, 1, "the start and .* took 3.0 s more than it, and 14.0 s are needed, .* at least 17.0 s more"),
        (
            39.0,
            3,
            "39.0 s are left of it after the start and the timing of first steps, and 40.0 s are needed, "
            "for 3 fits of 100 steps of 0.1 s and 10.0 s of other work; give at least 1.0 s more",
        ),
    ],
)
def test_a_time_too_short_says_what_is_left_and_how_much_more_is_needed(
    seconds: float, n_fits: int, found: str
):
    with pytest.raises(BudgetTooSmall, match=f"^the time is too short: {found}$"):
        steps_within(seconds, PACE, BOUNDS, n_fits)


@pytest.mark.parametrize("model", MODELS)
def test_the_time_is_shared_by_the_fits_of_a_target_and_of_a_contract(model: str):
    target, contract = CodecConfig(model=model, target_psnr_db=30), Contract(30.0)
    assert fits_of(Recipe(CodecConfig(model=model))) == 1
    assert fits_of(Recipe(CodecConfig(model=model), contract)) == 2
    assert fits_of(Recipe(target)) == TYPICAL_FITS[model] > 1
    assert fits_of(Recipe(target, contract)) == TYPICAL_FITS[model] + 1


@pytest.mark.parametrize("model", MODELS)
def test_no_fit_is_longer_than_the_best_preset(model: str):
    bounds = Bounds.of(model)
    assert bounds.most == FITTERS[model].preset_steps["best"]
    assert 0 < bounds.least < FITTERS[model].preset_steps["draft"]

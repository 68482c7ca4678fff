import dataclasses
import json
from typing import Any

import pytest

import inr
from inr.bitstream import FORMAT_VERSION
from inr.config import CodecConfig, Contract
from inr.errors import ConfigError
from tasks.catalogue.recipe import Goal, Recipe, Setting
from tests.tasks.rows import digest

CONFIG = CodecConfig(model="mlp", preset="draft")
USUAL = CodecConfig(model="mlp")


def test_every_part_of_a_recipe_decides_its_digest():
    recipes = [
        Recipe(CONFIG),
        Recipe(dataclasses.replace(CONFIG, seed=1)),
        Recipe(CONFIG, Contract(30.0)),
        Recipe(CONFIG, Contract(30.0, 1)),
        Recipe(CONFIG, Contract(31.0)),
        Recipe(dataclasses.replace(CONFIG, hidden="keep")),
        Recipe(CONFIG, n_steps=100),
        Recipe(CONFIG, Contract(30.0), 100),
        Recipe(USUAL),
        Recipe(USUAL, seconds_per_image=60),
        Recipe(USUAL, seconds_per_image=61),
        Recipe(USUAL, in_hours=True),
    ]
    assert len({recipe.archive_digest() for recipe in recipes}) == len(recipes)
    assert Recipe(CONFIG).archive_digest() == Recipe(CONFIG, None, None).archive_digest()
    whole, real = (Recipe(USUAL, seconds_per_image=seconds).archive_digest() for seconds in (60, 60.0))
    assert whole == real


@pytest.mark.parametrize("n_steps", [0, -1])
def test_a_recipe_without_a_step_is_refused(n_steps: int):
    with pytest.raises(ConfigError, match=f"n_steps: expected at least 1, found {n_steps}"):
        Recipe(CONFIG, n_steps=n_steps)


def test_the_digest_is_that_of_canonical_json_so_that_keys_stay_what_they_are():
    """Spelt out, since a key that changes makes every image of an archive again."""
    decides = f'"config":"{CONFIG.digest()}",'
    rest = f'"encoder":"{inr.__version__}","format":{FORMAT_VERSION}}}'
    contract = '"contract":{"max_refits":3,"min_psnr_db":30.0},'
    assert Recipe(CONFIG).archive_digest() == digest(f"{{{decides}{rest}")
    assert Recipe(CONFIG, Contract(30.0)).archive_digest() == digest(f"{{{decides}{contract}{rest}")


@pytest.mark.parametrize(
    ("config", "goal", "shown"),
    [
        (CONFIG, ("rd_lambda", 0.002), "λ 0.002"),
        (CodecConfig(target_psnr_db=30), ("target_psnr_db", 30.0), "30 dB"),
        (CodecConfig(target_bpp=0.25), ("target_bpp", 0.25), "0.25 bpp"),
    ],
)
def test_a_goal_has_a_name_and_a_value(config: CodecConfig, goal: tuple[str, float], shown: str):
    assert Recipe(config).goal == goal
    assert str(Recipe(config).goal) == shown


def test_a_goal_that_nobody_knows_is_shown_by_its_name():
    assert str(Goal("target_ssim", 0.9)) == "target_ssim 0.9"


def test_a_recipe_is_described_for_people():
    assert Recipe(CONFIG).describe() == "mlp draft, rd_lambda = 0.002"
    full = Recipe(CONFIG, Contract(30.0), 100)
    assert full.describe() == "mlp 100 steps, rd_lambda = 0.002, at least 30 dB"
    assert Recipe(USUAL, seconds_per_image=90).describe() == "mlp 90 s, rd_lambda = 0.002"
    assert Recipe(USUAL, in_hours=True).describe() == "mlp in hours, rd_lambda = 0.002"


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(seconds: float):
    with pytest.raises(ConfigError, match=r"^seconds_per_image: expected a number above 0, found"):
        Recipe(USUAL, seconds_per_image=seconds)


@pytest.mark.parametrize(
    ("config", "length", "found"),
    [
        (CONFIG, {"seconds_per_image": 60.0}, "seconds_per_image and preset draft"),
        (CONFIG, {"in_hours": True}, "hours and preset draft"),
        (USUAL, {"n_steps": 100, "in_hours": True}, "n_steps and hours"),
        (USUAL, {"n_steps": 100, "seconds_per_image": 60.0}, "n_steps and seconds_per_image"),
        (USUAL, {"in_hours": True, "seconds_per_image": 60.0}, "seconds_per_image and hours"),
    ],
)
def test_one_alone_says_how_long_a_fit_is(config: CodecConfig, length: dict[str, Any], found: str):
    with pytest.raises(ConfigError, match=rf"^expected one to say how long a fit is, found {found}$"):
        Recipe(config, **length)


def test_rows_of_another_length_have_another_preset_so_that_nothing_takes_them_for_the_same():
    recipes = [
        Recipe(USUAL),
        Recipe(USUAL, n_steps=60),
        Recipe(USUAL, seconds_per_image=60),
        Recipe(USUAL, in_hours=True),
    ]
    presets = [Setting.of(recipe).preset for recipe in recipes]
    assert presets == ["standard", "60 steps", "60 s", "in hours"]
    assert [recipe.has_budget for recipe in recipes] == [False, False, True, True]


def test_a_setting_is_the_recipe_as_rows_have_it():
    setting = Setting.of(Recipe(CONFIG, Contract(30.0)))
    assert json.loads(setting.config_json)["model"] == setting.model == "mlp"
    assert (setting.preset, setting.goal, setting.goal_value, setting.seed) == (
        "draft",
        "rd_lambda",
        0.002,
        0,
    )
    assert setting.min_psnr_db == 30.0
    assert setting.config_digest == CONFIG.digest()
    assert Setting.of(Recipe(CONFIG)).min_psnr_db is None


@pytest.mark.parametrize(("hidden", "keeps"), [("ignore", False), ("keep", True)])
def test_a_setting_says_whether_hidden_colours_count(hidden: str, keeps: bool):
    recipe = Recipe(dataclasses.replace(CONFIG, hidden=hidden))
    assert Setting.of(recipe).keeps_hidden == keeps
    assert ("hidden colours kept" in recipe.describe()) == keeps

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from inr import CodecConfig
from inr.config import MODELS, PRESETS
from inr.encoder import steps_of
from inr.search import first_lambda
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Archived, now
from tasks.plan import estimate as module
from tasks.plan.estimate import Estimate, Measured, Rates, estimate, predicted, rates_of
from tasks.plan.machine import Machine, PaceAt
from tasks.plan.pace import TYPICAL_FITS, Pace
from tasks.plan.planning import Plan, make_plan
from tasks.settings import RunOptions
from tasks.steps.commit import append
from tasks.store.folder import LocalStore
from tests.tasks.pictures import file_of, image
from tests.tasks.rows import ARCHIVE, CONFIG, RECIPE, archived, failed

TABLE = [Measured(0.001, 1000, 10.0, 500, 36.0), Measured(0.1, 1000, 1.0, 5, 30.0)]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_of_table", lambda config, length: TABLE)


def fitted(name: str, side: int, seconds: float, n_bytes: int, **changes: Any) -> Archived:
    values = {"width": side, "height": side, "encode_seconds": seconds - 0.5, "n_bytes": n_bytes}
    return archived(name, **{**values, **changes})


def test_the_archives_own_fits_count_first_then_those_under_other_lambdas_then_the_table(
    store: LocalStore, table: None
):
    assert rates_of(store, RECIPE) == Rates(tuple(TABLE), "a table of 2 fits of mlp draft on a CPU")
    other = fitted("a", 10, 4.0, 70, goal_value=0.5, rd_lambda=0.5)
    unlike = (archived("b", preset="best"), archived("c", model="lossless", rd_lambda=None))
    append(store, [other, *unlike, failed("d")])
    assert rates_of(store, RECIPE) == Rates(
        (Measured(0.5, 100, 4.0, 70, 31.25),), "1 image of this archive under other λ", of_archive=True
    )
    append(store, [fitted("e", 20, 5.0, 80)])
    assert rates_of(store, RECIPE) == Rates(
        (Measured(CONFIG.rd_lambda or 0, 400, 5.0, 80, 31.25),),
        "1 image of this archive under the same settings",
        of_archive=True,
    )


def test_a_target_takes_several_fits_until_the_archive_tells_how_many(store: LocalStore, table: None):
    config = CodecConfig(model="mlp", preset="draft", target_psnr_db=30.0)
    assert rates_of(store, Recipe(config)).fits_per_image == TYPICAL_FITS[config.model]
    append(store, [fitted("a", 10, 9.0, 70, goal="target_psnr_db", goal_value=30.0, rd_lambda=0.01)])
    assert rates_of(store, Recipe(config)).fits_per_image == 1
    assert rates_of(store, Recipe(config)).measured == (Measured(0.002, 100, 9.0, 70, 31.25),)


def test_without_any_rates_there_is_no_guess(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_of_table", lambda config, length: [])
    rates = rates_of(store, RECIPE)
    assert rates.origin == "no rates for mlp draft are known"
    assert predicted(rates, CONFIG, [1000]) is None


@pytest.mark.parametrize(
    ("points", "sizes", "seconds"),
    [
        ([(100, 3.0), (200, 5.0)], [100, 150, 300], 3.0 + 4.0 + 7.0),  # a line
        ([(100, 3.0), (100, 5.0)], [50, 100], 2.0 + 4.0),  # one size: in proportion
        ([(100, 1.0), (200, 4.0)], [100], 100 * (100 + 800) / 50_000),  # it may not start below zero
        ([(100, 4.0), (200, 2.0)], [1000], 3.0),  # nor fall
        ([(100, 4.0)], [], 0.0),
    ],
)
def test_seconds_are_a_line_over_pixels(points: list[tuple[int, float]], sizes: list[int], seconds: float):
    measured = tuple(Measured(0.002, n_pixels, value, 1, 30.0) for n_pixels, value in points)
    found = predicted(Rates(measured, ""), CONFIG, sizes)
    assert found is not None
    assert found.seconds == pytest.approx(seconds, rel=1e-8, abs=0)  # nothing takes no time at all


@pytest.mark.parametrize(
    ("rd_lambda", "seconds", "n_bytes"),
    [(0.001, 10.0, 500), (0.01, math.sqrt(10), 50), (0.1, 1, 5), (1.0, 1, 5)],
)
def test_between_two_lambdas_a_power_law_holds_and_beyond_them_the_last_one(
    rd_lambda: float, seconds: float, n_bytes: float
):
    config = CodecConfig(model="mlp", preset="draft", rd_lambda=rd_lambda)
    found = predicted(Rates(tuple(TABLE), ""), config, [1000])
    assert found is not None
    assert (found.seconds, found.n_bytes) == pytest.approx((seconds, n_bytes))


def test_a_target_of_bytes_is_taken_at_its_word_and_its_seconds_at_the_lambda_where_searches_begin():
    config = CodecConfig(model="mlp", preset="draft", target_bpp=0.3)
    assert first_lambda(config) == pytest.approx(0.002)
    found = predicted(Rates(tuple(TABLE), "", fits_per_image=3), config, [1000, 3000])
    assert found is not None
    assert found.n_bytes == 0.3 * 4000 / 8
    single = predicted(
        Rates(tuple(TABLE), ""), CodecConfig(model="mlp", preset="draft", rd_lambda=0.002), [1000, 3000]
    )
    assert single is not None
    assert found.seconds == pytest.approx(3 * single.seconds)


def test_a_plan_with_all_that_is_in_a_folder(tmp_path: Path, store: LocalStore, table: None):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(file_of(image(10, 100)))
    (photos / "b.jpg").write_bytes(file_of(image(30, 100), "JPEG"))
    (photos / "c.png").write_bytes(file_of(image(10, 100)))
    (photos / "bad.png").write_text("no photograph")
    (photos / "loop.png").symlink_to(photos / "loop.png")
    config = CodecConfig(model="mlp", preset="draft", rd_lambda=0.001)
    plan = make_plan(str(photos), store, ARCHIVE, RunOptions(max_file_bytes=10_000), with_sizes=True)
    found = estimate(plan, store, Recipe(config), 2)
    n_bytes = sum((photos / name).stat().st_size for name in ("a.png", "b.jpg"))
    assert found == Estimate(
        plan="3 to archive; 0 archived already; 1 duplicate; 1 unreadable",
        n_images=3,
        n_refused=2,
        n_pixels=4000,
        source_n_bytes=n_bytes,
        n_workers=2,
        hours=pytest.approx(40 / 3600 / 2),
        n_bytes=2000,
        psnr_db=36.0,
        origin="a table of 2 fits of mlp draft on a CPU",
        refused=found.refused,
    )
    bad, loop = found.refused
    assert bad == ("bad.png", f"UnsupportedImage: {plan.sizes[plan.images[2].digest]}")
    assert (loop[0], loop[1].startswith("UnsuitableFile: loop.png cannot be read")) == ("loop.png", True)
    alone = dataclasses.replace(plan, images=plan.images[:1])
    assert estimate(alone, store, Recipe(config), 8).hours == pytest.approx(10 / 3600)
    assert not store.root.exists()


def test_the_limits_of_the_run_hold(tmp_path: Path, store: LocalStore, table: None):
    (tmp_path / "a.png").write_bytes(file_of(image(10, 10)))
    for options in (RunOptions(max_pixels=99), RunOptions(max_file_bytes=10)):
        plan = make_plan(str(tmp_path / "a.png"), store, ARCHIVE, options, with_sizes=True)
        assert estimate(plan, store, RECIPE, 2).n_refused == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_the_table_that_the_package_carries_tells_of_every_preset(preset: str):
    measured = module._of_table(CodecConfig(model=MODELS[0], preset=preset), preset)
    assert len({made.rd_lambda for made in measured}) >= 3
    assert len({made.n_pixels for made in measured}) >= 2
    assert all(made.seconds > 0 and made.n_bytes > 0 for made in measured)


MACHINE = Machine(
    {}, now(), 0.25, (PaceAt(1000, Pace(0.01, 0.5, 0.1)), PaceAt(101_000, Pace(0.11, 1.5, 0.2)))
)


def one_image(tmp_path: Path, store: LocalStore, recipe: Recipe) -> Plan:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(file_of(image(10, 100)))
    options, digest = RunOptions(device="cpu"), recipe.archive_digest()
    return make_plan(str(tmp_path / "photos"), store, digest, options, with_sizes=True)


def test_where_the_archive_says_nothing_this_machine_says_how_long_it_takes(
    tmp_path: Path, store: LocalStore
):
    recipe = Recipe(CodecConfig(model="cnn", preset="standard", rd_lambda=0.001))
    plan = one_image(tmp_path, store, recipe)
    found = estimate(plan, store, recipe, 2, machine=lambda: MACHINE)
    assert found.hours == pytest.approx((5000 * 0.01 + 0.5 + 0.1) / 3600)
    assert (found.n_steps, found.n_too_short, found.needed) == (5000, 0, None)
    assert found.origin.startswith(f"a pace {MACHINE.describe()}, and a table of ")


def test_the_archives_own_fits_are_asked_first_but_for_the_steps_of_a_budget(
    tmp_path: Path, store: LocalStore
):
    def nobody() -> Machine:
        raise AssertionError("no pace is needed")

    append(store, [fitted("b", 20, 5.0, 80)])
    plan = one_image(tmp_path, store, RECIPE)
    assert estimate(plan, store, RECIPE, 2, machine=nobody).origin.startswith("1 image of this archive")
    recipe = Recipe(CodecConfig(model="mlp"), seconds_per_image=60)
    found = estimate(plan, store, recipe, 2, machine=lambda: MACHINE)
    assert (found.n_steps, found.hours) == (5940, pytest.approx(60 / 3600))
    append(store, [fitted("c", 20, 5.0, 999, preset="60 s", psnr_db=33.0)])
    found = estimate(plan, store, recipe, 2, machine=lambda: MACHINE)
    assert (found.n_steps, found.psnr_db) == (5940, 33.0)
    assert found.n_bytes == pytest.approx(999 * 1000 / 400, abs=1)


@pytest.mark.parametrize("model", MODELS)
def test_more_steps_cost_less_and_what_is_between_the_lengths_of_the_table_lies_between(model: str):
    config = CodecConfig(model=model, rd_lambda=0.001)
    preset_steps = steps_of(CodecConfig(model=model, preset="draft"))
    lengths = [*module.SHORT_STEPS[model], preset_steps, 3 * preset_steps]
    found = [predicted(module._of_steps(config, n_steps), config, [100_000]) for n_steps in lengths]
    costs = [10 ** (-one.psnr_db / 10) + 0.001 * 8 * one.n_bytes / 100_000 for one in found if one]
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == len(lengths)
    as_it_is = predicted(Rates(tuple(module._of_table(config, "draft")), ""), config, [100_000])
    assert found[-2] == as_it_is

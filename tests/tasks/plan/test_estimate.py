import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from inr import CodecConfig
from inr.config import MODELS, PRESETS
from inr.search import TYPICAL_FITS, first_lambda
from tasks.catalogue.records import Archived
from tasks.plan import estimate as module
from tasks.plan.estimate import Estimate, Measured, Rates, estimate, predicted, rates_of
from tasks.plan.planning import make_plan
from tasks.settings import RunOptions
from tasks.steps.commit import append
from tasks.store.folder import LocalStore
from tests.tasks.pictures import file_of, image
from tests.tasks.rows import ARCHIVE, CONFIG, archived, failed

TABLE = [Measured(0.001, 1000, 10.0, 500), Measured(0.1, 1000, 1.0, 5)]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_of_table", lambda config: TABLE)


def fitted(name: str, side: int, seconds: float, n_bytes: int, **changes: Any) -> Archived:
    values = {"width": side, "height": side, "encode_seconds": seconds - 0.5, "n_bytes": n_bytes}
    return archived(name, **{**values, **changes})


def test_the_archives_own_fits_count_first_then_those_under_other_lambdas_then_the_table(
    store: LocalStore, table: None
):
    assert rates_of(store, CONFIG) == Rates(tuple(TABLE), "a table of 2 fits of mlp draft on a CPU")
    other = fitted("a", 10, 4.0, 70, goal_value=0.5, rd_lambda=0.5)
    unlike = (archived("b", preset="best"), archived("c", model="lossless", rd_lambda=None))
    append(store, [other, *unlike, failed("d")])
    assert rates_of(store, CONFIG) == Rates(
        (Measured(0.5, 100, 4.0, 70),), "1 images of this archive under other λ"
    )
    append(store, [fitted("e", 20, 5.0, 80)])
    assert rates_of(store, CONFIG) == Rates(
        (Measured(CONFIG.rd_lambda or 0, 400, 5.0, 80),), "1 images of this archive under the same settings"
    )


def test_a_target_takes_several_fits_until_the_archive_tells_how_many(store: LocalStore, table: None):
    config = CodecConfig(model="mlp", preset="draft", target_psnr_db=30.0)
    assert rates_of(store, config).fits_per_image == TYPICAL_FITS
    append(store, [fitted("a", 10, 9.0, 70, goal="target_psnr_db", goal_value=30.0, rd_lambda=0.01)])
    assert rates_of(store, config).fits_per_image == 1
    assert rates_of(store, config).measured == (Measured(0.002, 100, 9.0, 70),)


def test_without_any_rates_there_is_no_guess(store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_of_table", lambda config: [])
    rates = rates_of(store, CONFIG)
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
    measured = tuple(Measured(0.002, n_pixels, value, 1) for n_pixels, value in points)
    found = predicted(Rates(measured, ""), CONFIG, sizes)
    assert found is not None
    assert found[0] == pytest.approx(seconds, abs=1e-8)


@pytest.mark.parametrize(
    ("rd_lambda", "seconds", "n_bytes"),
    [(0.001, 10.0, 500), (0.01, math.sqrt(10), 50), (0.1, 1, 5), (1.0, 1, 5)],
)
def test_between_two_lambdas_a_power_law_holds_and_beyond_them_the_last_one(
    rd_lambda: float, seconds: float, n_bytes: float
):
    config = CodecConfig(model="mlp", preset="draft", rd_lambda=rd_lambda)
    assert predicted(Rates(tuple(TABLE), ""), config, [1000]) == pytest.approx((seconds, n_bytes))


def test_a_target_of_bytes_is_taken_at_its_word_and_its_seconds_at_the_lambda_where_searches_begin():
    config = CodecConfig(model="mlp", preset="draft", target_bpp=0.3)
    assert first_lambda(config) == pytest.approx(0.002)
    found = predicted(Rates(tuple(TABLE), "", fits_per_image=3), config, [1000, 3000])
    assert found is not None
    assert found[1] == 0.3 * 4000 / 8
    single = predicted(
        Rates(tuple(TABLE), ""), CodecConfig(model="mlp", preset="draft", rd_lambda=0.002), [1000, 3000]
    )
    assert single is not None
    assert found[0] == pytest.approx(3 * single[0])


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
    found = estimate(plan, store, config, 2)
    n_bytes = sum((photos / name).stat().st_size for name in ("a.png", "b.jpg"))
    assert found == Estimate(
        plan="3 to archive; 0 archived already; 1 duplicates; 1 unreadable",
        n_images=3,
        n_refused=2,
        n_pixels=4000,
        source_n_bytes=n_bytes,
        n_workers=2,
        hours=pytest.approx(40 / 3600 / 2),
        n_bytes=2000,
        origin="a table of 2 fits of mlp draft on a CPU",
        refused=found.refused,
    )
    bad, loop = found.refused
    assert bad == ("bad.png", f"UnsupportedImage: {plan.sizes[plan.images[2].digest]}")
    assert (loop[0], loop[1].startswith("SourceError: loop.png cannot be read")) == ("loop.png", True)
    alone = dataclasses.replace(plan, images=plan.images[:1])
    assert estimate(alone, store, config, 8).hours == pytest.approx(10 / 3600)
    assert not store.root.exists()


def test_the_limits_of_the_run_hold(tmp_path: Path, store: LocalStore, table: None):
    (tmp_path / "a.png").write_bytes(file_of(image(10, 10)))
    for options in (RunOptions(max_pixels=99), RunOptions(max_file_bytes=10)):
        plan = make_plan(str(tmp_path / "a.png"), store, ARCHIVE, options, with_sizes=True)
        assert estimate(plan, store, CONFIG, 2).n_refused == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_the_table_that_the_package_carries_tells_of_every_preset(preset: str):
    measured = module._of_table(CodecConfig(model=MODELS[0], preset=preset))
    assert len({made.rd_lambda for made in measured}) >= 3
    assert len({made.n_pixels for made in measured}) >= 2
    assert all(made.seconds > 0 and made.n_bytes > 0 for made in measured)

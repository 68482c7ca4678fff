import dataclasses
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from inr import CodecConfig
from inr.config import MODELS
from inr.errors import ConfigError
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import LOSSLESS, Archived, Failed, Planned
from tasks.report.summary import RunSummary
from tasks.report.sweep import (
    RdPoint,
    SweepReport,
    configs_of,
    rd_points,
    sample_images,
    store_sweep,
    sweep_markdown,
)
from tasks.settings import RunOptions
from tasks.steps.commit import append
from tasks.store.folder import LocalStore
from tests.tasks.pictures import file_of, image
from tests.tasks.rows import archived_from, digest, source_image

CONFIGS = configs_of(["mlp"], "draft", [0.001, 0.01])
POINT = RdPoint("mlp", "draft", 0.01, 2, 300, 0.25, 30.0, 0.9, 1.5, 0.125)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for n in range(6):
        (folder / ("below" if n % 2 else "") / f"{n}.png").write_bytes(file_of(image(8, 8 + n)))
    (folder / "copy of 3.png").write_bytes(file_of(image(8, 11)))
    (folder / "bad.png").write_text("no photograph")
    (folder / "empty.jpg").touch()
    (folder / "loop.png").symlink_to(folder / "loop.png")
    return folder


def row(name: str, config: CodecConfig, **changes: Any) -> Archived:
    values = {"n_bytes": 100, "width": 20, "height": 10, "psnr_db": 30.0, "encode_seconds": 1.0}
    return archived_from(Planned.of("run", Recipe(config), source_image(name)), **{**values, **changes})


def test_every_model_there_is_is_tried_unless_some_are_named():
    assert [config.model for config in configs_of(None, "draft", [0.01])] == list(MODELS)
    assert [config.model for config in configs_of([], "draft", [0.01])] == list(MODELS)
    found = configs_of(["mlp", "mlp"], "best", [0.001, 0.01, 0.001])
    assert found == [
        CodecConfig(model="mlp", preset="best", rd_lambda=0.01),
        CodecConfig(model="mlp", preset="best", rd_lambda=0.001),
    ]


@pytest.mark.parametrize(
    ("models", "preset", "rd_lambdas", "message"),
    [
        (["gan"], "draft", [0.1], "model"),
        (None, "quick", [0.1], "preset"),
        (None, "draft", [2.0], "rd_lambda"),
        (None, "draft", [], "rd_lambda: expected one or more"),
    ],
)
def test_what_cannot_be_tried_is_named(models: list[str], preset: str, rd_lambdas: list[float], message: str):
    with pytest.raises(ConfigError, match=message):
        configs_of(models, preset, rd_lambdas)


def test_a_sample_is_the_same_each_time_and_part_of_a_larger_one(photos: Path):
    samples = [sample_images(str(photos), n, RunOptions()) for n in (1, 3, 6, 99)]
    assert samples[1] == sample_images(str(photos), 3, RunOptions())
    for smaller, larger in pairwise(samples):
        assert larger[: len(smaller)] == smaller
    assert [len(sample) for sample in samples] == [1, 3, 6, 6]
    assert {image.path.rpartition("/")[2] for image in samples[3]} - {"copy of 3.png", "3.png"} == {
        f"{n}.png" for n in (0, 1, 2, 4, 5)
    }
    assert [image.path for image in samples[3]] != sorted(image.path for image in samples[3])


def test_a_source_without_an_image_is_the_callers_error(photos: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="expected an image that can be archived"):
        sample_images(str(photos), 3, RunOptions(max_pixels=4))
    with pytest.raises(ConfigError, match="source"):
        sample_images(str(tmp_path / "nowhere"), 3, RunOptions())


def test_points_are_taken_over_the_images_that_every_setting_has(store: LocalStore):
    small, large = CONFIGS[0], CONFIGS[1]
    append(store, [row("a", small, ms_ssim=0.8), row("b", small, n_bytes=60, psnr_db=32.0)])
    append(store, [row("a", large, n_bytes=500, psnr_db=math.inf, decode_seconds=0.5), row("b", large)])
    append(store, [row("c", small, n_bytes=9999), row("d", small), row("d", large)])
    append(store, [Failed.of(Planned.of("run", Recipe(large), source_image("c")), ValueError("no"))])
    append(store, [row("a", small, n_bytes=7, preset="best", archive_digest="f" * 64)])
    images = [source_image(name) for name in ("a", "b", "c")]
    first, second = rd_points(store, images, CONFIGS)
    assert first == RdPoint("mlp", "draft", 0.01, 2, 160, 8 * 160 / 400, 31.0, 0.8, 1.0, 0.0)
    assert second == RdPoint("mlp", "draft", 0.001, 2, 600, 8 * 600 / 400, 30.0, None, 1.0, 0.25)
    assert rd_points(store, images[2:], CONFIGS) == ()
    assert rd_points(LocalStore(store.root / "empty"), images, CONFIGS) == ()


def test_an_image_that_a_setting_stores_without_loss_is_in_no_point(store: LocalStore):
    small, large = CONFIGS[0], CONFIGS[1]
    append(store, [row("a", small), row("a", large), row("b", small)])
    append(store, [row("b", large, model=LOSSLESS, psnr_db=math.inf, rd_lambda=None)])
    points = rd_points(store, [source_image("a"), source_image("b")], CONFIGS)
    assert [(point.model, point.n_images) for point in points] == [("mlp", 1)] * 2


def test_the_latest_row_counts(store: LocalStore):
    append(store, [row("a", CONFIGS[0], n_bytes=1)])
    append(store, [row("a", CONFIGS[0], n_bytes=2)])
    [point] = rd_points(store, [source_image("a")], CONFIGS[:1])
    assert point.n_bytes == 2
    assert digest("a") == source_image("a").digest


def report(*points: RdPoint, n_failed: int = 0) -> SweepReport:
    summary = RunSummary("run", "photos|<b>", "store", "draft; 2 settings", "4 fits", 4, n_failed=n_failed)
    return SweepReport(summary, 3, points)


def test_the_report_is_for_people_and_for_machines(store: LocalStore):
    lossless = dataclasses.replace(POINT, psnr_db=math.inf, ms_ssim=None)
    made = report(POINT, lossless, n_failed=1)
    assert made.headline() == "2 settings compared on 2 of 3 images, 1 fit failed"
    store_sweep(store, made)
    page = store.get("reports/run.md", max_bytes=10_000).decode()
    assert page == sweep_markdown(made)
    assert "| mlp | 0.01 | 0.2500 | 30.00 | 0.9000 | 300 | 1.5 | 0.12 |" in page.splitlines()
    assert r"photos\|&lt;b>" in page
    values = json.loads(store.get("reports/run.json", max_bytes=10_000))
    assert values == made.as_values()
    assert values["points"][0] == dataclasses.asdict(POINT)
    assert (values["points"][1]["psnr_db"], values["n_sampled"], values["n_failed"]) == (None, 3, 1)


def test_without_a_point_there_is_no_table():
    assert report().headline() == "of 3 images, none has a bitstream under every setting"
    assert "|" not in sweep_markdown(report()).replace(r"\|", "")

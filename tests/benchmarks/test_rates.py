import json
from pathlib import Path

import pytest

from benchmarks import rates
from benchmarks.rates import LAMBDAS, WARMING_STEPS, Rate, fits, main, measure, merged
from inr.config import MODELS, CodecConfig
from tests.tasks.pictures import file_of, image


@pytest.fixture(autouse=True)
def few_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "SIDES", {"draft": (8, 9), "standard": (), "best": ()})
    monkeypatch.setattr(rates, "FITTED_WHOLE", ())


def test_every_size_is_fitted_at_every_lambda(tmp_path: Path):
    found = list(fits(["mlp"], ["draft", "best"], tmp_path))
    assert [(path.parent.name, config.rd_lambda) for config, path in found] == [
        (side, rd_lambda) for side in ("8", "9") for rd_lambda in LAMBDAS["mlp"]
    ]
    assert all(path.exists() for _, path in found)


def test_each_family_is_fitted_at_the_lambdas_it_is_used_at(tmp_path: Path):
    found = {(config.model, config.rd_lambda) for config, _ in fits(MODELS, ["draft"], tmp_path)}
    assert found == {(model, rd_lambda) for model in MODELS for rd_lambda in LAMBDAS[model]}


def test_a_rate_is_what_was_measured(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(file_of(image(8, 12)))
    rate = measure(CodecConfig(model="mlp", preset="draft", rd_lambda=1e-4), path, n_steps=20)
    assert (rate.n_pixels, rate.rd_lambda, rate.preset) == (96, 1e-4, "draft")
    assert rate.seconds > 0
    assert rate.n_bytes >= 25  # of a file without a network


def test_what_is_measured_anew_replaces_what_was_known():
    known = [Rate("mlp", preset, 0.1, 1, 1.0, 1, 30.0) for preset in ("draft", "best")]
    new = [Rate("mlp", "draft", 0.1, 1, 2.0, 1, 30.0)]
    assert merged(known, new) == [known[1], new[0]]
    assert merged([], new) == new


def test_the_table_is_written_with_where_it_is_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--models", "mlp", "--presets", "draft", "--steps", "20", "--work", str(tmp_path)]
    for _ in range(2):
        main([*words, "--out", str(tmp_path / "rates")])
    report = json.loads((tmp_path / "rates.json").read_text())
    assert len(report["points"]) == 2 * len(LAMBDAS["mlp"]) == len(capsys.readouterr().out.splitlines()) // 2
    assert report["command"].startswith("python -m benchmarks.rates --models mlp --presets draft")


def test_the_first_fit_of_a_family_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made: list[tuple[str, int | None]] = []

    def noted(
        config: CodecConfig, path: Path, n_steps: int | None = None, *, preset: str | None = None
    ) -> Rate:
        made.append((config.model, n_steps))
        return Rate(config.model, config.preset, config.rd_lambda, 64, float(len(made)), 1, 30.0)

    monkeypatch.setattr(rates, "measure", noted)
    main(["--presets", "draft", "--work", str(tmp_path), "--out", str(tmp_path / "rates")])
    points = json.loads((tmp_path / "rates.json").read_text())["points"]
    for model in MODELS:
        first = made.index((model, WARMING_STEPS))
        assert first == min(n for n, (its, _) in enumerate(made) if its == model)
        assert len([point for point in points if point["model"] == model]) == 2 * len(LAMBDAS[model])


def test_the_table_that_the_package_carries_can_be_read():
    report = json.loads(Path("tasks/plan/rates.json").read_text())
    assert {(rate["model"], rate["preset"]) for rate in report["points"]} >= {
        ("mlp", "draft"),
        ("cnn", "draft"),
    }
    assert all(Rate(**rate).seconds > 0 for rate in report["points"])

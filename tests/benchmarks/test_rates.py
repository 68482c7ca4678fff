import json
from pathlib import Path

import pytest

from benchmarks import rates
from benchmarks.rates import LAMBDAS, Job, jobs, main, measure, merged, parse
from inr.config import MODELS
from inr.mlp.fit import presets
from tests.tasks.pictures import file_of, image


@pytest.fixture(autouse=True)
def short_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(presets.PRESET_STEPS, "draft", 20)
    monkeypatch.setattr(rates, "SIDES", {"draft": (8, 9), "standard": (), "best": ()})
    monkeypatch.setattr(rates, "WHOLE", dict.fromkeys(rates.WHOLE, ()))


def test_every_size_is_fitted_at_every_lambda(tmp_path: Path):
    found = list(jobs(["mlp"], ["draft", "best"], tmp_path))
    assert [(job.path.parent.name, job.rd_lambda) for job in found] == [
        (side, rd_lambda) for side in ("8", "9") for rd_lambda in LAMBDAS["mlp"]
    ]
    assert all(job.path.exists() for job in found)


def test_each_family_is_fitted_at_the_lambdas_it_is_used_at(tmp_path: Path):
    found = {(job.model, job.rd_lambda) for job in jobs(MODELS, ["draft"], tmp_path)}
    assert found == {(model, rd_lambda) for model in MODELS for rd_lambda in LAMBDAS[model]}


def test_a_point_is_what_was_measured(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(file_of(image(8, 12)))
    point = measure(Job("mlp", "draft", 0.01, path))
    assert (point["n_pixels"], point["rd_lambda"], point["preset"]) == (96, 0.01, "draft")
    assert point["seconds"] > 0
    assert point["n_bytes"] > 30


def test_what_is_measured_anew_replaces_what_was_known():
    known = [{"model": "mlp", "preset": preset, "seconds": 1} for preset in ("draft", "best")]
    new = [{"model": "mlp", "preset": "draft", "seconds": 2}]
    assert merged(known, new) == [known[1], new[0]]
    assert merged([], new) == new


def test_the_table_is_written_with_where_it_is_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--models", "mlp", "--presets", "draft", "--out", str(tmp_path / "rates")]
    for _ in range(2):
        main(words)
    report = json.loads((tmp_path / "rates.json").read_text())
    assert len(report["points"]) == 2 * len(LAMBDAS["mlp"]) == len(capsys.readouterr().out.splitlines()) // 2
    assert report["command"] == "python -m benchmarks.rates --models mlp --presets draft --out rates"
    with pytest.raises(SystemExit):
        parse(["--presets", "draft"])

import dataclasses
from pathlib import Path

import pytest

from flows.rates import _key, rates_here
from inr import CodecConfig
from tasks.plan import machine
from tasks.settings import RunOptions

OPTIONS = RunOptions(device="cpu", workers=1)


def test_the_pace_of_this_machine_is_measured_for_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "SIDES", (24, 48))
    monkeypatch.setattr(machine, "QUIET", 1e9)
    config = CodecConfig(model="mlp", rd_lambda=0.01)
    found = rates_here(config, OPTIONS)
    assert found.key == _key(config, OPTIONS)
    assert [point.n_pixels for point in found.points] == [576, 2304]
    assert all(point.pace.step_seconds > 0 for point in found.points)
    assert rates_here(config, OPTIONS) == found
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_whatever_changes_the_pace_changes_the_key(monkeypatch: pytest.MonkeyPatch):
    config = CodecConfig(model="mlp")
    usual = _key(config, OPTIONS)
    assert all(usual.values())
    others = [
        _key(CodecConfig(model="cnn"), OPTIONS),
        _key(dataclasses.replace(config, rd_lambda=0.01), OPTIONS),
        _key(config, OPTIONS.model_copy(update={"workers": 3})),
    ]
    monkeypatch.setattr("inr.__version__", "9.9")
    others.append(_key(config, OPTIONS))
    assert len({tuple(key.items()) for key in [usual, *others]}) == 5
    assert _key(dataclasses.replace(config, preset="best", seed=1), OPTIONS) == others[-1]

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu.trial import Row, Trial
from benchmarks.rd.made import MadePoint

FLAT = np.full((12, 16, 3), (10, 200, 30), np.uint8)  # of one colour, which needs no fit
TRIAL = Trial("cpu", {"flat": FLAT, "other": FLAT[:, ::-1].copy()}, {})


def test_a_cost_may_be_half_a_percent_above_the_cpus() -> None:
    assert Row("single", "cost", 1.004, 1.005).passes
    assert not Row("single", "cost", float("nan"), 1.005).passes
    assert Row("single", "seconds", 9e9).passes


def test_images_are_encoded_together_and_their_files_kept(tmp_path: Path) -> None:
    trial = replace(TRIAL, files=tmp_path)
    found, seconds = trial.encode(trial.images, "standard", rd_lambda=4e-3)
    assert [each.rd_lambda for each in found] == [4e-3, 4e-3]
    assert seconds > 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["flat_4000.inr", "flat_4000.json", "other_4000.inr", "other_4000.json"]
    assert MadePoint(Path("flat.png"), 4e-3, tmp_path, "standard").rd_lambda == 4e-3


@pytest.mark.parametrize("n_steps", [None, 20])
def test_files_of_trials_of_few_steps_are_not_kept(n_steps: int | None, tmp_path: Path) -> None:
    trial = replace(TRIAL, files=tmp_path, n_steps=n_steps)
    trial.encode(trial.images, "draft", n_steps=20)
    assert not list(tmp_path.iterdir())
    assert trial.first == "flat"

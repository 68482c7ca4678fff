import argparse
import json
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from benchmarks.cnn_choices.__main__ import Result, main, page, rows_of
from benchmarks.cnn_choices.choices import CHOICES
from benchmarks.cnn_choices.trials import Measured
from tests.inr.cnn.fit.drawn import DEVICE


def measured(choice: str, image: str, seed: int, cost: float, seconds: float) -> Measured:
    return Measured(
        conditions="those of a test",
        choice=choice,
        image=image,
        seed=seed,
        n_bytes=900,
        network_bytes=100 * cost,
        cost=cost,
        encode_seconds=seconds,
    )


FIRST = CHOICES[0].name
RESULTS = [
    measured(FIRST, "a", 0, 2.0, 10),
    measured(FIRST, "a", 1, 4.0, 10),
    measured(FIRST, "b", 0, 1.0, 20),
    measured("no filters", "a", 0, 2.2, 20),
    measured("no filters", "a", 1, 4.8, 30),
    measured("no filters", "b", 0, 1.0, 20),
    measured("another seed", "b", 0, 1.5, 10),
]


def test_each_choice_is_compared_with_the_first_in_pairs() -> None:
    first, other, seed = rows_of(RESULTS)
    assert first == [FIRST, "3", "0.00", "0.00", "233", "1.00"]
    # Ratios of 10, 20 and 0 %: a mean of 10 with a deviation of 10, over the root of three.
    assert other == ["no filters", "3", "10.00", "5.77", "267", "2.00"]
    assert (seed[:3], seed[5]) == (["another seed", "1", "50.00"], "0.50")
    assert seed[3] not in other  # one pair has no deviation


def test_the_page_has_a_row_for_each_choice() -> None:
    arguments = argparse.Namespace(names=["a", "b"], rd_lambda=0.001, steps=1500, prior_steps=300, seeds=2)
    lines = page(Result(RESULTS), arguments)
    assert lines[0] == "# What each part of family cnn and of its fit is worth"
    assert "| no filters | 3 | 10.00 | 5.77 | 267 | 2.00 |" in lines
    assert sum(line.startswith("| ") for line in lines) >= 1 + 3


@pytest.mark.usefixtures("doubles")
def test_a_later_run_goes_on_from_what_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("images", "crops"):
        (tmp_path / folder).mkdir()
        Image.fromarray(data.astronaut()[20:36, 150:166]).save(tmp_path / folder / "a.png")
    words = ["--images", str(tmp_path / "images"), "--names", "a", "--crops", str(tmp_path / "crops")]
    words += ["--out", str(tmp_path / "found"), "--side", "16", "--every", "1", "--steps", "8"]
    words += ["--prior-steps", "1", "--seeds", "1", "--device", DEVICE]
    main([*words, "--only"])
    assert FIRST in capsys.readouterr().out
    main([*words, "--only", "no filters"])
    assert "no filters | 1 |" in capsys.readouterr().out
    measured_once = (tmp_path / "found.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["choice"] for line in measured_once] == [FIRST, "no filters"]
    main([*words, "--rd-lambda", "0.002", "--only"])
    assert len((tmp_path / "found.jsonl").read_text(encoding="utf-8").splitlines()) == 3
    assert "| no filters | 1 |" not in (tmp_path / "found.md").read_text(encoding="utf-8")
    main([*words, "--only"])
    assert "| no filters | 1 |" in (tmp_path / "found.md").read_text(encoding="utf-8")

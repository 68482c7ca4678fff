import argparse
import json
from pathlib import Path

import pytest

from benchmarks.budgets import Result, Taken, main, page
from tests.tasks.pictures import file_of, photograph


def taken(budget: float, seconds: float, turn: int = 0) -> Taken:
    return Taken(budget, turn, seconds, seconds - 1, 0.5, 100, 1000, 0.25, 31.5, 1.25)


def test_the_page_says_how_far_each_run_is_off_its_budget_and_how_many_are_kept():
    arguments = argparse.Namespace(image=Path("a.png"), model="cnn", rd_lambda=0.001)
    lines = page(Result([taken(60, 66.1), taken(20, 18.5), taken(20, 20, turn=1)]), arguments)
    assert "- 2 of 3 runs are within 10% of their budget" in lines
    rows = [line for line in lines if line.startswith("| 20 s") or line.startswith("| 60 s")]
    assert rows == [
        "| 20 s | 18.5 | -7.5 % | 17.5 | 0.5 | 100 | 1000 | 31.50 | 1.2500 |",
        "| 20 s | 20.0 | +0.0 % | 19.0 | 0.5 | 100 | 1000 | 31.50 | 1.2500 |",
        "| 60 s | 66.1 | +10.2 % | 65.1 | 0.5 | 100 | 1000 | 31.50 | 1.2500 |",
    ]


@pytest.mark.usefixtures("capsys")
def test_an_image_is_archived_for_each_budget_once(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(file_of(photograph(24, 24, 3)))
    words = ["--image", str(tmp_path / "a.png"), "--seconds", "30", "--work", str(tmp_path / "work")]
    main([*words, "--out", str(tmp_path / "out")])
    first = json.loads((tmp_path / "out.json").read_text())["runs"]
    assert [run["budget_seconds"] for run in first] == [30]
    assert all(run["seconds"] > 0 and run["n_steps"] >= 50 and run["n_bytes"] > 0 for run in first)
    main([*words, "--out", str(tmp_path / "again")])
    assert json.loads((tmp_path / "again.json").read_text())["runs"] == first

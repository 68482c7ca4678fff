import argparse
import dataclasses
from pathlib import Path

import pytest

from benchmarks.budgets import Budget, Result, Taken, page
from tests.lengths import fits_from
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


def test_an_image_is_archived_in_its_time(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(file_of(photograph(24, 24, 3)))
    budget = Budget(tmp_path / "a.png", "mlp", 0.001, 600.0, 0, tmp_path / "work", "code")
    with fits_from(1, 60):
        found = budget.measure()
    assert (found.budget_seconds, found.n_steps) == (600, 60)
    assert 0 < found.seconds < 600
    assert found.rate_bpp == pytest.approx(8 * found.n_bytes / 24**2, abs=1e-4)
    assert found.cost == pytest.approx(
        1000 * (10 ** (-found.psnr_db / 10) + 0.001 * found.rate_bpp), rel=0.01
    )


def test_what_changes_the_result_changes_the_key():
    budget = Budget(Path("a.png"), "mlp", 0.001, 600.0, 0, Path("work"), "code")
    changes = ({"seconds": 60.0}, {"turn": 1}, {"model": "cnn"}, {"rd_lambda": 0.1}, {"code": "other"})
    others = [dataclasses.replace(budget, **change) for change in changes]
    assert len({each.key for each in [budget, *others]}) == 1 + len(others)

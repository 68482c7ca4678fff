import argparse
import dataclasses
import math
from pathlib import Path

import pytest

from benchmarks.targets import Met, Pair, Result, page
from tests.tasks.pictures import file_of, photograph


def met(found: float, *, is_rate: bool = False, n_fits: int = 1) -> Met:
    target = 0.5 if is_rate else 30.0
    return Met("a", target, is_rate, found, n_fits, 2e-3, 1e-3, 11.0, 10.0, 0.0101, 0.0100)


@pytest.mark.parametrize(
    ("found", "is_rate", "is_met"),
    [
        (30.0, False, True),
        (30.09, False, True),
        (30.11, False, False),
        (29.99, False, False),
        (0.491, True, True),
        (0.48, True, False),
        (0.501, True, False),
    ],
)
def test_a_target_is_met_by_no_less_and_by_little_more(found: float, is_rate: bool, is_met: bool):
    assert met(found, is_rate=is_rate).is_met == is_met


def test_the_page_counts_what_is_met_and_says_what_it_took():
    arguments = argparse.Namespace(side=256, model="cnn", steps=300)
    lines = page(Result([met(30.05), met(0.505, is_rate=True, n_fits=2)]), arguments)
    assert "- 1 of 2 targets are met by no more than 0.1 dB or 2 %, 1 of them with one fit" in lines
    assert "- Time: 1.10 in the mean, at most 1.10; cost: +1.00 % in the mean" in lines
    assert lines[-2:] == [
        "| a | 30 dB | 30.050 | +0.050 dB | 1 | 0.002 | 0.001 | 1.10 | +1.00 % |",
        "| a | 0.5 bpp | 0.5050 | +1.00 % | 2 | 0.002 | 0.001 | 1.10 | +1.00 % |",
    ]


def test_a_pair_is_measured_on_the_middle_of_an_image(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(file_of(photograph(60, 40, 3)))
    found = Pair(tmp_path / "a.png", 32, 3.0, True, "cnn", 40, "code").measure()
    assert found.image == "a"
    assert found.n_fits >= 1
    assert found.found * 32 * 32 == pytest.approx(round(found.found * 32 * 32 / 8) * 8, abs=0.1)
    assert found.plain_seconds > 0
    assert math.isfinite(found.cost)


def test_what_changes_the_result_changes_the_key():
    pair = Pair(Path("a.png"), 256, 30.0, False, "cnn", 300, "code")
    changes = (
        {"side": 128}, {"target": 31.0}, {"is_rate": True}, {"model": "mlp"}, {"n_steps": 3}, {"code": "b"}
    )  # fmt: skip
    others = [dataclasses.replace(pair, **change) for change in changes]
    assert len({each.key for each in [pair, *others]}) == 1 + len(others)

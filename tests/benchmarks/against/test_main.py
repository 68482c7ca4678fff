import argparse
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import journal
from benchmarks.against import in_checkout, pairs
from benchmarks.against.__main__ import main
from benchmarks.against.pairs import (
    ROOT,
    Checkout,
    Decode,
    Decoding,
    Encode,
    Encoding,
    Result,
    page,
    seconds_at,
)
from inr import decode
from tests.tasks.pictures import photograph

POINTS = ((300, 25.0, 1.1), (500, 50.0, 1.0), (1000, 110.0, 0.9))


def encoding(side: str, n_steps: int, seconds: float, cost: float, image: str = "a") -> Encoding:
    return Encoding(image, side, n_steps, seconds, 1000, cost)


@pytest.mark.parametrize(
    ("cost", "seconds"),
    [
        (2.0, 10.0),
        (1.5, math.sqrt(10.0 * 40.0)),
        (1.0, 40.0),
        (0.9, 80.0),
        (0.8, 160.0),
        (0.75, math.sqrt(160.0 * 320.0)),  # beyond the last one
        (2.5, 5.0),  # before the first one
    ],
)
def test_the_time_to_a_cost_is_read_off_between_the_two_next_to_it(cost: float, seconds: float):
    own = [encoding("this", n, s, c) for n, s, c in ((3, 160.0, 0.8), (1, 10.0, 2.0), (2, 40.0, 1.0))]
    assert seconds_at(cost, own) == pytest.approx(seconds)


def test_the_page_compares_cost_time_and_time_at_equal_cost():
    runs = []
    for image, factor in (("a", 1.0), ("b", 2.0)):
        runs.append(encoding("the other", 1000, 100.0 * factor, 1.0, image))
        for n_steps, seconds, cost in POINTS:
            runs.append(encoding("this", n_steps, seconds * factor, cost, image))
    decodings = [
        Decoding(side, turn, seconds)
        for side, seconds in (("this", 1.2), ("the other", 1.0))
        for turn in (0, 1)
    ]
    arguments = argparse.Namespace(presets=["draft"], rd_lambda=1e-3, checkout=Path("of/before"))
    lines = page(Result(runs, decodings), arguments)
    assert lines[0] == "# Family cnn against before"
    assert "| a | 0.9 | 1 | 110 | 100 | 50 | x 0.900 | x 1.100 | x 0.500 |" in lines
    assert "| mean |  |  |  |  |  | x 0.900 ± 0.000 | x 1.100 ± 0.000 | x 0.500 ± 0.000 |" in lines
    assert lines[-1] == "| kodim15, each its own file | 1.200 | 1.000 | x 1.200 ± 0.000 |"


def test_a_checkout_is_measured_against_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Here without a process for each, whose libraries take seconds to load."""

    def run(_: Checkout, command: str, *words: str) -> dict[str, Any]:
        return in_checkout.encoded(*words) if command == "encode" else in_checkout.decoded(*words)

    def here(n_processes: int, *_: object) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(n_processes)

    monkeypatch.setattr(Checkout, "run", run)
    monkeypatch.setattr(journal, "ProcessPoolExecutor", here)  # where `run` would be the real one
    monkeypatch.setattr(pairs, "STEPS", {"draft": (60, (50, 60))})
    monkeypatch.setattr(pairs, "SIDE", 32)
    monkeypatch.setattr(pairs, "DECODED", "a")
    monkeypatch.setattr(pairs, "DECODED_STEPS", 50)
    photograph(40, 48, 3).save(tmp_path / "a.png")
    words = f"--checkout {ROOT} --images {tmp_path} --names a --presets draft --turns 2".split()
    words += ["--out", str(tmp_path / "page"), "--work", str(tmp_path / "work")]
    main(words)
    shown = (tmp_path / "page.md").read_text(encoding="utf-8")
    [row] = [line for line in shown.splitlines() if line.startswith("| a |")]
    assert row.split(" | ")[6] == "x 1.000"  # the same code makes the same file
    main(words)  # from the journal, without a fit
    assert len((tmp_path / "work" / "encodings.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_a_turn_is_a_process_with_the_code_of_its_checkout(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.asarray(photograph(24, 24, 3)))
    encode = Encode(Checkout("this", ROOT, "code"), tmp_path / "a.npy", 50, 1e-3)
    found = Decode(encode, 0).measure()
    assert (found.checkout, found.turn) == ("this", 0)
    assert found.cpu_seconds > 0
    assert decode((tmp_path / "a.this-code.inr").read_bytes()).pixels.shape == (24, 24, 3)

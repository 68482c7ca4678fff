from dataclasses import replace
from pathlib import Path

from benchmarks.faults.__main__ import FAULTS, earlier, store
from benchmarks.faults.outcomes import Account, Outcome
from benchmarks.faults.places import Place
from benchmarks.faults.verdicts import judge
from benchmarks.frame import origin_of


def test_rows_that_are_there_already_are_read_back(place: Place, tmp_path: Path) -> None:
    account = Account("something", ["seen"], after_fault=judge(place))
    first = Outcome("one", account, judge(place), "", 1.5, "2000-01-01")
    outcomes = [first, replace(first, name="two", verdict=None, broke="broken")]
    origin = replace(origin_of("benchmarks.faults", ["--only", "one"]), command="a")
    store(tmp_path / "faults", origin, outcomes)
    assert earlier(tmp_path / "faults") == ({"one": outcomes[0], "two": outcomes[1]}, "a")
    assert earlier(tmp_path / "none") == ({}, "")


def test_the_stored_rows_can_be_read() -> None:
    rows, command = earlier(Path("benchmarks/results/faults"))
    assert {fault.name for fault in FAULTS} - {"bad files among the originals"} <= rows.keys()
    assert command.startswith("python -m benchmarks.faults")

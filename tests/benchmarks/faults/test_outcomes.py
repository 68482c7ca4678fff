from pathlib import Path

from benchmarks.faults.outcomes import Account, Fault, Outcome, done, outcome_of, page
from benchmarks.faults.places import Place
from benchmarks.faults.scenery import Scenery
from benchmarks.faults.verdicts import judge
from benchmarks.frame import origin_of


def test_a_fault_that_breaks_is_a_bad_row_and_stops_no_other(place: Place, tmp_path: Path):
    def breaks(place: Place, account: Account, _: Scenery) -> None:
        raise TimeoutError("never seen")

    def works(place: Place, account: Account, _: Scenery) -> None:
        account.tried, account.recovery = "nothing | at all", "none"
        account.rows["part"] = Account("a part")

    faults = [Fault("one", breaks, lambda *_: place), Fault("two", works, lambda *_: place)]
    outcomes = list(done(faults, Scenery(tmp_path)))
    assert [(outcome.name, outcome.is_good) for outcome in outcomes] == [
        ("one", False),
        ("two", True),
        ("part", True),
    ]
    assert "never seen" in outcomes[0].reasons()[0]
    text = "\n".join(page(origin_of("benchmarks.faults", []), outcomes))
    assert "- 2 of 3 ended well" in text
    assert r"nothing \| at all" in text
    assert "Bad: one" in text
    assert [outcome_of(outcome.as_values()) for outcome in outcomes] == outcomes


def test_what_was_expected_and_not_seen_makes_a_row_bad(place: Place):
    account = Account("x")
    account.expect("a thing", False)
    outcome = Outcome("x", account, judge(place), "", 0.0, "")
    assert not outcome.is_good
    assert outcome.reasons() == ["expected: a thing"]

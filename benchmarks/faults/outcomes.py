"""The outcome of each fault: done one after the other, judged, and written as JSON and as a table."""

import re
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from benchmarks.faults.commands import Ended, without_root
from benchmarks.faults.places import Place
from benchmarks.faults.scenery import Scenery
from benchmarks.faults.verdicts import Verdict, judge
from benchmarks.frame import Origin

COLUMNS = ("fault", "tried", "happened", "recovery, and its outcome", "nothing lost", "all decode", "s")
EXPLAINED = (
    "Each was done to a new store, with `inr` as a process. *nothing lost*: afterwards each original has the",
    "SHA-256 that it had, and each that is an image which can be read is archived; in brackets, how many.",
    "*all decode*: each image whose latest row says `archived` was read from the store past the flow; its",
    "object has the SHA-256 of the row, decodes, and has the PSNR of the row against the original. It is",
    "measured before the recovery too, except where the fault itself is a damage done to what is stored.",
    "",
)


@dataclass
class Account:
    """The account of a fault, filled in as it is done.

    Attributes:
        tried: The fault as it was done.
        happened: Observations, in order.
        recovery: The remedy of the operator.
        recovered: Observations after the remedy.
        expected: Observation that the operating guide predicts → True if it was made.
        after_fault: The verdict before the recovery, where the fault itself does not damage the store.
        rows: Accounts of their own of faults that were done together, by name.
    """

    tried: str
    happened: list[str] = field(default_factory=list)
    recovery: str = ""
    recovered: list[str] = field(default_factory=list)
    expected: dict[str, bool] = field(default_factory=dict)
    after_fault: Verdict | None = None
    rows: dict[str, "Account"] = field(default_factory=dict)

    def expect(self, what: str, holds: bool) -> None:
        """Note whether something holds."""
        self.expected[what] = holds

    def saw(self, place: Place, *seen: object) -> None:
        """Note what was seen, and look at the place; nothing need be archived by now."""
        self.happened += map(str, seen)
        self.after_fault = judge(place, never=frozenset(place.digests))

    def recover(self, place: Place, remedy: str, *words: str, before: Sequence[str] = ()) -> Ended:
        """Archive again after a remedy, which is to end well."""
        self.recovery = remedy
        again = place.archive(*words, before=before)
        self.recovered.append(str(again))
        self.expect("ended well afterwards", again.code == 0)
        return again


@dataclass(frozen=True)
class Fault:
    """A fault that can be done.

    Attributes:
        name: Name of the row.
        do: Function that does it, recovers, and fills in the account.
        place: Function that makes a new place for it.
    """

    name: str
    do: Callable[[Place, Account, Scenery], None]
    place: Callable[[Scenery, str], Place]


@dataclass(frozen=True)
class Outcome:
    """A row of the table.

    Attributes:
        name: Name of the fault.
        account: Its account.
        verdict: The verdict after the recovery; None where it broke before.
        broke: The error of this program, if one kept it from the end.
        seconds: Time of all of it.
        date: Time at which it was over.
    """

    name: str
    account: Account
    verdict: Verdict | None
    broke: str
    seconds: float
    date: str

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts before the recovery, if there is one, and after it."""
        return [verdict for verdict in (self.account.after_fault, self.verdict) if verdict is not None]

    @property
    def all_decode(self) -> bool:
        """The second verdict, both times."""
        return self.verdict is not None and all(verdict.all_decode for verdict in self.verdicts)

    @property
    def nothing_lost(self) -> bool:
        """The first verdict, after the recovery; no original may have changed before it either."""
        unchanged = not any(verdict.changed for verdict in self.verdicts)
        return self.verdict is not None and self.verdict.nothing_lost and unchanged

    @property
    def is_good(self) -> bool:
        """Both verdicts are good, and what was seen is what the operating guide says."""
        as_stated = all(self.account.expected.values())
        return not self.broke and self.nothing_lost and self.all_decode and as_stated

    def as_values(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return {"is_good": self.is_good, **asdict(self)}

    def reasons(self) -> list[str]:
        """The reasons why it is not good."""
        reasons = [self.broke] if self.broke else []
        for verdict in self.verdicts:
            reasons += [f"changed: {name!r}" for name in verdict.changed]
            reasons += [f"does not decode: {name!r}" for name in verdict.undecodable]
        reasons += [f"not archived: {name!r}" for name in (self.verdict.lost if self.verdict else ())]
        return reasons + [f"expected: {what}" for what, holds in self.account.expected.items() if not holds]


def outcome_of(values: dict[str, Any]) -> Outcome:
    """The outcome from what `Outcome.as_values` gave."""
    account = Account(**{**values["account"], "after_fault": _verdict(values["account"]["after_fault"])})
    given = {field.name: values[field.name] for field in fields(Outcome)}
    return Outcome(**{**given, "account": account, "verdict": _verdict(values["verdict"])})


def done(faults: Iterable[Fault], scenery: Scenery) -> Iterator[Outcome]:
    """Do each fault and judge its place; one that cannot be done is a bad row, and stops no other."""
    for fault in faults:
        started, account = time.monotonic(), Account("")
        broke, verdict = "", None
        try:
            place = fault.place(scenery, re.sub(r"\W+", "-", fault.name.lower()))
            with closing(place):
                fault.do(place, account, scenery)
            verdict = judge(place)
        except Exception:  # of this program: the row states it, and the other faults are done
            broke = without_root(traceback.format_exc(limit=-3))
        seconds, date = time.monotonic() - started, f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}"
        rows, account.rows = account.rows, {}
        yield Outcome(fault.name, account, verdict, broke, seconds, date)
        for name, part in rows.items():
            part.after_fault = account.after_fault
            yield Outcome(name, part, verdict, broke, seconds, date)


def page(origin: Origin, outcomes: list[Outcome]) -> list[str]:
    """The lines of the page."""
    bad = [outcome for outcome in outcomes if not outcome.is_good]
    lines = [
        "# Faults",
        "",
        *origin.headline(),
        f"- {len(outcomes) - len(bad)} of {len(outcomes)} ended well; the first over at {outcomes[0].date}, "
        f"the last at {max(outcome.date for outcome in outcomes)}",
        "",
        *EXPLAINED,
        f"| {' | '.join(COLUMNS)} |",
        "|" + " :-- |" * len(COLUMNS),
        *(f"| {' | '.join(map(_in_a_cell, _cells(outcome)))} |" for outcome in outcomes),
    ]
    for outcome in bad:
        lines += ["", f"Bad: {outcome.name}", "", "```", *outcome.reasons(), "```"]
    return lines


def _cells(outcome: Outcome) -> list[str]:
    account, verdict = outcome.account, outcome.verdict
    return [
        f"**{outcome.name}**",
        account.tried,
        "<br>".join(account.happened),
        f"{account.recovery}: {'<br>'.join(account.recovered)}",
        f"{_word(outcome.nothing_lost)} ({verdict.n_archived})" if verdict else "not measured",
        f"{_word(outcome.all_decode)}{', twice' if account.after_fault else ''}"
        if verdict
        else "not measured",
        f"{outcome.seconds:.0f}",
    ]


def _in_a_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _word(good: bool) -> str:
    return "yes" if good else "**NO**"


def _verdict(values: dict[str, Any] | None) -> Verdict | None:
    if values is None:
        return None
    found: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return Verdict(**found)

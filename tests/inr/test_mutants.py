"""The vectors find faults: some of those that `make mutants` tries, each by the file that caught it then."""

import json
import re

import pytest

from tests.tracing import untraced
from tests.vectors.faults.making import SECTIONS, Fault, faults
from tests.vectors.faults.unseen import reasons
from tests.vectors.mutants import ROOT, Check, Memory, caught_by, checks

EVERY = faults()
RESULT = json.loads((ROOT / "benchmarks" / "results" / "mutants.json").read_text(encoding="utf-8"))["faults"]
CAUGHT = {name: caught for name, (*_, caught) in RESULT.items() if caught not in (None, "import")}
# Files named cnn_ change with the priors, and which of them catches a fault with them.
# Decoders without the limits of samples and of pixels take gigabytes, which `make mutants` does not let them.
SEEN = [
    fault
    for fault in EVERY
    if not CAUGHT.get(fault.name, "cnn_").startswith("cnn_")
    and not re.search("'(samples|pixels)'", fault.name)
]
SOME = SEEN[:: max(1, len(SEEN) // 60)]


@pytest.fixture(scope="module")
def asked() -> dict[str, Check]:
    return {check.name: check for check in checks(names={CAUGHT[fault.name] for fault in SOME})}


@pytest.fixture(scope="module")
def memory() -> Memory:
    return Memory(ROOT)


@pytest.mark.parametrize("fault", SOME, ids=lambda fault: fault.name)
def test_a_fault_is_caught(fault: Fault, asked: dict[str, Check], memory: Memory) -> None:
    check = CAUGHT[fault.name]
    assert untraced(caught_by, fault, [asked[check]], memory) == check


def test_faults_lie_in_every_section_of_the_page_and_have_names_of_their_own() -> None:
    assert len({fault.name for fault in EVERY}) == len(EVERY) > 1000
    assert {fault.section for fault in EVERY} >= set(SECTIONS.values())
    for fault in SOME:
        compile(fault.source, "a decoder", "exec")


def test_the_result_is_of_these_faults_and_names_a_reason_where_nothing_caught_one() -> None:
    """After a change of the second decoder `make mutants` is due."""
    assert RESULT.keys() == {fault.name for fault in EVERY}
    assert {name for name, (*_, caught) in RESULT.items() if caught is None} == reasons().keys()

"""The vectors find faults: some of those that `tests.vectors.mutants` tries, every time."""

import pytest

from tests.vectors.faults.making import SECTIONS, Fault, faults
from tests.vectors.faults.unseen import reasons
from tests.vectors.mutants import ROOT, Check, Memory, caught_by, checks

EVERY = faults()
SEEN = [fault for fault in EVERY if fault.name not in reasons()]
SOME = SEEN[:: len(SEEN) // 40]


@pytest.fixture(scope="module")
def asked() -> list[Check]:
    return checks()


@pytest.fixture(scope="module")
def memory() -> Memory:
    return Memory(ROOT)


@pytest.mark.parametrize("fault", SOME, ids=lambda fault: fault.name)
def test_a_fault_is_caught(fault: Fault, asked: list[Check], memory: Memory) -> None:
    assert caught_by(fault, asked, memory) not in (None, "import")


def test_faults_lie_in_every_section_of_the_page_and_have_names_of_their_own() -> None:
    assert len({fault.name for fault in EVERY}) == len(EVERY) > 1000
    assert {fault.section for fault in EVERY} >= set(SECTIONS.values())
    for fault in SOME:
        compile(fault.source, "a decoder", "exec")


def test_what_cannot_be_seen_is_a_fault_that_there_is() -> None:
    """A list of exceptions that nothing takes is out of date."""
    assert reasons().keys() <= {fault.name for fault in EVERY}

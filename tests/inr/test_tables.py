"""The digests of tables that FORMAT.md states are those of its own text, and of the code's tables."""

import numpy as np
import pytest

from inr.cnn import arithmetic, levels, prior
from inr.coding import pmf
from inr.mlp import architecture, synthesis
from tests import reference_decoder
from tests.vectors import tables

PAGE = tables.PAGE.read_text(encoding="utf-8")
STATED = tables.on_the_page(PAGE)


def test_every_table_of_the_page_has_its_digest() -> None:
    assert list(STATED) == list(tables.NAMES)


@pytest.mark.parametrize("name", tables.NAMES)
def test_the_page_is_what_it_says(name: str) -> None:
    assert tables.digests(vars(reference_decoder))[name] == STATED[name]


@pytest.mark.parametrize("name", tables.NAMES)
def test_the_code_is_what_the_page_says(name: str) -> None:
    of_code = {
        **{"SCALE": pmf.SCALES, "THRESHOLD": pmf.THRESHOLDS, "DECAY": pmf.DECAYS, "FALL": levels.FALLS},
        **{
            "FREQUENCY": architecture.FREQUENCIES,
            "QUARTER": prior.QUARTERS,
            "SINE": np.float32(synthesis.SINE),
        },
        "NEIGHBOURS": arithmetic.NEIGHBOURS,
    }
    assert tables.digests(of_code)[name] == STATED[name]


def test_the_page_says_which_priors_it_means() -> None:
    """After new priors, `make vectors` writes their digest."""
    assert tables.priors_on_the_page(PAGE) == tables.priors_digest()

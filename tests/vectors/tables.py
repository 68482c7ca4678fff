"""Digests of the tables of FORMAT.md, as its section 12 states them.

Each table is hashed as the decimal integers of it, in the order of the page, with one newline after each.
Neighbours are their rows and columns in turn; the coefficients of the sine are hashed as the page has them.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

TABLES = ("SCALE", "THRESHOLD", "DECAY", "FREQUENCY", "QUARTER", "FALL")
NAMES = (*TABLES, "neighbours", "sine")
INR = Path(__file__).parents[2] / "inr"
PAGE, PRIORS = INR / "FORMAT.md", INR / "cnn" / "priors.json"
_OF_PRIORS = re.compile(r"(?<=^\| priors\.json \| 9\.1 \| `)[0-9a-f]{64}(?=` \|$)", re.MULTILINE)


def digest(numbers: Iterable[object]) -> str:
    """SHA-256 of numbers as text, a newline after each."""
    return hashlib.sha256("".join(f"{number}\n" for number in numbers).encode()).hexdigest()


def digests(tables: Mapping[str, Any]) -> dict[str, str]:
    """The digests of a decoder's tables, by their names on the page."""
    found = {name: digest(tables[name]) for name in TABLES}
    found["neighbours"] = digest(number for pair in tables["NEIGHBOURS"] for number in pair)
    found["sine"] = digest(np.array(tables["SINE"], "<f4").view("<u4"))
    return found


def on_the_page(page: str) -> dict[str, str]:
    """The digests that FORMAT.md states, by table; none in a page from before it did."""
    return dict(re.findall(r"^\| (\w+) \| [^|]*\| `([0-9a-f]{64})` \|$", page, re.MULTILINE))


def priors_digest() -> str:
    """The digest of priors.json."""
    return hashlib.sha256(PRIORS.read_bytes()).hexdigest()


def priors_on_the_page(page: str) -> str:
    """The digest of priors.json that FORMAT.md states."""
    return _OF_PRIORS.findall(page)[0]


def state_priors() -> None:
    """Writes the digest of priors.json into FORMAT.md."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_OF_PRIORS.sub(priors_digest(), page), encoding="utf-8")

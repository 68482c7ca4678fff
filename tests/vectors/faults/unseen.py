"""Faults that no file can show: unseen.json has them by their reasons."""

import json
from functools import cache
from pathlib import Path

MISSED = "Missed"


@cache
def reasons() -> dict[str, str]:
    """By the name of a fault, why no file can show it."""
    text = Path(__file__).with_name("unseen.json").read_text(encoding="utf-8")
    return {name: reason for reason, names in json.loads(text).items() for name in names}
